import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from classifier.predictor import holder
from classifier.review.feedback import give_feedback
from tests.factories import make_prediction, make_verdict

pytestmark = pytest.mark.django_db


def front_page(client: Client) -> str:
    answer = client.get("/admin/")
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_a_site_that_has_done_nothing_says_what_comes(admin_client: Client) -> None:
    holder.reset()
    page = front_page(admin_client)

    assert "It is loaded with the first text that is rated." in page
    assert "none of the random share has been reviewed" in page
    assert "Too few ratings to compare." in page
    assert "Review the next one" in page


def test_the_front_page_tells_how_the_loop_stands(admin_client: Client) -> None:
    for place in range(4):
        prediction = make_prediction(f"film {place}", id=uuid.UUID(int=(place + 1) << 100))
        if place:
            make_verdict(prediction, label="POSITIVE" if place > 1 else "NEGATIVE")
    give_feedback(
        make_prediction("complained", id=uuid.UUID(int=0xF0 << 120)),
        visitor="v",
        label="NEGATIVE",
        rating=1,
        source="form",
    )
    make_verdict(make_prediction("film 0 is done", id=uuid.UUID(int=1)))

    page = front_page(admin_client)

    assert '<strong id="waiting-disagreed">1</strong>' in page
    assert '<strong id="waiting-random">1</strong>' in page
    assert '<strong id="agreement">100 %</strong> of 1 of the random share' in page
    assert "20.7 to 100.0 %" in page
    assert "today 6." in page


def test_a_week_unlike_those_before_is_pointed_out(admin_client: Client) -> None:
    now = timezone.now()
    for number in range(60):
        make_prediction(f"a {number}", rating=2, created_at=now - timedelta(days=1))
        make_prediction(f"b {number}", rating=9, created_at=now - timedelta(days=20))

    page = front_page(admin_client)

    assert "They differ." in page
    assert "p = 0.0000" in page


def test_who_may_not_see_predictions_sees_no_figures_of_them(client: Client) -> None:
    client.force_login(User.objects.create_user("clerk", is_staff=True))

    assert "loop-card" not in front_page(client)


def test_its_queries_do_not_grow(admin_client: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            front_page(admin_client)
        return len(captured)

    few = queries()
    for number in range(30):
        make_verdict(make_prediction(f"film {number}", id=uuid.UUID(int=(number + 1) << 100)))

    assert queries() == few
