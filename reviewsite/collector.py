"""Figures that are asked for when Prometheus asks: jobs, workers, and the model in service."""

from collections.abc import Iterable
from typing import ClassVar

from django.apps import apps
from django.db import Error
from django.db.models import Count, Min
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from classifier.jobs import Job
from classifier.jobs.job import NOT_OVER
from classifier.models import Worker
from classifier.predictor import holder


class SiteCollector(Collector):
    """One query a kind of job and one for workers, by indexes; the same from every process."""

    QUEUES: ClassVar = ("training", "bulk", "celery")

    def describe(self) -> Iterable[Metric]:
        """Nothing: to be registered it needs no database."""
        return []

    def collect(self) -> Iterable[Metric]:
        up = GaugeMetricFamily("reviewsite_database_up", "Whether the database answers: 1 or 0.")
        figures: list[Metric] = []
        try:
            figures = [*_jobs(), *_workers(self.QUEUES)]
        except Error:
            up.add_metric([], 0)
        else:
            up.add_metric([], 1)
        return [up, *figures, *_model()]


def _jobs() -> Iterable[Metric]:
    count = GaugeMetricFamily(
        "reviewsite_jobs", "Jobs that wait, run or are paused.", labels=["kind", "status"]
    )
    oldest = GaugeMetricFamily(
        "reviewsite_job_wait_seconds",
        "How long the first in the queue has waited.",
        labels=["kind"],
    )
    for model in apps.get_models():
        if not issubclass(model, Job):
            continue
        kind = str(model._meta.model_name)
        found = {
            row["status"]: row
            for row in model.objects.active()
            .order_by()
            .values("status")
            .annotate(count=Count("pk"), first=Min("queued_at"))
        }
        for status in NOT_OVER:
            count.add_metric([kind, str(status)], found[status]["count"] if status in found else 0)
        first = found[model.Status.QUEUED]["first"] if model.Status.QUEUED in found else None
        waited = (timezone.now() - first).total_seconds() if first else 0.0
        oldest.add_metric([kind], max(0.0, waited))
    return [count, oldest]


def _workers(queues: Iterable[str]) -> Iterable[Metric]:
    alive = GaugeMetricFamily(
        "reviewsite_workers", "Workers that gave a sign of life in a minute.", labels=["queue"]
    )
    age = GaugeMetricFamily(
        "reviewsite_schedule_age_seconds", "Since what is periodic last ran; none before that."
    )
    serving = [queue for worker in Worker.objects.alive() for queue in worker.queues]
    for queue in queues:
        alive.add_metric([queue], serving.count(queue))
    if mark := Worker.objects.filter(pk=Worker.SCHEDULE).first():
        age.add_metric([], max(0.0, (timezone.now() - mark.seen_at).total_seconds()))
    return [alive, age]


def _model() -> Iterable[Metric]:
    ready = GaugeMetricFamily("reviewsite_model_ready", "Whether a model is loaded: 1 or 0.")
    info = GaugeMetricFamily(
        "reviewsite_model_info", "1 for the model that the asked process serves.", labels=["model"]
    )
    predictor = holder.loaded
    ready.add_metric([], 0 if predictor is None else 1)
    if predictor is not None:
        info.add_metric([f"{predictor.name}@{predictor.revision}"], 1)
    return [ready, info]
