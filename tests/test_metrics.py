import pytest
from django.test import Client
from pytest_django import Settings

from tests.services.client import get, predict
from tests.site import Site


def test_all_workers_are_counted_together(site: Site) -> None:
    before = figures(get(site, "/metrics").body)
    for text in ("a counted film", "a counted film", "another"):
        assert predict(site, {"text": text}).status == 200

    after = figures(get(site, "/metrics").body)

    def grown(name: str) -> float:
        return after.get(name, 0) - before.get(name, 0)

    assert grown('reviewsite_predictions_total{source="api"}') == 3
    assert grown("reviewsite_cache_hits_total") == 1
    assert grown("reviewsite_cache_misses_total") == 2
    assert grown("reviewsite_inference_seconds_count") == 3
    assert grown("reviewsite_keeping_seconds_count") == 3


def figures(body: str) -> dict[str, float]:
    lines = [line.rsplit(" ", 1) for line in body.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


def test_a_deployment_without_a_token_keeps_its_figures(client: Client, settings: Settings) -> None:
    settings.DEPLOYED = True

    assert client.get("/metrics").status_code == 401


@pytest.mark.parametrize(
    ("sent", "status"),
    [({}, 401), ({"Authorization": "Bearer no"}, 401), ({"Authorization": "Bearer föö"}, 401),
     ({"Authorization": "Bearer a long one"}, 200)],
    ids=["none", "wrong", "not ascii", "right"],
)  # fmt: skip
def test_a_token_opens_the_figures(
    client: Client, settings: Settings, sent: dict[str, str], status: int
) -> None:
    settings.METRICS_TOKEN = "a long one"

    response = client.get("/metrics", headers=sent)

    assert response.status_code == status
    assert (b"reviewsite_cache_hits_total" in response.content) == (status == 200)


def test_the_figures_are_only_read(client: Client) -> None:
    assert client.post("/metrics").status_code == 405
