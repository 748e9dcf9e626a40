import shutil
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from kombu.exceptions import OperationalError

from classifier.labels import NEGATIVE
from classifier.model_store import active_version, directory_of
from classifier.models import AuditEntry, ModelVersion
from classifier.versions.activation import in_service, register
from classifier.versions.answers import rate_frozen, set_shadow
from reviewsite.celery import app
from tests.factories import (
    make_answer,
    make_prediction,
    make_verdict,
    make_version,
    reviewers,
    texts_of_split,
)

pytestmark = pytest.mark.django_db


def page(version: ModelVersion) -> str:
    return reverse("admin:classifier_modelversion_compare", args=[version.pk])


@pytest.fixture
def candidate(other_model_dir: Path) -> ModelVersion:
    return register(other_model_dir)


@pytest.fixture
def judged(candidate: ModelVersion) -> list[str]:
    """Frozen verdicts, one on which the version in service alone is right."""
    serving = in_service()
    assert serving is not None
    texts = texts_of_split("test", 4)
    for number, text in enumerate(texts):
        prediction = make_prediction(text)
        label = NEGATIVE if number == 3 else "POSITIVE"
        make_verdict(prediction, label=label)
        make_answer(serving, prediction, label=label)
        make_answer(candidate, prediction, label="POSITIVE" if number else NEGATIVE)
    return texts


def test_the_page_shows_both_and_where_they_differ(
    admin_client: Client, candidate: ModelVersion, judged: list[str]
) -> None:
    content = admin_client.get(page(candidate)).content.decode()

    assert "4 of 4 rows" in content
    assert "<td>100.0 %</td><td>50.0 %</td>" in content
    assert "Right in this version alone: <strong>0</strong>" in content
    assert "Gate: not passed" in content
    assert judged[0] in content
    assert judged[3] in content
    assert judged[1] not in content


def test_activating_past_the_gate_needs_a_reason(
    admin_client: Client, candidate: ModelVersion, judged: list[str]
) -> None:
    refused = admin_client.post(page(candidate), {"do": "activate"}, follow=True)
    assert "does as well as the one in service" in refused.content.decode()
    assert active_version() is None

    admin_client.post(page(candidate), {"do": "activate", "reason": "It is faster."})

    assert active_version() == candidate
    entry = AuditEntry.objects.get()
    assert (entry.reason, entry.actor_name) == ("It is faster.", "admin")

    admin_client.post(page(candidate), {"do": "roll back"})

    active = active_version()
    assert active is not None
    assert active != candidate


def test_the_button_sends_a_worker_for_both(
    admin_client: Client, candidate: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    from classifier.admin import comparison

    for text in texts_of_split("test", 2):
        make_verdict(make_prediction(text))
    assert "To be rated still: 2 by this version, 2 by" in (
        admin_client.get(page(candidate)).content.decode()
    )
    asked: list[ModelVersion] = []
    monkeypatch.setattr(comparison, "request_frozen", asked.append)

    admin_client.post(page(candidate), {"do": "answer"})

    assert set(asked) == {candidate, in_service()}
    for version in asked:
        rate_frozen(version)
    assert "2 of 2 rows" in admin_client.get(page(candidate)).content.decode()


def test_a_queue_that_does_not_answer_is_said(
    admin_client: Client, candidate: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise OperationalError("refused")

    monkeypatch.setattr(app, "signature", fail)

    said = admin_client.post(page(candidate), {"do": "answer"}, follow=True)

    assert "it does not answer: refused" in said.content.decode()


def test_the_shadow_is_set_and_shown(admin_client: Client, candidate: ModelVersion) -> None:
    admin_client.post(page(candidate), {"do": "shadow", "share": "12.5"})
    candidate.refresh_from_db()
    assert candidate.shadow_share == 0.125
    make_answer(
        candidate, make_prediction("a film to differ on"), shadow=True, rating=2, label=NEGATIVE
    )

    content = admin_client.get(page(candidate)).content.decode()

    assert "it rated <strong>1</strong> texts" in content
    assert "a film to differ on" in content
    assert 'value="12.5"' in content


@pytest.mark.parametrize("share", ["101", "-1", "nan", "much"])
def test_a_share_that_is_none_changes_nothing(
    admin_client: Client, candidate: ModelVersion, share: str
) -> None:
    set_shadow(candidate, 0.5)

    admin_client.post(page(candidate), {"do": "shadow", "share": share})

    candidate.refresh_from_db()
    assert candidate.shadow_share == 0.5


def test_what_is_not_kept_can_only_be_registered(admin_client: Client) -> None:
    seen = make_version("seen", status=ModelVersion.Status.SEEN)

    content = admin_client.get(page(seen)).content.decode()
    assert "activate_model seen --register-only" in content
    assert "Activate in every process" not in content
    for do in ("activate", "answer", "shadow"):
        said = admin_client.post(page(seen), {"do": do}, follow=True)
        assert "has its files kept" in said.content.decode()


def test_the_one_in_service_is_not_compared_with_itself(admin_client: Client) -> None:
    serving = in_service()
    assert serving is not None

    content = admin_client.get(page(serving)).content.decode()

    assert "It is in service" in content
    assert "Gate" not in content


def test_a_version_that_is_not_there(admin_client: Client) -> None:
    missing = reverse("admin:classifier_modelversion_compare", args=[99])

    assert admin_client.get(missing).status_code == 404


def test_who_may_look_may_not_switch(client: Client, candidate: ModelVersion) -> None:
    looker = User.objects.create_user("looker", is_staff=True)
    client.force_login(looker)
    assert client.get(page(candidate)).status_code == 403
    looker.user_permissions.add(Permission.objects.get(codename="view_modelversion"))

    content = client.get(page(candidate)).content.decode()

    assert "Activate in every process" not in content
    assert client.post(page(candidate), {"do": "activate", "reason": "x"}).status_code == 403
    assert active_version() is None


def test_reviewers_activate_nothing(client: Client, candidate: ModelVersion) -> None:
    ann = User.objects.create_user("ann", is_staff=True)
    ann.groups.add(reviewers())
    client.force_login(ann)

    client.post(page(candidate), {"do": "activate", "reason": "x"})

    assert active_version() is None


def test_a_version_whose_files_are_gone_is_refused(
    admin_client: Client, candidate: ModelVersion
) -> None:
    shutil.rmtree(directory_of(candidate))

    said = admin_client.post(page(candidate), {"do": "activate", "reason": "x"}, follow=True)

    assert "The files of a model version are kept" in said.content.decode()
    assert active_version() is None


def test_there_is_no_going_back_before_the_first(
    admin_client: Client, candidate: ModelVersion
) -> None:
    said = admin_client.post(page(candidate), {"do": "roll back"}, follow=True)

    assert "no version has been activated" in said.content.decode()


def test_the_list_leads_to_the_page(admin_client: Client, candidate: ModelVersion) -> None:
    make_version("seen", status=ModelVersion.Status.SEEN)

    content = admin_client.get(reverse("admin:classifier_modelversion_changelist")).content.decode()

    assert page(candidate) in content
    assert "its files are not kept" in content
