import hashlib
import html
import io
import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from classifier.bulk_jobs import retention, work
from classifier.bulk_jobs.coordination import RATING
from classifier.bulk_shown import ShownJob
from classifier.jobs.progress import Progress
from classifier.models import BulkChunk, BulkJob, FilePiece, Prediction, StoredFile

pytestmark = pytest.mark.django_db

CSV = b"id,review\n1,a lovely film\n2,\n3,an awful bore\n4,superb and warm\n"
PAYLOAD = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
SHOWN_PAYLOAD = "<script>alert"


@pytest.fixture(autouse=True)
def quiet_heart(settings: Settings) -> None:
    """No thread of a heart comes to the database in memory between."""
    settings.JOB_HEARTBEAT_SECONDS = 60.0


def page(response: Any) -> str:
    return str(response.content.decode())


def said(response: Any) -> str:
    """What a reader sees, on one line."""
    text = re.sub(r"<(script|style|title).*?</\1>|<[^>]*>", " ", page(response), flags=re.S)
    return " ".join(html.unescape(text).split())


def content_of(response: Any) -> bytes:
    return b"".join(response.streaming_content)


def send(client: Client, content: bytes, name: str = "reviews.csv", **more: Any) -> Any:
    return client.post("/bulk", {"file": SimpleUploadedFile(name, content), **more})


def uploaded(client: Client, content: bytes = CSV, name: str = "reviews.csv") -> str:
    """The address of the second step."""
    response = send(client, content, name)
    assert response.status_code == 302, said(response)
    return str(response["Location"])


def submitted(
    client: Client,
    content: bytes = CSV,
    name: str = "reviews.csv",
    column: int = 1,
    keep: str = "no",
) -> BulkJob:
    address = uploaded(client, content, name)
    response = client.post(address, {"text_column": column, "keep_texts": keep})
    assert response.status_code == 302, said(response)
    job: BulkJob = BulkJob.objects.get(pk=response["Location"].split("/")[-1])
    return job


@pytest.fixture
def rated(client: Client, served_model: Path) -> BulkJob:
    job = submitted(client)
    work.work()
    job.refresh_from_db()
    assert job.status == "succeeded", job.error
    return job


def raw_upload(client: Client, filename: bytes, content: bytes = CSV) -> Any:
    """An upload whose file name is sent byte by byte, as Django's own client would not."""
    body = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="'
        + filename
        + b'"\r\nContent-Type: text/csv\r\n\r\n'
        + content
        + b"\r\n--x--\r\n"
    )
    return client.generic("POST", "/bulk", body, content_type="multipart/form-data; boundary=x")


def nothing_is_kept() -> bool:
    return not any(kind.objects.exists() for kind in (StoredFile, FilePiece, BulkJob, BulkChunk))


def test_every_page_leads_to_the_form(client: Client) -> None:
    assert '<a href="/bulk">Rate a file</a>' in page(client.get("/"))


def test_the_form_names_formats_limit_and_what_becomes_of_the_texts(
    client: Client, settings: Settings
) -> None:
    settings.BULK_MAX_BYTES = 5 * 1024 * 1024
    settings.BULK_RETENTION_HOURS = 7
    settings.TEXT_RETENTION_DAYS = 30

    shown = said(client.get("/bulk"))

    assert "CSV, TSV, JSON Lines or Excel (.xlsx); 5.0\xa0MB at most" in shown.replace(
        "5.0 MB", "5.0\xa0MB"
    )
    assert "the result is deleted 7 hours after it is ready" in shown
    assert "its text is deleted after 30 days" in shown


def test_a_file_is_looked_at_before_anything_is_rated(client: Client) -> None:
    response = client.get(uploaded(client))

    shown = said(response)
    assert response.status_code == 200
    assert "a lovely film" in shown
    assert "review (this looks like it)" in shown
    assert re.search(r'value="1"[^>]*checked', page(response))
    assert re.search(r'value="no"[^>]*checked', page(response))
    assert not BulkJob.objects.exists()


def test_a_chosen_column_makes_a_job_with_an_address_of_its_own(client: Client) -> None:
    job = submitted(client, keep="yes")

    assert job.get_absolute_url() == f"/bulk/{job.pk}"
    assert (job.filename, job.text_column, job.keep_texts) == ("reviews.csv", "review", True)
    assert (job.source, job.owner, job.status) == ("form", None, "queued")


def test_a_job_of_someone_who_is_logged_in_is_theirs(
    admin_client: Client, admin_user: User
) -> None:
    assert submitted(admin_client).owner == admin_user


@pytest.mark.parametrize(
    ("name", "content", "status", "says"),
    [
        ("reviews.csv", b"", 400, "at least one byte"),
        ("reviews.pdf", CSV, 400, "must end in .csv"),
        ("reviews", CSV, 400, "a name without ending"),
        ("reviews.csv", b"\x00\x01\xff\xfe\x80" * 100, 400, "Save it as UTF-8"),
        ("reviews.csv", b"PK\x03\x04" + b"\0" * 99, 400, "Rename it to .xlsx"),
        ("reviews.xlsx", b"PK\x03\x04" + b"\0" * 99, 400, ""),
        ("reviews.xlsx", CSV, 400, ""),
        ("reviews.csv", b"\n\n  \n", 400, "must begin with the names of its columns"),
        ("reviews.csv", b"id,review\n", 400, "a row below the names"),
    ],
    ids=lambda given: repr(given)[:20],
)
def test_a_file_that_cannot_be_rated_is_refused_and_nothing_of_it_kept(
    name: str, content: bytes, status: int, says: str, client: Client
) -> None:
    response = send(client, content, name)

    shown = said(response)
    assert response.status_code == status
    assert 'role="alert"' in page(response)
    assert 'aria-invalid="true"' in page(response)
    assert "Found: " in shown
    assert says in shown
    assert nothing_is_kept()


def test_no_file_is_an_error_with_a_remedy(client: Client) -> None:
    response = client.post("/bulk", {"other": "field"})

    assert response.status_code == 400
    assert "Choose a file." in said(response)


def test_an_upload_as_a_plain_form_has_no_file(client: Client) -> None:
    response = client.post("/bulk", "file=x", content_type="application/x-www-form-urlencoded")

    assert response.status_code == 400


def test_several_files_are_refused(client: Client) -> None:
    files = [SimpleUploadedFile("a.csv", CSV), SimpleUploadedFile("b.csv", CSV)]

    response = client.post("/bulk", {"file": files})

    assert response.status_code == 400
    assert "one file" in said(response)
    assert nothing_is_kept()


def test_a_file_over_the_limit_is_413_and_nothing_of_it_kept(
    client: Client, settings: Settings
) -> None:
    settings.BULK_MAX_BYTES = 1000

    response = send(client, b"review\n" + b"good\n" * 1000)

    assert response.status_code == 413
    assert "1,000 bytes" in said(response)
    assert nothing_is_kept()
    assert list((settings.VAR_DIR / "tmp").iterdir()) == []


def test_a_file_of_exactly_the_limit_is_taken(client: Client, settings: Settings) -> None:
    settings.BULK_MAX_BYTES = len(CSV)

    assert uploaded(client)


def test_a_file_far_over_the_limit_is_not_even_read(client: Client, settings: Settings) -> None:
    settings.BULK_MAX_BYTES = 1000

    response = client.generic(
        "POST",
        "/bulk",
        b"",
        content_type="multipart/form-data; boundary=x",
        headers={"Content-Length": "10001"},
    )

    assert response.status_code == 413


def test_a_request_without_length_is_411(client: Client) -> None:
    response = client.generic(
        "POST",
        "/bulk",
        b"",
        content_type="multipart/form-data; boundary=x",
        headers={"Transfer-Encoding": "chunked"},
    )

    assert response.status_code == 411
    assert "Content-Length" in said(response)


def test_an_upload_lies_under_the_sites_own_folder_and_has_no_name_there(
    client: Client, settings: Settings
) -> None:
    uploaded(client)

    assert list((settings.VAR_DIR / "tmp").iterdir()) == []


def test_the_form_is_guarded_against_forgery() -> None:
    strict = Client(enforce_csrf_checks=True)

    assert send(strict, CSV).status_code == 403
    assert nothing_is_kept()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page(strict.get("/bulk")))
    assert token
    assert send(strict, CSV, csrfmiddlewaretoken=token[1]).status_code == 302


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b"C:\\\\my files\\\\reviews.csv", "reviews.csv"),
        (b"../../etc/reviews.csv", "reviews.csv"),
        (b"re\x00vi\x07ews\x1b.csv", "reviews.csv"),
        ("re\u202evsc.views.csv".encode(), "revsc.views.csv"),
        (b"a" * 300 + b".csv", "a" * 251 + ".csv"),
        ("отзывы.csv".encode(), "отзывы.csv"),
    ],
    ids=lambda given: repr(given)[:24],
)
def test_a_file_name_is_a_name_alone(sent: bytes, kept: str, client: Client) -> None:
    response = raw_upload(client, sent)

    assert response.status_code == 302, said(response)
    assert StoredFile.objects.get().name == kept
    assert client.get(response["Location"]).status_code == 200


@pytest.mark.parametrize("sent", [b"..", b"/", b"\x00", b"", b"re\xffviews.csv"])
def test_a_file_without_a_name_is_no_file(sent: bytes, client: Client) -> None:
    response = raw_upload(client, sent)

    assert response.status_code == 400
    assert nothing_is_kept()


def test_the_only_column_is_chosen(client: Client) -> None:
    response = client.get(uploaded(client, b"words\ngood\nbad\n"))

    assert re.search(r'value="0"[^>]*checked', page(response))
    assert "looks like it" not in page(response)


def test_a_file_in_which_no_column_is_found_says_why(client: Client) -> None:
    address = uploaded(client, b"not json\n[1]\n", "reviews.jsonl")

    for response in (client.get(address), client.post(address, {"keep_texts": "no"})):
        shown = said(response)
        assert "No column is found" in shown
        assert shown.count("This row will not be rated") == 2
        assert "Rate the file" not in shown
        assert 'href="/bulk">Choose another file' in page(response)


def test_of_many_columns_one_is_chosen_from_a_list_and_not_all_are_shown(client: Client) -> None:
    names = [f"c{number}" for number in range(1000)]
    names[700] = "review"
    cells = ["x"] * 1000
    response = client.get(uploaded(client, f"{','.join(names)}\n{','.join(cells)}\n".encode()))

    shown = page(response)
    assert '<select name="text_column"' in shown
    assert '<option value="700" selected>review (this looks like it)</option>' in shown
    assert "980 more columns" in shown
    assert shown.count('<th scope="col"') == 20


def test_a_column_whose_name_has_a_line_end_can_be_chosen(client: Client) -> None:
    content = b'id,"my\r\nreview"\n1,a lovely film\n'

    assert submitted(client, content).text_column == "my\r\nreview"


@pytest.mark.parametrize("column", ["", "2", "-1", "review", "1.5", "\x00", "9" * 5000])
def test_a_column_that_is_not_there_is_an_error_of_its_field(column: str, client: Client) -> None:
    response = client.post(uploaded(client), {"text_column": column, "keep_texts": "no"})

    assert response.status_code == 400
    assert 'id="id_text_column_error" role="alert"' in page(response)
    assert not BulkJob.objects.exists()


def test_a_form_that_is_sent_twice_makes_one_job(client: Client) -> None:
    address = uploaded(client)
    given = {"text_column": 1, "keep_texts": "no"}

    first, second = client.post(address, given), client.post(address, given)

    assert first["Location"] == second["Location"]
    assert client.get(address)["Location"] == first["Location"]
    assert BulkJob.objects.count() == 1


def test_an_upload_that_is_gone_is_a_404_with_a_remedy(client: Client) -> None:
    response = client.get(f"/bulk/uploads/{uuid.uuid4()}")

    assert response.status_code == 404
    assert "Choose the file again." in said(response)


def test_a_result_is_no_upload(client: Client, rated: BulkJob) -> None:
    assert client.get(f"/bulk/uploads/{rated.result_id}").status_code == 404


def test_too_many_files_that_wait_are_503_with_when_to_come_back(
    client: Client, settings: Settings
) -> None:
    submitted(client)
    address = uploaded(client)
    settings.BULK_MAX_WAITING = 1

    for response in (
        send(client, CSV),
        client.post(address, {"text_column": 1, "keep_texts": "no"}),
    ):
        assert response.status_code == 503
        assert response["Retry-After"] == "30"
        assert "may wait to be rated" in said(response)
    assert BulkJob.objects.count() == 1


def test_a_job_that_no_worker_has_says_so_and_asks_on(client: Client) -> None:
    job = submitted(client)

    response = client.get(job.get_absolute_url())

    shown = page(response)
    assert "Waiting for a worker" in said(response)
    assert '<noscript><meta http-equiv="refresh" content="3"></noscript>' in shown
    assert f'hx-get="/bulk/{job.pk}/progress' in shown
    assert 'hx-trigger="every 2s"' in shown
    assert "django_htmx/htmx-2.min.js" in shown


def test_a_job_that_waits_for_a_model_says_why(client: Client, no_model: Path) -> None:
    job = submitted(client)
    work.work()

    shown = said(client.get(job.get_absolute_url()))

    assert "Waiting for a model" in shown
    assert "Set CLASSIFIER_MODEL to" in shown


def running(client: Client, *, done: int = 256, chunks: int = 4) -> BulkJob:
    """A job that a worker holds, with chunks of 256 rows of which some are rated."""
    job = submitted(client)
    assert BulkJob.objects.claim(job.pk)
    now = timezone.now()
    BulkChunk.objects.bulk_create(
        BulkChunk(
            job=job,
            number=number,
            rows=256,
            rated_at=now - timedelta(seconds=10) if number * 256 <= done else None,
        )
        for number in range(1, chunks + 1)
    )
    BulkJob.objects.filter(pk=job.pk).update(stage=RATING, total=256 * chunks, split_at=now)
    return job


def progress_of(client: Client, job: BulkJob, spoken: str = "") -> Any:
    return client.get(f"/bulk/{job.pk}/progress", {"said": spoken}, headers={"HX-Request": "true"})


def test_progress_is_a_fragment_with_rows_and_a_bar(client: Client) -> None:
    response = progress_of(client, running(client))

    shown = page(response)
    assert "<html" not in shown
    assert 'value="256" max="1024"' in shown
    assert "256 of 1,024" in said(response)
    assert "25 %" in said(response)
    assert "<title>25 %: reviews.csv \u2013 Reviewsite</title>" in shown
    assert "hx-get=" in shown


def test_progress_is_read_aloud_only_when_it_has_changed(client: Client) -> None:
    job = running(client)

    first = page(progress_of(client, job))
    again = page(progress_of(client, job, "Rating: 20 percent."))

    assert '<p id="said" hx-swap-oob="innerHTML">Rating: 20 percent.</p>' in first
    assert 'id="said"' not in again
    assert f"?said={quote('Rating: 20 percent.')}" in again


def test_progress_costs_the_same_queries_however_large_the_job(client: Client) -> None:
    small, large = running(client, chunks=2), running(client, chunks=200, done=256 * 150)

    def queries(job: BulkJob) -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert progress_of(client, job).status_code == 200
        return len(captured)

    assert queries(small) == queries(large) <= 5


def test_the_last_progress_is_the_whole_result_and_asks_no_more(
    client: Client, rated: BulkJob
) -> None:
    response = progress_of(client, rated, "Rating: 90 percent.")

    shown = page(response)
    assert response["HX-Retarget"] == "#job"
    assert response["HX-Reswap"] == "innerHTML"
    assert "Download the result" in shown
    assert "Done: 3 rows rated, 1 bad." in shown
    assert "hx-get" not in shown


def test_the_progress_of_no_job_ends_the_asking(client: Client) -> None:
    assert client.get(f"/bulk/{uuid.uuid4()}/progress").status_code == 286


def test_a_page_of_a_job_that_is_over_asks_nothing(client: Client, rated: BulkJob) -> None:
    shown = page(client.get(rated.get_absolute_url()))

    assert "hx-" not in shown
    assert "refresh" not in shown


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "a few seconds"),
        (9.9, "a few seconds"),
        (45, "about 45 seconds"),
        (119, "about 119 seconds"),
        (120, "about 2 minutes"),
        (3600, "about 60 minutes"),
        (9000, "about 2 hours"),
    ],
)
def test_the_time_left_is_said_in_words(seconds: float, words: str) -> None:
    shown = ShownJob(BulkJob(), Progress(done=1, total=2, rate=1.0, seconds_left=seconds))

    assert shown.time_left == words


def test_the_summary_counts_what_was_said(client: Client, rated: BulkJob) -> None:
    response = client.get(rated.get_absolute_url())

    shown = said(response)
    ratings = {rating: rows for rating, rows in enumerate(rated.ratings, 1) if rows}
    mean = sum(rating * rows for rating, rows in ratings.items()) / 3
    assert sum(ratings.values()) == 3
    assert '<dd id="rated">3</dd>' in page(response)
    assert '<dd id="bad">1</dd>' in page(response)
    assert "Rated 6 or more 66.7 %" in shown
    assert f"Mean rating {mean:.1f}" in shown
    assert str(rated.model_version) in shown
    assert rated.result
    assert rated.result.sha256 in shown


def test_the_distribution_is_drawn_and_stands_in_a_table(client: Client, rated: BulkJob) -> None:
    shown = page(client.get(rated.get_absolute_url()))

    assert shown.count("<rect ") == 10
    assert '<svg viewBox="0 0 400 172" role="img" aria-labelledby="chart">' in shown
    table = shown[shown.index('id="chart-table"') :]
    for rating, rows in enumerate(rated.ratings, 1):
        assert f'<td class="number">{rating}</td><td class="number">{rows}</td>' in table


def test_bad_rows_are_listed_by_number_with_their_reason(client: Client, rated: BulkJob) -> None:
    shown = said(client.get(rated.get_absolute_url()))

    assert "2 A text must have at least one character" in shown


def test_of_many_bad_rows_the_rest_is_counted(client: Client, served_model: Path) -> None:
    job = submitted(client, b"id,review\n" + b"1,\n" * 130)
    work.work()

    shown = page(client.get(job.get_absolute_url()))

    assert shown.count("at least one character") == 100
    assert "30 more: see the column" in shown
    assert "Mean rating</dt><dd>\u2013" in shown
    assert "<svg" not in shown


def test_the_result_is_a_download_that_says_what_it_is(client: Client, rated: BulkJob) -> None:
    response = client.get(f"/bulk/{rated.pk}/result")

    content = content_of(response)
    assert content.splitlines()[0] == b"id,review,label,score,rating,rating_low,rating_high,error"
    assert len(content.splitlines()) == 5
    assert int(response["Content-Length"]) == len(content)
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == 'attachment; filename="reviews-rated.csv"'
    assert response["ETag"] == f'"{hashlib.sha256(content).hexdigest()}"'
    assert response["X-Content-Type-Options"] == "nosniff"


def test_a_result_that_is_there_already_is_not_sent_again(client: Client, rated: BulkJob) -> None:
    address = f"/bulk/{rated.pk}/result"
    etag = client.get(address)["ETag"]

    assert client.get(address, headers={"If-None-Match": etag}).status_code == 304


@pytest.mark.parametrize(
    ("name", "disposition"),
    [
        ("отзывы.csv", f"attachment; filename*=utf-8''{quote('отзывы-rated.csv')}"),
        ('my "best".csv', 'attachment; filename="my \\"best\\"-rated.csv"'),
    ],
)
def test_any_file_name_can_be_downloaded_under(
    name: str, disposition: str, client: Client, served_model: Path
) -> None:
    response = raw_upload(client, name.replace('"', "%22").encode())
    job_at = client.post(response["Location"], {"text_column": 1, "keep_texts": "no"})["Location"]
    BulkJob.objects.update(filename=name)
    work.work()

    assert client.get(f"{job_at}/result")["Content-Disposition"] == disposition


def test_a_result_that_is_not_there_yet_is_409(client: Client) -> None:
    response = client.get(f"/bulk/{submitted(client).pk}/result")

    assert response.status_code == 409
    assert "Ask again later." in said(response)


def test_deleting_takes_the_files_and_leaves_the_counts(client: Client, rated: BulkJob) -> None:
    assert "Delete the files" in page(client.get(rated.get_absolute_url()))

    response = client.post(f"/bulk/{rated.pk}/delete", follow=True)

    shown = said(response)
    assert "Its files are deleted" in shown
    assert "Rated 3" in shown
    assert "Download the result" not in shown
    assert "Delete now" not in shown
    assert not StoredFile.objects.exists()
    assert client.get(f"/bulk/{rated.pk}/result").status_code == 410


def test_what_runs_cannot_be_deleted(client: Client) -> None:
    job = running(client)

    response = client.post(f"/bulk/{job.pk}/delete")

    assert response.status_code == 409
    assert "Cancel it first." in said(response)


def test_a_job_that_waits_is_cancelled_at_once(client: Client) -> None:
    job = submitted(client)

    response = client.post(f"/bulk/{job.pk}/cancel", follow=True)

    assert "Cancelled" in said(response)
    assert "Retry" not in said(response)
    assert not StoredFile.objects.exists()


def test_a_job_that_runs_is_asked_to_stop_and_says_so(client: Client) -> None:
    job = running(client)

    response = client.post(f"/bulk/{job.pk}/cancel", follow=True)

    assert "Stopping" in said(response)
    assert "Cancel" not in said(response)
    assert 'hx-trigger="every 1s"' in page(response)


def test_a_failed_job_says_why_and_can_be_retried(client: Client, served_model: Path) -> None:
    job = submitted(client)
    claim = BulkJob.objects.claim(job.pk)
    assert claim
    claim.fail("The <model> must be there. Put it there.")

    failed = client.get(job.get_absolute_url())
    assert "The <model> must be there. Put it there." in said(failed)
    assert "<model>" not in page(failed)

    assert client.post(f"/bulk/{job.pk}/retry").status_code == 302
    work.work()
    assert "Download the result" in page(client.get(job.get_absolute_url()))


def test_a_job_that_succeeded_cannot_be_retried(client: Client, rated: BulkJob) -> None:
    response = client.post(f"/bulk/{rated.pk}/retry")

    assert response.status_code == 409
    assert "That cannot be done" in said(response)


def test_kept_reviews_are_shown_to_those_who_may_review_them(
    client: Client, admin_client: Client, served_model: Path
) -> None:
    job = submitted(client, keep="yes")
    work.work()

    address = re.search(
        r'<a href="([^"]*)">look at them', page(admin_client.get(f"/bulk/{job.pk}"))
    )
    assert address
    listed = html.unescape(address[1])
    assert "a lovely film" in page(admin_client.get(listed))
    assert parse_qs(urlsplit(listed).query)["source__exact"] == ["bulk"]
    assert "look at them" not in page(client.get(f"/bulk/{job.pk}"))
    assert Prediction.objects.count() == 3


PAGES: list[Callable[[Client, BulkJob], Any]] = [
    lambda client, job: client.get("/bulk"),
    lambda client, job: client.get(uploaded(client)),
    lambda client, job: client.get(job.get_absolute_url()),
    lambda client, job: client.get(f"/bulk/{job.pk}/progress"),
    lambda client, job: client.get(f"/bulk/{job.pk}/result"),
    lambda client, job: client.post(f"/bulk/{job.pk}/cancel"),
]


@pytest.mark.parametrize("visit", PAGES)
def test_no_page_is_kept_by_others_or_runs_their_scripts(
    visit: Callable[[Client, BulkJob], Any], client: Client, rated: BulkJob
) -> None:
    response = visit(client, rated)

    assert {"no-store", "private"} <= set(response["Cache-Control"].split(", "))
    assert response["Referrer-Policy"] == "same-origin"
    assert "script-src 'self'" not in response["Content-Security-Policy"]
    assert "default-src 'none'" in response["Content-Security-Policy"]


def test_markup_from_a_file_is_shown_as_text(client: Client, served_model: Path) -> None:
    row = f'"{PAYLOAD.replace(chr(34), chr(34) * 2)}"'.encode()
    content = b"id," + row + b"\n1," + row + b"\n2,\n"
    response = raw_upload(
        client, PAYLOAD.replace('"', "").replace("/", "").encode() + b".csv", content
    )
    preview = client.get(response["Location"])
    job_at = client.post(response["Location"], {"text_column": 1, "keep_texts": "no"})["Location"]
    waiting = client.get(job_at)
    work.work()
    done = client.get(job_at)
    BulkJob.objects.update(bad_row_reasons=[[2, PAYLOAD]])

    for shown in (preview, waiting, done, client.get(f"{job_at}/progress"), client.get(job_at)):
        assert SHOWN_PAYLOAD not in page(shown)
        assert "<img src=x" not in page(shown)
        assert "&lt;script&gt;alert" in page(shown)


def test_nothing_of_a_text_stands_in_the_log(
    client: Client, served_model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    content = b"id,review\n1,my secret opinion\n2,my secret\x00 opinion\n"

    client.get(submitted(client, content).get_absolute_url())
    work.work()
    send(client, b"my secret opinion", "reviews.pdf")
    send(client, b"\xff\xfe\x00my secret opinion", "reviews.csv")

    sql = {"django.db.backends"}
    assert not [
        line for line in caplog.records if line.name not in sql and "secret" in line.getMessage()
    ]


@pytest.mark.parametrize("action", ["cancel", "retry", "delete"])
def test_a_look_changes_nothing(action: str, client: Client) -> None:
    job = submitted(client)

    assert client.get(f"/bulk/{job.pk}/{action}").status_code == 405
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(f"/bulk/{job.pk}/{action}").status_code == 403
    job.refresh_from_db()
    assert job.status == "queued"


@pytest.mark.parametrize("rest", ["", "/result"])
def test_an_unknown_job_is_not_found(rest: str, client: Client) -> None:
    assert client.get(f"/bulk/{uuid.uuid4()}{rest}").status_code == 404


def test_a_workbook_comes_back_as_a_workbook(client: Client, served_model: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    for row in (["id", "review"], [1, "a lovely film"], [2, "an awful bore"]):
        book.active.append(row)
    file = io.BytesIO()
    book.save(file)
    job = submitted(client, file.getvalue(), "reviews.xlsx")
    work.work()

    response = client.get(f"/bulk/{job.pk}/result")

    assert "spreadsheetml" in response["Content-Type"]
    sheet = openpyxl.load_workbook(io.BytesIO(content_of(response))).active
    assert [cell.value for cell in sheet[1]] == [
        "id",
        "review",
        "label",
        "score",
        "rating",
        "rating_low",
        "rating_high",
        "error",
    ]


def test_expired_files_are_gone_from_the_page(
    client: Client, rated: BulkJob, settings: Settings
) -> None:
    settings.BULK_RETENTION_HOURS = 0
    retention.purge_expired()

    assert "Its files are deleted" in said(client.get(rated.get_absolute_url()))


ADMIN = "/admin/classifier/bulkjob/"


def act(client: Client, action: str, *jobs: BulkJob) -> str:
    given = {"action": action, "_selected_action": [str(job.pk) for job in jobs]}
    return said(client.post(ADMIN, given, follow=True))


def test_the_admin_lists_jobs_with_a_way_to_their_pages(
    admin_client: Client, rated: BulkJob
) -> None:
    listed = admin_client.get(ADMIN)

    assert "reviews.csv" in said(listed)
    assert "4 of 4" in said(listed)
    assert f'<a href="/bulk/{rated.pk}">open</a>' in page(listed)
    assert admin_client.get(f"{ADMIN}{rated.pk}/change/").status_code == 200
    assert admin_client.get(f"{ADMIN}add/").status_code == 403
    assert admin_client.post(f"{ADMIN}{rated.pk}/delete/").status_code == 403


def test_the_admin_cancels_and_deletes_files(admin_client: Client, rated: BulkJob) -> None:
    waiting = submitted(admin_client)

    assert "Cancel it first." in act(admin_client, "purge", waiting)
    assert "1 job cancelled" in act(admin_client, "cancel", waiting, rated)
    assert "The files of 2 jobs are deleted." in act(admin_client, "purge", waiting, rated)
    assert not StoredFile.objects.exists()


def test_the_admins_list_costs_the_same_queries_however_long(
    admin_client: Client, rated: BulkJob
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert admin_client.get(ADMIN).status_code == 200
        return len(captured)

    before = queries()
    for _ in range(3):
        submitted(admin_client)
    assert queries() == before
