"""The rating page beyond one typed review: lists, files, the session, code, htmx."""

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from classifier.models import Prediction, StoredFile
from classifier.predictor import holder
from classifier.recents import MOST
from classifier.views.answer import ratings_url
from tests.factories import make_prediction

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}


def page(response: Any) -> str:
    return str(response.content.decode())


def file(name: str, content: str, encoding: str = "utf-8") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content.encode(encoding))


def rated_texts() -> list[str]:
    return list(Prediction.objects.order_by("created_at").values_list("text", flat=True))


def test_each_line_is_a_review_and_all_are_shown_in_their_order(
    client: Client, served_model: Path
) -> None:
    text = "a lovely film\r\n\r\n  an awful bore \r\n"

    shown = page(client.post("/", {"text": text, "lines": "on"}, follow=True))

    assert sorted(rated_texts()) == ["a lovely film", "an awful bore"]
    assert shown.index("<bdi>a lovely film</bdi>") < shown.index("<bdi>an awful bore</bdi>")
    assert "1 of 2 reviews are positive" in shown


def test_lines_are_one_review_unless_it_is_said(client: Client, served_model: Path) -> None:
    client.post("/", {"text": "a lovely film\r\nan awful bore"})

    assert rated_texts() == ["a lovely film\nan awful bore"]


def test_a_line_that_cannot_be_rated_is_named_and_none_is_rated(
    client: Client, settings: Settings
) -> None:
    settings.CLASSIFIER_MAX_CHARS = 10

    response = client.post("/", {"text": "good\n\nan awful bore\nbad\0", "lines": "on"})

    shown = page(response)
    assert response.status_code == 400
    assert "Line 3: A text may have 10 characters at most" in shown
    assert "Line 4: A text must not contain the NUL character" in shown
    assert not Prediction.objects.exists()


def test_more_lines_than_are_rated_at_once_go_the_way_of_files(
    client: Client, settings: Settings
) -> None:
    settings.CLASSIFIER_MAX_TEXTS = 2
    lines = ["a, lovely film", '"an awful bore', "=it was"]

    response = client.post("/", {"text": "\n".join(lines), "lines": "on"}, follow=True)

    stored = StoredFile.objects.get()
    assert response.redirect_chain == [(f"/bulk/uploads/{stored.pk}", 302)]
    assert [row[0][0][0] for row in response.context["table"]["rows"]] == lines
    assert not Prediction.objects.exists()


def test_an_address_lists_what_is_in_it_and_says_what_is_gone(client: Client) -> None:
    kept, lost = make_prediction("a lovely film"), make_prediction("an awful bore")
    address = ratings_url([kept, lost])
    lost.delete()

    shown = page(client.get(address))

    assert "a lovely film" in shown
    assert "1 of these ratings is no longer kept" in shown


@pytest.mark.parametrize("query", ["", "?of=", "?of=..", "?of=%00", f"?of={'A' * 22}", "?of=ü"])
def test_an_address_without_a_prediction_is_not_found(query: str, client: Client) -> None:
    response = client.get(f"/ratings{query}")

    assert response.status_code == 404
    assert "Nothing is at this address" in page(response)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1251"])
def test_a_text_file_is_a_review_whatever_its_encoding(
    encoding: str, client: Client, served_model: Path
) -> None:
    russian = "Очень хороший фильм, смотрели всей семьёй"

    client.post("/", {"text": "typed", "file": file("review.txt", russian, encoding)})

    assert rated_texts() == [russian]


def test_the_lines_of_a_text_file_can_be_reviews(client: Client, served_model: Path) -> None:
    client.post("/", {"lines": "on", "file": file("Reviews.TXT", "good\nbad\n")})

    assert sorted(rated_texts()) == ["bad", "good"]


def test_a_small_table_is_rated_at_once(client: Client, served_model: Path) -> None:
    table = file("reviews.csv", 'id,review\n1,"a lovely\nfilm"\n2,an awful bore\n')

    shown = page(client.post("/", {"file": table}, follow=True))

    assert sorted(rated_texts()) == ["a lovely\nfilm", "an awful bore"]
    assert "2 reviews" in shown


@pytest.mark.parametrize(
    "content",
    [
        "review\n" + "good\n" * 65,
        "title,remark\none,good\n",
        "review\ngood\n \n",
        "review,text\ngood,bad\n",
        "a lovely film\nan awful bore\n",
    ],
    ids=["large", "column not clear", "bad row", "two columns", "no names"],
)
def test_a_table_that_a_person_should_look_at_goes_the_way_of_files(
    content: str, client: Client
) -> None:
    response = client.post("/", {"file": file("reviews.csv", content)})

    assert response["Location"] == f"/bulk/uploads/{StoredFile.objects.get().pk}"
    assert not Prediction.objects.exists()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("picture.png", "good", "must end in .txt, .csv"),
        ("review", "good", "a name without ending"),
        ("review.txt", "", "0 bytes"),
        ("review.txt", "good " * 1_000_000, "4,194,304 bytes at most"),
        ("reviews.csv", "review\n", "must have a row"),
    ],
    ids=["picture", "no ending", "empty", "large", "no rows"],
)
def test_a_file_that_cannot_be_rated_is_refused_and_the_text_stays(
    name: str, content: str, says: str, client: Client
) -> None:
    response = client.post("/", {"text": "typed so far", "file": file(name, content)})

    shown = page(response)
    assert response.status_code == 400
    assert says in shown
    assert "typed so far</textarea>" in shown
    assert not Prediction.objects.exists()


def test_a_form_that_is_too_large_is_refused_with_the_remedy(client: Client) -> None:
    response = client.post("/", {"text": "good " * 1_000_000})

    assert response.status_code == 400
    assert "may have 4.0" in page(response)


def test_an_example_is_in_the_form_by_its_address(client: Client) -> None:
    assert (
        "finished it at four in the morning"
        in page(client.get("/?example=book")).split("<textarea", 1)[1].split("</textarea>")[0]
    )
    assert client.get("/?example=none").status_code == 200


def test_recent_ratings_are_shown_until_they_are_forgotten(
    client: Client, served_model: Path
) -> None:
    for number in range(MOST + 1):
        client.post("/", {"text": f"a lovely film {number} ."})

    shown = page(client.get("/"))
    assert [f"lovely film {number} ." in shown for number in range(MOST + 1)] == [False] + [
        True
    ] * MOST
    assert shown.index("film 10 .") < shown.index("film 9 .")
    assert "lovely film" not in page(Client().get("/"))

    assert "lovely film" not in page(client.post("/recent/forget", follow=True))
    assert Prediction.objects.count() == MOST + 1


def test_who_asked_is_told_how_long_it_took_and_nobody_else(
    client: Client, served_model: Path
) -> None:
    response = client.post("/", {"text": "a lovely film"})

    assert " ms</span>" in page(client.get(response["Location"]))
    assert " ms</span>" not in page(Client().get(response["Location"]))


def test_the_answer_as_json_is_that_of_the_api(client: Client, served_model: Path) -> None:
    shown = client.get(client.post("/", {"text": "a lovely film"})["Location"])
    said = client.post("/api/predict", {"text": "a lovely film"}, content_type="application/json")

    as_page, as_api = json.loads(shown.context["json"]), said.json()
    assert as_page.pop("id") != as_api.pop("id")
    assert as_page == as_api


def test_the_code_of_a_purged_review_is_not_shown(client: Client) -> None:
    prediction = make_prediction("a private thought", text_purged_at="2026-01-01T00:00Z")

    assert "Call this from code" not in page(client.get(prediction.get_absolute_url()))


def test_htmx_gets_the_answer_alone_and_its_address(client: Client, served_model: Path) -> None:
    response = client.post("/", {"text": "a lovely film"}, headers=HTMX)

    shown = page(response)
    prediction = Prediction.objects.get()
    assert response["HX-Push-Url"] == prediction.get_absolute_url()
    assert '<strong id="rating-value">' in shown
    assert "<textarea" not in shown
    assert 'id="recents" hx-swap-oob="true"' in shown


def test_htmx_gets_the_form_with_its_error(client: Client) -> None:
    response = client.post("/", {"text": " "}, headers=HTMX)

    assert (response.status_code, response["HX-Retarget"]) == (400, "#ask")
    assert 'id="id_text_error"' in page(response)
    assert "<h1>" not in page(response)


def test_htmx_is_sent_on_to_the_pages_of_files(client: Client) -> None:
    table = file("reviews.csv", "title,remark\none,good\n")

    response = client.post("/", {"file": table}, headers=HTMX)

    assert response["HX-Redirect"] == f"/bulk/uploads/{StoredFile.objects.get().pk}"


def test_tokens_are_counted_of_what_is_read_and_nothing_is_kept(
    client: Client, served_model: Path, settings: Settings
) -> None:
    settings.CLASSIFIER_READ_CHARS = 11
    assert client.post("/tokens", "a film", content_type="text/plain").status_code == 204
    holder.get()

    response = client.post("/tokens", "good , very good", content_type="text/plain")

    assert response.json() == {"tokens": 3}
    assert client.post("/tokens", b"\xff\0", content_type="text/plain").status_code == 200
    assert client.get("/tokens").status_code == 405
    assert not Prediction.objects.exists()


@pytest.mark.parametrize("address", ["/", "/compare", "/predictions"])
def test_pages_run_no_foreign_script_and_are_kept_by_nobody(address: str, client: Client) -> None:
    if address == "/predictions":
        address = make_prediction().get_absolute_url()

    response = client.get(address)

    assert "default-src 'none'" in response["Content-Security-Policy"]
    assert "no-store" in response["Cache-Control"]
    assert "style=" not in page(response)
    assert "<script>" not in page(response)


def test_two_reviews_are_rated_and_shown_side_by_side(client: Client, served_model: Path) -> None:
    given = {"first": "a superb and lovely film", "second": "a superb and awful film"}

    response = client.post("/compare", given, follow=True)

    shown = page(response)
    [(address, _)] = response.redirect_chain
    ids = [uuid.UUID(part) for part in address.split("/")[2:]]
    assert [Prediction.objects.get(pk=id_).text for id_ in ids] == list(given.values())
    assert "<del>lovely</del>" in shown
    assert "<ins>awful</ins>" in shown
    assert all(f"{text}</textarea>" in shown for text in given.values())


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        ((8, 7, 9), (5, 3, 6), ["The first gets 3 stars more.", "share no rating"]),
        ((4, 2, 6), (5, 4, 6), ["The second gets 1 star more.", "share ratings"]),
        ((4, None, None), (4, None, None), ["Both get the same rating."]),
    ],
)
def test_a_comparison_says_what_lies_between(
    first: tuple[int, Any, Any], second: tuple[int, Any, Any], says: list[str], client: Client
) -> None:
    made = [
        make_prediction(text, rating=rating, rating_low=low, rating_high=high)
        for text, (rating, low, high) in (("good", first), ("bad", second))
    ]

    shown = page(client.get(f"/compare/{made[0].pk}/{made[1].pk}"))

    assert [sentence for sentence in says if sentence not in shown] == []
    assert ("share" in shown) is (first[1] is not None)


def test_a_comparison_may_begin_with_a_review_that_is_rated(client: Client) -> None:
    prediction = make_prediction("a lovely film")

    assert "a lovely film</textarea>" in page(client.get(f"/compare?first={prediction.pk}"))
    assert client.get(f"/compare?first={uuid.uuid4()}").status_code == 200
    assert client.get("/compare?first=1").status_code == 200
    assert client.get(f"/compare/{prediction.pk}/{uuid.uuid4()}").status_code == 404


def test_a_comparison_needs_two_reviews(client: Client) -> None:
    response = client.post("/compare", {"first": "good", "second": " "})

    assert response.status_code == 400
    assert 'id="id_second_error" role="alert"' in page(response)
    assert 'id="id_first_error"' not in page(response)
    assert not Prediction.objects.exists()


def test_a_comparison_without_a_model_is_503_with_both_texts(
    client: Client, no_model: Path
) -> None:
    response = client.post("/compare", {"first": "good", "second": "bad"})

    assert response.status_code == 503
    assert "good</textarea>" in page(response)
    assert "bad</textarea>" in page(response)


@pytest.mark.parametrize("address", ["/", "/compare", "/recent/forget"])
def test_forms_are_guarded_against_forgery(address: str) -> None:
    response = Client(enforce_csrf_checks=True).post(address, {"text": "good"})

    assert response.status_code == 403
    assert "Send it again" in page(response)
