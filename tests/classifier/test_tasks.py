from datetime import timedelta

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.utils import timezone
from kombu.exceptions import ContentDisallowed
from kombu.serialization import dumps, loads
from pytest_django import Settings

from classifier.models import Prediction
from classifier.tasks import purge_expired_texts
from reviewsite.celery import app
from tests.factories import make_prediction


@pytest.mark.django_db
def test_the_purge_task_purges_what_is_past_its_retention(settings: Settings) -> None:
    settings.TEXT_RETENTION_DAYS = 1
    make_prediction(created_at=timezone.now() - timedelta(days=2))
    make_prediction()

    for age in (-1, 3600):
        visit = SessionStore()
        visit.set_expiry(age)
        visit.save()

    assert purge_expired_texts.apply().successful()

    assert Session.objects.count() == 1
    assert sorted(Prediction.objects.values_list("text", flat=True)) == ["", "A warm film."]


def test_every_scheduled_task_exists_under_its_name() -> None:
    app.loader.import_default_modules()

    scheduled = {entry["task"] for entry in app.conf.beat_schedule.values()}

    assert purge_expired_texts.name in scheduled
    assert scheduled <= set(app.tasks)


def test_tasks_are_sent_as_json() -> None:
    assert app.conf.task_serializer == "json"


def test_only_json_is_accepted() -> None:
    content_type, encoding, body = dumps({"text": "good"}, serializer="pickle")

    with pytest.raises(ContentDisallowed):
        loads(body, content_type, encoding, accept=app.conf.accept_content)
