"""/metrics for Prometheus: the sum over all workers of this host."""

import os

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from reviewsite.collector import SiteCollector


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """The figures of classifier.metrics; on a deployment for those alone who have the token."""
    if not _is_allowed(request):
        return HttpResponse(
            "The figures need METRICS_TOKEN, sent as Authorization: Bearer.\n",
            status=401,
            content_type="text/plain",
            headers={"WWW-Authenticate": "Bearer"},
        )
    registry: CollectorRegistry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    asked = CollectorRegistry()
    asked.register(SiteCollector())
    return HttpResponse(
        generate_latest(registry) + generate_latest(asked), content_type=CONTENT_TYPE_LATEST
    )


def _is_allowed(request: HttpRequest) -> bool:
    if not settings.METRICS_TOKEN:
        return not settings.DEPLOYED
    sent = request.headers.get("Authorization", "")
    return constant_time_compare(sent, f"Bearer {settings.METRICS_TOKEN}")
