"""One id from the request to the answer, the log, the job, its worker and its process."""

import json
import urllib.request
from pathlib import Path

import pytest
from django.test import Client

from classifier.models import BulkJob
from reviewsite.logs import request_id
from tests.services.client import file_request, get
from tests.site import Site, command
from tests.waiting import SECONDS, until

SENT = "from-the-client.0123456789"
CANARY = "A canary review that nobody may find in a log."


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/", "/api/model", "/no-such-page"])
def test_every_answer_has_an_id(path: str, client: Client, no_model: Path) -> None:
    first, second = client.get(path), client.get(path)

    assert len(first["X-Request-ID"]) == 32
    assert first["X-Request-ID"] != second["X-Request-ID"]
    assert client.get(path, headers={"X-Request-ID": SENT})["X-Request-ID"] == SENT
    assert request_id.current() == ""


@pytest.mark.parametrize(
    "sent", ["short", "x" * 65, "a b c d e f g", "12345678\r\nSet-Cookie: a=b", "éééééééé", None]
)
def test_an_id_that_could_forge_a_log_is_replaced(sent: str | None) -> None:
    assert len(request_id.accepted(sent)) == 32


@pytest.mark.django_db
def test_a_job_keeps_the_id_of_its_request() -> None:
    with request_id.bound(SENT):
        job = BulkJob.objects.create(filename="a.csv", text_column="text")

    assert BulkJob.objects.get(pk=job.pk).request_id == SENT
    assert BulkJob.objects.create(filename="b.csv", text_column="text").request_id == ""


def test_an_id_goes_from_a_request_to_the_worker_and_no_text_is_logged(
    exported_model_dir: Path, tmp_path: Path
) -> None:
    with Site.started(
        tmp_path, CLASSIFIER_MODEL=str(exported_model_dir), LOG_FORMAT="json"
    ) as site:
        rating = urllib.request.Request(
            f"{site.url}/api/predict",
            data=json.dumps({"text": CANARY}).encode(),
            headers={"Content-Type": "application/json", "X-Request-ID": SENT},
        )
        with urllib.request.urlopen(rating, timeout=SECONDS) as answer:
            assert answer.headers["X-Request-ID"] == SENT
        request = file_request(site, "a.csv", f"text\n{CANARY}\n".encode())
        request.add_header("X-Request-ID", SENT)
        log = tmp_path / "bulk.log"
        # The worker first: a message that waits too long for one is thrown away.
        with site.running(command("worker-bulk"), log=log):
            until(lambda: " ready." in log.read_text(), log)
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                job = f"/api/bulk/{json.load(answer)['id']}"
            until(lambda: get(site, job).json()["status"] == "succeeded", log)
            until(lambda: SENT in log.read_text(), log)  # it says so after the row does

    said = log.read_text().partition("\nworker: ")[0]  # which Celery's handler of SIGTERM prints
    events = [json.loads(line) for line in said.splitlines()]
    received = [event for event in events if "rate_bulk_jobs" in event["message"]]
    assert any(event.get("request_id") == SENT for event in received), events
    web = [json.loads(line) for line in site.log.read_text().splitlines()]
    assert {"gunicorn.error"} <= {event["logger"] for event in web}
    assert CANARY not in log.read_text() + site.log.read_text()
