from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from classifier import tasks
from classifier.exceptions import ModelNotReady
from classifier.model_store import directory_of
from classifier.models import ModelVersion, Prediction, VersionAnswer
from classifier.services import rate
from classifier.versions import answers
from classifier.versions.activation import activate, register
from classifier.versions.answers import rate_shadows, set_shadow
from classifier.versions.comparison import shadow_of
from tests.factories import make_answer, make_prediction, make_version

pytestmark = pytest.mark.django_db

API, BULK = Prediction.Source.API, Prediction.Source.BULK


def sent(*texts: str) -> list[Prediction]:
    return rate(texts, source=API)


def test_a_candidate_rates_live_traffic_unheard(other_model_dir: Path) -> None:
    version = register(other_model_dir)
    sent("a good film before")
    set_shadow(version, 1.0)
    heard = sent("a good film", "an awful bore")
    make_prediction("a good film of a file", source=BULK)

    assert rate_shadows(seconds=60) == 2
    assert rate_shadows(seconds=60) == 0

    said = VersionAnswer.objects.filter(version=version)
    assert {answer.prediction_id for answer in said} == {each.pk for each in heard}
    assert all(answer.shadow for answer in said)
    for each in heard:
        each.refresh_from_db()
        assert each.model_version != version
    found = shadow_of(version)
    assert (found.rated, found.agreeing) == (2, 2)


def test_a_terminal_puts_a_model_into_the_shadow(
    other_model_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("activate_model", str(other_model_dir), shadow=12.5)
    call_command("list_models")

    version = ModelVersion.objects.get(name="other")
    assert (version.status, version.shadow_share) == ("candidate", 0.125)
    assert "rates 12.5 % in the shadow" in capsys.readouterr().out
    with pytest.raises(CommandError, match="0 to 100, but it is 101"):
        call_command("activate_model", str(other_model_dir), shadow=101)


def test_it_rates_its_share(other_model_dir: Path) -> None:
    version = register(other_model_dir)
    set_shadow(version, 0.25)
    texts = [f"a good film , number {number}" for number in range(64)]
    low = {each.pk for each in sent(*texts) if each.pk.int < 2**126}

    rate_shadows(seconds=60)

    rated = VersionAnswer.objects.filter(version=version).values_list("prediction_id", flat=True)
    assert set(rated) == low


def test_what_is_stored_late_is_rated_all_the_same(other_model_dir: Path) -> None:
    version = register(other_model_dir)
    set_shadow(version, 1.0)
    version.shadow_since = timezone.now() - timedelta(hours=1)
    version.save()
    sent("a good film")
    rate_shadows(seconds=60)
    late = make_prediction("a good film , late", created_at=timezone.now() - timedelta(minutes=5))

    assert rate_shadows(seconds=60) == 1
    assert VersionAnswer.objects.filter(prediction=late).exists()


def test_in_no_time_nothing_is_rated_and_nothing_is_lost(other_model_dir: Path) -> None:
    version = register(other_model_dir)
    set_shadow(version, 1.0)
    sent("a good film")

    assert rate_shadows(seconds=-1) == 0
    assert rate_shadows(seconds=60) == 1


def test_a_purged_text_is_left_out(other_model_dir: Path) -> None:
    version = register(other_model_dir)
    set_shadow(version, 1.0)
    sent("a good film")
    Prediction.objects.all().purge_texts(before=timezone.now() + timedelta(seconds=1))

    assert rate_shadows(seconds=60) == 0


def test_what_is_activated_leaves_the_shadow(other_model_dir: Path) -> None:
    version = register(other_model_dir)
    set_shadow(version, 0.5)
    activate(version, actor=None)

    version.refresh_from_db()
    assert version.shadow_share == 0


def test_a_broken_one_does_not_keep_the_others_from_rating(
    other_model_dir: Path, served_model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = register(other_model_dir)
    (directory_of(broken) / "model.safetensors").unlink()
    set_shadow(broken, 1.0)
    sent("a good film")
    sound = register(served_model)
    set_shadow(sound, 1.0)
    ModelVersion.objects.filter(pk=sound.pk).update(
        shadow_since=timezone.now() - timedelta(hours=1)
    )
    make_prediction("a good film", model_version=make_version("third"))

    with pytest.raises(ModelNotReady):
        rate_shadows(seconds=60)

    assert VersionAnswer.objects.filter(version=sound).count() == 1
    tasks.rate_shadows()
    assert "cannot rate" in caplog.text


def test_the_comparison_shows_where_it_differs() -> None:
    version = make_version("candidate", shadow_since=timezone.now() - timedelta(hours=1))
    same, near, far = (make_prediction(text, rating=9) for text in ("one", "two", "three"))
    make_answer(version, same, shadow=True)
    make_answer(version, near, shadow=True, rating=8)
    make_answer(version, far, shadow=True, rating=2, label="NEGATIVE")
    make_answer(version, make_prediction("frozen"), rating=1)
    early = make_prediction("early", created_at=timezone.now() - timedelta(days=1))
    make_answer(version, early, shadow=True, rating=1)

    found = shadow_of(version)

    assert (found.rated, found.agreeing, found.far) == (3, 2, 1)
    assert found.mean_distance == pytest.approx(8 / 3)
    assert [answer.prediction for answer in found.farthest] == [far, near]


def test_a_long_text_is_cut_as_for_visitors(other_model_dir: Path, settings: Any) -> None:
    settings.CLASSIFIER_READ_CHARS = 11
    version = register(other_model_dir)
    set_shadow(version, 1.0)
    sent("a good film , awful awful awful awful", "a good film")

    rate_shadows(seconds=60)

    first, second = VersionAnswer.objects.filter(version=version)
    assert first.positive_probability == pytest.approx(second.positive_probability)


def test_a_worker_goes_on_in_turns(other_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version = register(other_model_dir)
    asked: list[int] = []
    monkeypatch.setattr(tasks.rate_frozen, "delay", asked.append)
    owed = iter([3, 0])
    monkeypatch.setattr(answers, "rate_frozen", lambda version, seconds: next(owed))

    tasks.rate_frozen(version.pk)
    tasks.rate_frozen(version.pk)
    tasks.rate_frozen(version.pk + 1)  # deleted meanwhile

    assert asked == [version.pk]
