import hashlib
import http.client
import json
import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from classifier.bulk_jobs import work
from classifier.models import BulkChunk, BulkJob, FilePiece, Prediction, StoredFile
from tests.classifier.test_api_errors import error_of
from tests.site import Site, free_port

pytestmark = pytest.mark.django_db

CSV = b"id,review\n1,a lovely film\n2,\n3,an awful bore\n4,superb and warm\n"
UNCLEAR = b"first,second\ngood,bad\n"
FIELDS = [
    *("id", "status", "stage", "url", "page", "filename", "text_column", "keep_texts"),
    *("rows_done", "rows_total", "rows_per_second", "seconds_left", "cancel_requested"),
    *("error", "model", "created_at", "started_at", "finished_at", "purged_at"),
    *("summary", "result"),
]


@pytest.fixture(autouse=True)
def quiet_heart(settings: Settings) -> None:
    """No thread of a heart comes to the database in memory between."""
    settings.JOB_HEARTBEAT_SECONDS = 60.0


def send(client: Client, content: bytes = CSV, name: str = "reviews.csv", **fields: Any) -> Any:
    return client.post("/api/bulk", {"file": SimpleUploadedFile(name, content), **fields})


def submitted(client: Client, content: bytes = CSV, **fields: Any) -> dict[str, Any]:
    response = send(client, content, **fields)
    assert response.status_code == 202, response.content
    answer: dict[str, Any] = response.json()
    return answer


def read(client: Client, job: dict[str, Any]) -> dict[str, Any]:
    response = client.get(job["url"])
    assert response.status_code == 200
    answer: dict[str, Any] = response.json()
    return answer


def nothing_is_kept() -> bool:
    return not any(kind.objects.exists() for kind in (StoredFile, FilePiece, BulkJob, BulkChunk))


def test_a_file_is_answered_at_once_with_where_its_job_is(client: Client) -> None:
    response = send(client)

    answer = response.json()
    assert response.status_code == 202
    assert list(answer) == FIELDS
    assert response["Location"] == answer["url"] == f"/api/bulk/{answer['id']}"
    assert answer["page"] == f"/bulk/{answer['id']}"
    assert (answer["status"], answer["stage"]) == ("queued", "Waiting for a worker")
    assert (answer["text_column"], answer["keep_texts"]) == ("review", False)
    assert (answer["rows_done"], answer["rows_total"], answer["result"]) == (0, None, None)
    assert BulkJob.objects.get().source == "api"


def test_a_job_that_is_done_says_what_came_of_it_and_where_the_result_is(
    client: Client, served_model: Path
) -> None:
    job = submitted(client)
    work.work()

    answer = read(client, job)

    assert list(answer) == FIELDS
    assert (answer["status"], answer["rows_done"], answer["rows_total"]) == ("succeeded", 4, 4)
    summary = answer["summary"]
    assert (summary["rows"], summary["rated"], summary["bad"]) == (4, 3, 1)
    assert sum(summary["ratings"]) == 3
    assert summary["positive_share"] == pytest.approx(2 / 3)
    [bad] = summary["bad_rows"]
    assert bad["row"] == 2
    assert "at least one character" in bad["reason"]
    result: Any = client.get(answer["result"]["url"])
    content = b"".join(result.streaming_content)
    assert answer["result"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert answer["result"]["size"] == len(content) == int(result["Content-Length"])
    assert result["Content-Disposition"] == 'attachment; filename="reviews-rated.csv"'
    assert answer["result"]["filename"] == "reviews-rated.csv"


def test_a_named_column_is_read(client: Client, served_model: Path) -> None:
    job = submitted(client, UNCLEAR, text_column="second")
    work.work()

    assert read(client, job)["summary"]["ratings"][0] == 1


def test_texts_are_kept_when_that_is_asked_for(client: Client, served_model: Path) -> None:
    submitted(client, keep_texts="true")
    work.work()

    assert set(Prediction.objects.values_list("source", flat=True)) == {"bulk"}
    assert Prediction.objects.count() == 3


@pytest.mark.parametrize("said", ["false", "0", "no", "off", "", "False"])
def test_texts_are_not_kept_otherwise(said: str, client: Client) -> None:
    assert submitted(client, keep_texts=said)["keep_texts"] is False


@pytest.mark.parametrize(
    ("content", "name", "fields", "status", "code", "field"),
    [
        (UNCLEAR, "a.csv", {}, 400, "column_unclear", "text_column"),
        (CSV, "a.csv", {"text_column": "no"}, 400, "column_unknown", "text_column"),
        (CSV, "a.csv", {"text_column": ["id", "review"]}, 400, "text_column_several", None),
        (CSV, "a.csv", {"keep_texts": "perhaps"}, 400, "keep_texts_value", None),
        (CSV, "a.pdf", {}, 400, "format_unknown", "file"),
        (b"", "a.csv", {}, 400, "file_empty", "file"),
        (b"id,review\n", "a.csv", {"text_column": "id"}, 400, "table_without_rows", "file"),
        (b"\x00\xff\xfe" * 9, "a.csv", {}, 400, "encoding_unknown", "file"),
        (CSV, "a.xlsx", {"text_column": "x"}, 400, "xlsx_broken", "file"),
    ],
    ids=lambda given: repr(given)[:20],
)
def test_what_cannot_be_rated_is_refused_and_nothing_of_it_kept(
    content: bytes,
    name: str,
    fields: dict[str, Any],
    status: int,
    code: str,
    field: str | None,
    client: Client,
) -> None:
    response = send(client, content, name, **fields)

    error = error_of(response)
    assert (response.status_code, error["code"], error["field"]) == (status, code, field)
    assert nothing_is_kept()


def test_an_unclear_column_is_answered_with_the_columns(client: Client) -> None:
    assert "first, second" in error_of(send(client, UNCLEAR))["value"]


def test_no_file_is_refused(client: Client) -> None:
    for response in (
        client.post("/api/bulk"),
        client.post("/api/bulk", {"text_column": "review"}),
        client.post("/api/bulk", {"file": "no file"}),
    ):
        assert response.status_code == 400
        assert error_of(response)["code"] == "file_missing"


def test_several_files_are_refused(client: Client) -> None:
    files = [SimpleUploadedFile(f"{number}.csv", CSV) for number in range(150)]

    for sent in ({"file": files[:2]}, {"file": files[0], "other": files[1]}, {"file": files}):
        assert error_of(client.post("/api/bulk", sent))["code"] == "files_several"
    assert nothing_is_kept()


def test_a_file_over_the_limit_is_refused(client: Client, settings: Settings) -> None:
    settings.BULK_MAX_BYTES = 1000

    response = send(client, b"x" * 1001)

    assert response.status_code == 413
    assert error_of(response)["code"] == "file_too_large"
    assert nothing_is_kept()


def test_a_chunked_request_is_told_to_say_its_length(client: Client) -> None:
    response = client.post("/api/bulk", headers={"Transfer-Encoding": "chunked"})

    assert response.status_code == 411
    assert error_of(response)["code"] == "length_missing"


@pytest.mark.parametrize(
    "content_type", ["application/json", "text/csv", "application/x-www-form-urlencoded"]
)
def test_another_content_type_is_refused(content_type: str, client: Client) -> None:
    response = client.post("/api/bulk", b"a,b\n", content_type=content_type)

    assert response.status_code == 415
    assert "multipart/form-data" in error_of(response)["rule"]


@pytest.mark.parametrize(
    "content_type",
    ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=\xff"],
)
def test_a_form_that_is_none_is_refused(content_type: str, client: Client) -> None:
    response = client.post("/api/bulk", b"--x", content_type=content_type)

    assert response.status_code == 400
    error_of(response)


def test_more_files_than_may_wait_are_503_with_when_to_come_back(
    client: Client, settings: Settings
) -> None:
    settings.BULK_MAX_WAITING = 1
    submitted(client)

    response = send(client)

    assert response.status_code == 503
    assert response["Retry-After"] == "30"
    assert error_of(response)["code"] == "bulk_queue_full"
    assert BulkJob.objects.count() == StoredFile.objects.count() == 1


def test_a_result_that_is_not_there_is_409_and_a_deleted_one_410(
    client: Client, served_model: Path
) -> None:
    job = submitted(client)
    address = f"{job['url']}/result"

    early = client.get(address)
    assert (early.status_code, error_of(early)["code"]) == (409, "bulk_not_ready")
    running = client.delete(job["url"])
    assert (running.status_code, error_of(running)["code"]) == (409, "bulk_not_over")

    work.work()
    assert client.delete(job["url"]).status_code == 204
    assert client.delete(job["url"]).status_code == 204
    late = client.get(address)
    assert (late.status_code, error_of(late)["code"]) == (410, "bulk_purged")
    said = read(client, job)
    assert said["result"] is None
    assert said["purged_at"]
    assert said["summary"]["rated"] == 3
    assert not StoredFile.objects.exists()


def test_a_result_comes_whatever_the_request_accepts(client: Client, served_model: Path) -> None:
    job = submitted(client)
    work.work()

    response = client.get(f"{job['url']}/result", headers={"Accept": "text/csv"})

    assert response.status_code == 200


def test_a_job_that_waits_is_cancelled_and_then_no_more(client: Client) -> None:
    job = submitted(client)

    first = client.post(f"{job['url']}/cancel")
    assert (first.status_code, first.json()["status"]) == (202, "cancelled")
    second = client.post(f"{job['url']}/cancel")
    assert (second.status_code, error_of(second)["code"]) == (409, "bulk_over")
    assert not StoredFile.objects.exists()


SOME_ID = str(uuid.UUID(int=1, version=4))


@pytest.mark.parametrize("job_id", [SOME_ID, "1", "None", "%00", "a" * 500])
@pytest.mark.parametrize(
    ("method", "rest"), [("GET", ""), ("DELETE", ""), ("GET", "/result"), ("POST", "/cancel")]
)
def test_an_unknown_job_is_404_in_the_apis_own_shape(
    method: str, rest: str, job_id: str, client: Client
) -> None:
    response = client.generic(method, f"/api/bulk/{job_id}{rest}")

    assert response.status_code == 404
    assert error_of(response)["code"] == "not_found"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("PUT", ""), ("POST", "/x"), ("GET", "/x/cancel")]
)
def test_another_method_is_refused(method: str, path: str, client: Client) -> None:
    response = client.generic(method, f"/api/bulk{path}")

    assert response.status_code == 405
    assert response["Allow"]
    error_of(response)


def test_no_cookie_is_read(admin_client: Client) -> None:
    submitted(admin_client)

    assert BulkJob.objects.get().owner is None
    assert Client(enforce_csrf_checks=True).post("/api/bulk").status_code == 400


def test_answers_are_kept_by_nobody(client: Client) -> None:
    job = submitted(client)

    for response in (client.get(job["url"]), send(client), client.get(f"{job['url']}/result")):
        assert {"no-store", "private"} <= set(response["Cache-Control"].split(", "))


@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    content=st.binary(max_size=80)
    | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")),
    ending=st.sampled_from([".csv", ".tsv", ".jsonl", ".xlsx", ""]),
    column=st.none() | st.text(max_size=10),
)
def test_any_file_becomes_a_job_or_an_error(
    content: bytes, ending: str, column: str | None, client: Client
) -> None:
    fields = {} if column is None else {"text_column": column}

    response = send(client, content, f"any{ending}", **fields)

    if response.status_code == 202:
        assert list(response.json()) == FIELDS
        BulkJob.objects.all().delete()
        StoredFile.objects.all().delete()
    else:
        assert response.status_code == 400
        error_of(response)
        assert nothing_is_kept()


@pytest.fixture(scope="module")
def schema() -> Any:
    response = Client().get("/api/schema", headers={"Accept": "application/vnd.oai.openapi+json"})
    return response.json()


def test_the_schema_documents_every_operation(schema: Any) -> None:
    operations = {
        operation["operationId"]: (path, method)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
        if path.startswith("/api/bulk")
    }

    assert operations == {
        "bulk_create": ("/api/bulk", "post"),
        "bulk_read": ("/api/bulk/{job_id}", "get"),
        "bulk_delete": ("/api/bulk/{job_id}", "delete"),
        "bulk_result": ("/api/bulk/{job_id}/result", "get"),
        "bulk_cancel": ("/api/bulk/{job_id}/cancel", "post"),
    }


def test_the_schema_documents_the_upload(schema: Any) -> None:
    create = schema["paths"]["/api/bulk"]["post"]

    [(kind, body)] = create["requestBody"]["content"].items()
    fields = schema["components"]["schemas"][body["schema"]["$ref"].split("/")[-1]]
    assert kind == "multipart/form-data"
    assert fields["properties"]["file"] == {
        **fields["properties"]["file"],
        "type": "string",
        "format": "binary",
    }
    assert fields["required"] == ["file"]
    assert {"202", "400", "411", "413", "415", "503"} <= set(create["responses"])


def test_the_schema_documents_the_job(schema: Any) -> None:
    schemas = schema["components"]["schemas"]

    assert list(schemas["BulkJob"]["properties"]) == FIELDS
    assert set(schemas["BulkSummary"]["properties"]) == {
        *("rows", "rated", "bad", "mean_rating", "positive_share", "ratings", "bad_rows")
    }


@pytest.fixture(scope="module")
def site(exported_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A real site whose Redis is not there."""
    with Site.started(
        tmp_path_factory.mktemp("site"),
        CLASSIFIER_MODEL=str(exported_model_dir),
        REDIS_URL=f"redis://127.0.0.1:{free_port()}/0",
        BULK_MAX_BYTES="1000000",
    ) as running:
        yield running


def post(site: Site, content: bytes, *, timeout: float = 30) -> tuple[int, dict[str, Any], float]:
    """Status, answer and seconds of an upload that is sent to its end before anything is read."""
    body = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
        + content
        + b"\r\n--x--\r\n"
    )
    connection = http.client.HTTPConnection(urlsplit(site.url).netloc, timeout=timeout)
    started = time.monotonic()
    connection.request(
        "POST", "/api/bulk", body, {"Content-Type": "multipart/form-data; boundary=x"}
    )
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    return response.status, answer, time.monotonic() - started


def test_without_a_broker_a_file_is_accepted_all_the_same(site: Site) -> None:
    post(site, CSV)  # the first request of a process imports what it needs

    status, answer, seconds = post(site, CSV)
    assert (status, answer["stage"]) == (202, "Waiting for a worker")
    assert seconds < 1

    port = urlsplit(site.environment["REDIS_URL"]).port
    with socket.create_server(("127.0.0.1", port or 0)):  # takes connections and never answers
        status, answer, seconds = post(site, CSV)
    assert (status, answer["status"]) == (202, "queued")
    assert seconds < 3


def test_a_file_over_the_limit_gets_an_answer_and_no_reset(site: Site) -> None:
    status, answer, _ = post(site, b"x" * 9_000_000)

    assert (status, answer["error"]["code"]) == (413, "file_too_large")
    assert list((site.var_dir / "tmp").iterdir()) == []


def test_a_sender_that_breaks_off_leaves_nothing(site: Site) -> None:
    address = urlsplit(site.url)
    with socket.create_connection((address.hostname or "", address.port or 0)) as sender:
        sender.sendall(
            b"POST /api/bulk HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 500000\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
            b'Content-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\nreview\n'
        )
    assert post(site, CSV)[0] == 202
    assert "Traceback" not in site.log.read_text()
    assert list((site.var_dir / "tmp").iterdir()) == []
