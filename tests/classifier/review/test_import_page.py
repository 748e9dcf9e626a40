"""A labelled file that becomes verdicts through the admin, without any script."""

import html
import io
import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from classifier.admin import imports
from classifier.models import AuditEntry, FilePiece, Prediction, StoredFile, Verdict
from classifier.review.exporting import export_verdicts
from tests.factories import make_prediction, make_verdict, reviewers

pytestmark = pytest.mark.django_db

PAGE = "/admin/classifier/prediction/import/"
PAYLOAD = "<script>alert(1)</script>"


@pytest.fixture
def ann() -> User:
    account = User.objects.create_user("ann", is_staff=True)
    account.groups.add(reviewers())
    return account


@pytest.fixture
def reviewer(client: Client, ann: User) -> Client:
    client.force_login(ann)
    return client


def said(response: Any) -> str:
    """What a reader sees, on one line."""
    page = re.sub(
        r"<(script|style|title).*?</\1>|<[^>]*>", " ", response.content.decode(), flags=re.S
    )
    return " ".join(html.unescape(page).split())


def send(client: Client, content: str | bytes, name: str = "labelled.csv") -> Any:
    content = content.encode() if isinstance(content, str) else content
    return client.post(PAGE, {"file": SimpleUploadedFile(name, content)})


def sent(client: Client, content: str | bytes, name: str = "labelled.csv") -> str:
    """The address where the file is looked at."""
    response = send(client, content, name)
    assert response.status_code == 302, said(response)
    return str(response["Location"])


def hidden(response: Any) -> dict[str, str]:
    """What the button that imports sends along."""
    page = response.content.decode()
    fields = re.findall(r'<input type="hidden" name="(\w+)"(?: value="([^"]*)")?', page)
    return {name: value for name, value in fields if name != "csrfmiddlewaretoken"}


def nothing_is_kept() -> bool:
    return not StoredFile.objects.exists() and not FilePiece.objects.exists()


def test_what_would_happen_is_shown_and_then_done(reviewer: Client, ann: User) -> None:
    make_prediction("a warm film")
    make_verdict(make_prediction("a long film"), rating=9)
    make_verdict(make_prediction("a red film"), rating=9, label="POSITIVE")
    content = (
        "text,label,rating,note\n"
        f"a warm film,neg,2,{PAYLOAD}\n"
        "a long film,NEGATIVE,3,\n"
        "a red film,POSITIVE,9,\n"
        f"{PAYLOAD},mixed,,\n"
    )
    assert '<label for="file">' in reviewer.get(PAGE).content.decode()

    look = reviewer.get(sent(reviewer, content))

    shown = said(look)
    for line in (
        "1 verdict will be given.",
        "1 will be changed.",
        "1 is so already.",
        "1 row cannot be read",
        "4 A label is NEGATIVE or POSITIVE. Found: 'mixed'.",
        "2 changed a long film NEGATIVE 3/10 POSITIVE 9/10",
        "The verdicts will be yours",
        "Import 2 verdicts",
    ):
        assert line in shown, shown
    assert PAYLOAD not in look.content.decode()
    assert Verdict.objects.count() == 2

    done = reviewer.post(look.request["PATH_INFO"], hidden(look), follow=True)

    assert "2 verdicts given or changed, 1 were so already, 1 rows are bad" in said(done)
    given = Verdict.objects.get(prediction__text="a warm film")
    assert (given.label, given.rating, given.note, given.reviewer) == ("NEGATIVE", 2, PAYLOAD, ann)
    assert set(AuditEntry.objects.values_list("actor_name", "reason")) == {
        ("ann", "import of labelled.csv")
    }
    assert nothing_is_kept()


def test_a_file_is_imported_once(reviewer: Client) -> None:
    make_prediction("a film")
    address = sent(reviewer, "text,rating\na film,3\n")
    fields = hidden(reviewer.get(address))

    reviewer.post(address, fields)
    again = reviewer.post(address, fields, follow=True)

    assert "has been imported or deleted" in said(again)
    assert AuditEntry.objects.count() == 1


def test_every_format_of_an_export_comes_in_again(reviewer: Client, tmp_path: Path) -> None:
    make_verdict(make_prediction("=1+1 it begins"), rating=3, label="NEGATIVE", note="Flat.")
    for suffix in (".csv", ".tsv", ".jsonl", ".parquet"):
        file = tmp_path / f"verdicts{suffix}"
        export_verdicts(file, Verdict.objects.all())
        before = Verdict.objects.values(
            "prediction_id", "label", "rating", "note", "reviewed_at"
        ).get()
        Verdict.objects.all().delete()

        address = sent(reviewer, file.read_bytes(), file.name)
        reviewer.post(address, hidden(reviewer.get(address)))

        assert Verdict.objects.values(*before).get() == before


def test_a_workbook_comes_in(reviewer: Client) -> None:
    import openpyxl

    make_prediction("a film")
    book = openpyxl.Workbook()
    for row in (["text", "rating"], ["a film", 3]):
        book.active.append(row)
    content = io.BytesIO()
    book.save(content)

    address = sent(reviewer, content.getvalue(), "labelled.xlsx")
    reviewer.post(address, hidden(reviewer.get(address)))

    assert Verdict.objects.get().rating == 3


def test_other_columns_are_chosen_without_a_script(reviewer: Client) -> None:
    make_prediction("a long film about the sea")
    address = sent(reviewer, "id,review,says\n1,a long film about the sea,neg\n")

    first = reviewer.get(address)
    assert first.status_code == 400
    assert "The table must have the column" in said(first)
    assert '<option value="1" selected>review' in first.content.decode()  # the longest texts

    chosen = reviewer.get(address, {"text": "1", "label": "2", "rating": ""})
    assert "1 verdict will be given." in said(chosen)
    reviewer.post(address, hidden(chosen))

    assert Verdict.objects.get().label == "NEGATIVE"


def test_texts_that_are_not_known_are_rated_on_the_way(
    reviewer: Client, served_model: Path
) -> None:
    address = sent(reviewer, "text,label\na good film,NEGATIVE\n")
    look = reviewer.get(address)
    assert "1 text must be rated by the model first." in said(look)
    assert not Prediction.objects.exists()

    reviewer.post(address, hidden(look))

    assert Verdict.objects.get().prediction.source == Prediction.Source.COMMAND


def test_without_a_model_nothing_is_imported(reviewer: Client, no_model: Path) -> None:
    make_prediction("a film")
    address = sent(reviewer, "text,label\na film,NEGATIVE\nanother,NEGATIVE\n")

    answer = reviewer.post(address, hidden(reviewer.get(address)))

    assert answer.status_code == 503
    assert "Nothing was imported." in said(answer)
    assert not Verdict.objects.exists()
    assert "Import 2 verdicts" in said(answer)  # once there is a model


def test_names_in_the_file_count_for_those_who_may_see_the_accounts(
    reviewer: Client, ann: User
) -> None:
    bob = User.objects.create_user("bob")
    make_prediction("a film")
    content = "text,rating,reviewer\na film,3,bob\n"
    address = sent(reviewer, content)
    reviewer.post(address, hidden(reviewer.get(address)))
    assert Verdict.objects.get().reviewer == ann

    Verdict.objects.all().delete()
    ann.user_permissions.add(Permission.objects.get(codename="view_user"))
    address = sent(reviewer, content)
    look = reviewer.get(address)
    assert "the verdict is theirs" in said(look)
    reviewer.post(address, hidden(look))
    assert Verdict.objects.get().reviewer == bob


@pytest.mark.parametrize(
    ("name", "content", "status", "said_of_it"),
    [
        ("a.csv", b"", 400, "at least one byte"),
        ("a.txt", b"text,label\nx,neg\n", 400, "must end in .csv"),
        ("a.csv", b"text,label\n", 400, "a row below the names"),
        ("a.xlsx", b"PK no workbook", 400, "Nothing was imported."),
        ("a.parquet", b"PAR1 and no more", 400, "A Parquet file must be whole."),
        ("a.csv", b"text,label\n" + b"x,neg\n" * 1000, 413, "1,000 bytes"),
    ],
)
def test_a_file_that_cannot_be_taken_is_refused(
    reviewer: Client, settings: Settings, name: str, content: bytes, status: int, said_of_it: str
) -> None:
    settings.BULK_MAX_BYTES = 1000

    answer = send(reviewer, content, name)

    assert answer.status_code == status
    assert said_of_it in said(answer)
    assert 'role="alert"' in answer.content.decode()
    assert nothing_is_kept()


def test_no_file_at_all_is_refused(reviewer: Client) -> None:
    assert "Choose a file." in said(reviewer.post(PAGE, {}))


def test_long_files_are_for_the_command(reviewer: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "MOST_ROWS", 2)
    make_prediction("a film")
    address = sent(reviewer, "text,rating\n" + 3 * "a film,3\n")

    look = reviewer.get(address)
    assert "2 rows at most" in said(look)
    assert "manage.py import_verdicts" in said(look)
    assert reviewer.post(address, {"text": "0", "label": "", "rating": "1"}).status_code == 400
    assert not Verdict.objects.exists()


def test_a_row_far_down_that_cannot_be_read_is_told_of(reviewer: Client) -> None:
    make_prediction("a film")
    rows = ["a film,3"] * 300 + ["a film,eleven"] * 30

    look = said(reviewer.get(sent(reviewer, "text,rating\n" + "\n".join(rows) + "\n")))

    assert "30 rows cannot be read" in look
    assert "the first 20" in look
    assert "301 A rating is a whole number" in look
    assert "321 A rating" not in look


def test_importing_is_for_reviewers(client: Client) -> None:
    assert client.get(PAGE).status_code == 302  # to the login
    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="view_prediction"))
    client.force_login(clerk)

    assert client.get(PAGE).status_code == 403
    assert send(client, "text,rating\na,3\n").status_code == 403
    assert "Import verdicts" not in said(client.get("/admin/classifier/prediction/"))
    assert nothing_is_kept()


def test_a_file_is_there_for_whoever_sent_it(reviewer: Client) -> None:
    make_prediction("a film")
    address = sent(reviewer, "text,rating\na film,3\n")
    assert "Import verdicts" in said(reviewer.get("/admin/classifier/prediction/"))
    bob = User.objects.create_user("bob", is_staff=True)
    bob.groups.add(reviewers())
    other = Client()
    other.force_login(bob)

    for answer in (other.get(address), other.post(address, {"text": "0", "rating": "1"})):
        assert (answer.status_code, answer["Location"]) == (302, PAGE)
    assert not Verdict.objects.exists()


def test_a_form_of_another_site_imports_nothing(ann: User) -> None:
    make_prediction("a film")
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(ann)

    assert send(strict, "text,rating\na film,3\n").status_code == 403
    assert nothing_is_kept()
