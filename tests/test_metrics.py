from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from classifier import metrics
from classifier.models import BulkJob, Worker
from classifier.predictor import holder
from classifier.workers import give_sign
from reviewsite import collector
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
    assert grown("reviewsite_texts_sum") == 3
    assert sum(grown(f'reviewsite_ratings_total{{rating="{each}"}}') for each in range(1, 11)) == 3


def figures(body: str) -> dict[str, float]:
    lines = [line.rsplit(" ", 1) for line in body.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


def test_a_deployment_without_a_token_keeps_its_figures(client: Client, settings: Settings) -> None:
    settings.DEPLOYED = True

    assert client.get("/metrics").status_code == 401


@pytest.mark.django_db
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


@pytest.mark.django_db
def test_jobs_workers_and_model_are_told_when_asked(
    client: Client, served_model: Path, django_assert_num_queries: Any
) -> None:
    job = BulkJob.objects.create(
        filename="a.csv", text_column="text", queued_at=timezone.now() - timedelta(minutes=1)
    )
    BulkJob.objects.create(filename="b.csv", text_column="text")
    give_sign("bulk@here", ["bulk"])
    give_sign(Worker.SCHEDULE)
    holder.get()

    with django_assert_num_queries(4):  # two kinds of jobs, workers, the schedule's mark
        said = figures(client.get("/metrics").content.decode())

    assert said['reviewsite_jobs{kind="bulkjob",status="queued"}'] == 2
    assert said['reviewsite_jobs{kind="trainingrun",status="running"}'] == 0
    assert 59 < said['reviewsite_job_wait_seconds{kind="bulkjob"}'] < 120
    assert said['reviewsite_workers{queue="bulk"}'] == 1
    assert said['reviewsite_workers{queue="training"}'] == 0
    assert said["reviewsite_schedule_age_seconds"] < 60
    assert said["reviewsite_model_ready"] == said["reviewsite_database_up"] == 1
    assert any(name.startswith('reviewsite_model_info{model="tiny@') for name in said)

    claim = BulkJob.objects.claim(job.pk)
    assert claim
    said = figures(client.get("/metrics").content.decode())
    assert said['reviewsite_jobs{kind="bulkjob",status="running"}'] == 1
    assert said['reviewsite_jobs{kind="bulkjob",status="paused"}'] == 0

    claim.pause("The disk is full.")
    said = figures(client.get("/metrics").content.decode())
    assert said['reviewsite_jobs{kind="bulkjob",status="paused"}'] == 1


@pytest.mark.django_db
def test_a_database_that_is_down_is_a_figure_and_no_error(
    client: Client, no_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down() -> None:
        raise OperationalError("the connection is gone")

    monkeypatch.setattr(collector, "_jobs", down)
    said = figures(client.get("/metrics").content.decode())

    assert said["reviewsite_database_up"] == said["reviewsite_model_ready"] == 0
    assert not any(name.startswith(("reviewsite_jobs", "reviewsite_workers")) for name in said)


@pytest.mark.django_db
def test_a_request_is_counted_by_its_route_and_not_by_its_address(
    client: Client, no_model: Path
) -> None:
    def count(route: str, method: str, status: int) -> float:
        labels = f'method="{method}",route="{route}",status="{status}"'
        said = figures(client.get("/metrics").content.decode())
        return said.get(f"reviewsite_request_seconds_count{{{labels}}}", 0)

    unknown, absent = count("other", "GET", 404), count("/api/predict", "POST", 503)
    for number in range(3):
        client.get(f"/nowhere/{number}")
    client.post("/api/predict", {"text": "x"}, content_type="application/json")
    client.post("/api/v1/predict", {"text": "x"}, content_type="application/json")

    assert count("other", "GET", 404) == unknown + 3
    assert count("/api/predict", "POST", 503) == absent + 2
    client.generic("BREW", "/nowhere")
    assert count("other", "other", 404) == 1


def test_methods_of_any_name_take_no_memory() -> None:
    counted = {id(metrics.request_seconds("/", f"METHOD{number}", 405)) for number in range(50)}

    assert len(counted) == 1
    assert id(metrics.request_seconds("/", "GET", 405)) not in counted
