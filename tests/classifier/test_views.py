import uuid
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from classifier.exceptions import ModelNotReady
from classifier.forms import ReviewForm
from classifier.models import Prediction
from classifier.predictor import holder
from tests.factories import make_prediction

pytestmark = pytest.mark.django_db

FORM = "application/x-www-form-urlencoded"
PAYLOAD = "good <script>alert(1)</script>\"'</textarea>&amp;"


def page(response: Any) -> str:
    return str(response.content.decode())


def test_the_form_is_at_the_root(client: Client) -> None:
    response = client.get("/")

    assert response.status_code == 200
    assert '<textarea name="text"' in page(response)


def test_a_rated_review_is_shown_at_an_address_of_its_own(
    client: Client, served_model: Path
) -> None:
    response = client.post("/", {"text": "a lovely film"})

    prediction = Prediction.objects.get()
    assert response.status_code == 302
    assert response["Location"] == f"/predictions/{prediction.pk}"
    assert prediction.source == "form"
    assert prediction.text == "a lovely film"


def test_the_page_of_a_prediction_says_label_rating_score_and_model(client: Client) -> None:
    prediction = make_prediction(label="NEGATIVE", rating=2, score=0.8437)

    shown = page(client.get(prediction.get_absolute_url()))

    assert '<strong id="rating-value">2</strong> of 10' in shown
    assert '<strong id="label">Negative</strong>' in shown
    assert '<span id="score">84.4 %</span> sure' in shown
    assert "tiny@0123456789ab" in shown
    assert shown.count("star lit") == 2


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"rating_low": 7, "rating_high": 10}, "80 % of such reviews get 7 to 10."),
        ({"rating_low": 9, "rating_high": 9}, "80 % of such reviews get just that."),
        ({}, "confidence, not a count of what others gave"),
    ],
)
def test_the_page_of_a_prediction_says_how_sure_its_rating_is(
    values: dict[str, Any], sentence: str, client: Client
) -> None:
    shown = page(client.get(make_prediction(**values).get_absolute_url()))

    assert sentence in shown
    assert shown.count("80 % of such") == bool(values)
    assert ("confidence" in shown) is not bool(values)


def test_showing_a_prediction_rates_nothing(client: Client, no_model: Path) -> None:
    prediction = make_prediction()

    assert client.get(prediction.get_absolute_url()).status_code == 200
    assert Prediction.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("", "A text must have at least one character"),
        ("text=", "an empty text"),
        ("text=+%0D%0A+", "white space alone (3)"),
        ("text=good%00", "NUL at position 4"),
        ("review=good", "an empty text"),
        ("text=" + "a" * 100_001, "100,001 characters"),
    ],
    ids=lambda given: given[:24],
)
def test_a_text_that_cannot_be_rated_is_an_error_of_the_field(
    body: str, says: str, client: Client
) -> None:
    response = client.generic("POST", "/", body, content_type=FORM)

    assert response.status_code == 400
    assert 'id="id_text_error" role="alert"' in page(response)
    assert says in page(response)
    assert not Prediction.objects.exists()


def test_a_lone_surrogate_is_an_error_of_the_field() -> None:
    form = ReviewForm({"text": "good \ud800"})

    assert not form.is_valid()
    assert form.errors.as_data()["text"][0].code == "text_surrogate"
    assert "U+D800 at position 5" in form.errors["text"][0]


def test_what_was_typed_stays_in_the_form_beside_its_error(
    client: Client, settings: Settings
) -> None:
    settings.CLASSIFIER_MAX_CHARS = 10

    assert "an evening too long</textarea>" in page(
        client.post("/", {"text": "an evening too long"})
    )


@pytest.mark.parametrize("body", ["text=%ED%A0%80", "text=%FF+good"])
def test_bytes_that_are_not_utf_8_are_no_server_error(
    body: str, client: Client, served_model: Path
) -> None:
    """Django has put U+FFFD in their place, as a browser does for a lone surrogate."""
    response = client.generic("POST", "/", body, content_type=FORM)

    assert response.status_code == 302
    assert "\ufffd" in Prediction.objects.get().text


@pytest.mark.parametrize("charset", ["utf-7", "utf-16", "base64", "idna", "undefined", "no-such"])
@pytest.mark.parametrize("address", ["/", "/admin/login/"])
def test_a_foreign_charset_is_no_server_error(
    address: str, charset: str, client: Client, served_model: Path
) -> None:
    multipart = '--x\r\nContent-Disposition: form-data; name="text"\r\n\r\n+2AA-\r\n--x--\r\n'

    statuses = {
        client.generic(
            "POST", address, multipart, content_type=f"{kind}; charset={charset}"
        ).status_code
        for kind in ("multipart/form-data; boundary=x", FORM)
    } | {
        client.generic(
            "GET", f"{address}?next=%FF", content_type=f"{FORM}; charset={charset}"
        ).status_code
    }

    assert max(statuses) <= 415


@pytest.mark.parametrize("text", [PAYLOAD, "{{ settings.SECRET_KEY }} {% load static %}"])
def test_a_review_with_markup_is_shown_as_text(
    text: str, client: Client, served_model: Path
) -> None:
    response = client.post("/", {"text": text}, follow=True)

    shown = page(response)
    assert response.status_code == 200
    assert "<script>alert" not in shown
    assert shown.count("</textarea>") == 1
    assert response.context["form"].initial["text"] == text


def test_markup_in_a_refused_review_is_shown_as_text(client: Client, settings: Settings) -> None:
    settings.CLASSIFIER_MAX_CHARS = 10

    shown = page(client.post("/", {"text": PAYLOAD}))

    assert "<script>alert" not in shown
    assert "&lt;script&gt;alert" in shown


def test_without_a_model_the_page_is_503_with_the_remedy_and_the_text(
    client: Client, no_model: Path
) -> None:
    response = client.post("/", {"text": "a lovely film"})

    shown = page(response)
    assert response.status_code == 503
    assert "This cannot be rated now" in shown
    assert "Set CLASSIFIER_MODEL to" in shown
    assert "a lovely film</textarea>" in shown
    assert not Prediction.objects.exists()


def test_a_model_that_breaks_while_it_answers_is_503_too(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down() -> None:
        raise ModelNotReady(code="model_broken", rule="Rule.", value="NaN", remedy="Mend <it>.")

    monkeypatch.setattr(holder, "get", break_down)

    response = client.post("/", {"text": "a lovely film"})

    assert response.status_code == 503
    assert "Mend &lt;it&gt;." in page(response)


def test_an_unknown_prediction_is_not_found(client: Client) -> None:
    assert client.get(f"/predictions/{uuid.uuid4()}").status_code == 404


def test_an_address_that_is_no_id_is_not_found(client: Client) -> None:
    assert client.get("/predictions/1").status_code == 404


def test_a_purged_prediction_says_that_its_review_is_gone(client: Client) -> None:
    prediction = make_prediction("a private thought")
    Prediction.objects.purge_texts(before=timezone.now())

    shown = page(client.get(prediction.get_absolute_url()))

    assert "has been deleted" in shown
    assert "a private thought" not in shown
    assert '<strong id="rating-value">9</strong>' in shown


def test_a_truncated_prediction_says_so(client: Client) -> None:
    prediction = make_prediction(truncated=True)

    assert "its end did not count" in page(client.get(prediction.get_absolute_url()))


@pytest.mark.parametrize(("method", "status"), [("PUT", 405), ("DELETE", 405), ("HEAD", 200)])
def test_the_form_answers_to_get_head_and_post_only(
    method: str, status: int, client: Client
) -> None:
    assert client.generic(method, "/").status_code == status


def test_the_page_of_a_prediction_cannot_be_posted_to(client: Client) -> None:
    assert client.post(make_prediction().get_absolute_url()).status_code == 405


def test_the_form_is_guarded_against_forgery(served_model: Path) -> None:
    assert Client(enforce_csrf_checks=True).post("/", {"text": "good"}).status_code == 403


def test_pages_may_not_be_framed(client: Client) -> None:
    assert client.get("/")["X-Frame-Options"] == "DENY"


@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=st.text(max_size=60))
def test_any_text_is_rated_or_refused(text: str, client: Client, served_model: Path) -> None:
    response = client.post("/", {"text": text}, follow=True)

    assert response.status_code in {200, 400}
