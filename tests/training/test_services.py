"""Starting, cancelling and retrying runs: what is refused at once, and what is left to a worker."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from kombu.exceptions import OperationalError
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from classifier.labels import NEGATIVE, POSITIVE
from tests.factories import make_prediction, make_verdict
from training import services
from training.config import ConfigError
from training.exceptions import InvalidRun
from training.models import TrainingRun
from training.recipes import load_recipe, recipe_names
from training.services import start_run
from training.tasks import reap_training_runs, train

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def folders(settings: Settings, tmp_path: Path) -> Path:
    settings.MODELS_DIR = tmp_path / "models"
    settings.RUNS_DIR = tmp_path / "runs"
    return tmp_path


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The messages that would have woken a worker."""
    messages: list[dict[str, Any]] = []
    monkeypatch.setattr(train, "apply_async", lambda **options: messages.append(options))
    return messages


def test_a_run_waits_with_all_its_parameters_and_a_worker_is_woken(
    sent: list[dict[str, Any]], django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    user = get_user_model().objects.create_user("ann")
    with django_capture_on_commit_callbacks(execute=True):
        run = start_run(
            name="mine", recipe="starter", overrides={"epochs": 3, "seed": 7}, started_by=user
        )
        assert not sent  # a worker that is faster than the commit would find nothing
    run.refresh_from_db()
    assert (run.status, run.name, run.recipe, run.started_by) == ("queued", "mine", "starter", user)
    expected = load_recipe("starter", {"epochs": 3, "seed": 7})
    assert run.config == expected.to_sections()
    assert len(sent) == 1
    assert run.woken_at is not None


def test_a_broker_that_is_away_does_not_lose_the_run(
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    def away(**options: Any) -> None:
        raise OperationalError("refused")

    monkeypatch.setattr(train, "apply_async", away)
    with django_capture_on_commit_callbacks(execute=True):
        run = start_run(name="mine", overrides={"dataset": "imdb"})
    run.refresh_from_db()
    assert (run.status, run.woken_at) == ("queued", None)
    messages: list[Any] = []
    monkeypatch.setattr(train, "apply_async", lambda **options: messages.append(options))
    reap_training_runs()
    assert len(messages) == 1


def test_a_run_without_a_name_is_called_after_its_data_and_the_time() -> None:
    first = start_run(overrides={"dataset": "user/films"})
    assert first.name.startswith("films-20")
    second = start_run(overrides={"dataset": "user/films"})
    assert second.name.startswith(first.name)
    assert second.name != first.name


@pytest.mark.parametrize("recipe", recipe_names())
def test_every_recipe_can_be_started_as_it_is(recipe: str) -> None:
    assert start_run(name="mine", recipe=recipe).config == load_recipe(recipe).to_sections()


@pytest.mark.parametrize(
    ("arguments", "field", "said"),
    [
        ({"recipe": "no-such"}, "recipe", "is one of"),
        ({"overrides": {}}, "dataset", "needs a data set"),
        ({"overrides": {"learning_rate": -1.0}}, "learning_rate", "between 0 and 1. Found: -1.0"),
        ({"overrides": {"epochs": "three"}}, "epochs", "of type float"),
        ({"overrides": {"epochs": True}}, "epochs", "of type float"),
        ({"overrides": {"epochs": float("inf")}}, "epochs", "at most 9,007,199,254,740,992"),
        ({"overrides": {"epochs": float("nan")}}, "epochs", "at most"),
        ({"overrides": {"epochs": 10**400}}, "epochs", "at most"),
        ({"overrides": {"batch_size": [1]}}, "batch_size", "a text, a number"),
        ({"overrides": {"method": "magic"}}, "method", "one of lora, full"),
        ({"overrides": {"mixup_rows": 3}}, "mixup_rows", "needs mixup_pairs"),
        ({"overrides": {"no_such": 1}}, None, "one of a recipe. Found: 'no_such'"),
        ({"overrides": {"experiment": "a\0b"}}, "experiment", "printable"),
        ({"overrides": {"experiment": "\ud800"}}, "experiment", "printable"),
        ({"overrides": {"experiment": "x" * 501}}, "experiment", "500 characters"),
        ({"overrides": {"dataset": "/etc/passwd"}}, "dataset", "no path"),
        ({"overrides": {"base_model": "../../x"}}, "base_model", "no path"),
        ({"overrides": {"push_to_hub": "mine"}}, "push_to_hub", "user/name"),
        ({"overrides": {"dataset": "reviewed"}}, "dataset", "0 NEGATIVE and 0 POSITIVE"),
        ({"name": "../mine"}, "name", "letters, digits"),
        ({"name": "starter"}, "name", "none of starter, minilm"),
        ({"name": "a\0b"}, "name", "letters, digits"),
        ({"name": "x" * 101}, "name", "100 characters"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_run_is_refused_at_once_with_its_field(
    arguments: dict[str, Any], field: str | None, said: str
) -> None:
    given = {"overrides": {"dataset": "imdb", **arguments.pop("overrides", {})}, **arguments}
    if field == "dataset" and "needs" in said:
        given["overrides"] = {}
    with pytest.raises(InvalidRun) as caught:
        start_run(**({"name": "mine"} | given))
    assert caught.value.field == field
    assert said in str(caught.value)
    assert "--" not in str(caught.value)  # flags are the terminal's
    assert caught.value.remedy
    assert isinstance(caught.value, ConfigError)
    assert not TrainingRun.objects.exists()


def test_a_name_is_taken_once_by_a_run_of_the_site_or_of_the_terminal(folders: Path) -> None:
    start_run(name="mine", overrides={"dataset": "imdb"})
    (folders / "models" / "pulled").mkdir(parents=True)
    (folders / "runs" / "typed").mkdir(parents=True)
    (folders / "runs" / "typed" / "config.json").touch()
    for name in ("mine", "pulled", "typed"):
        with pytest.raises(InvalidRun, match="must be new") as caught:
            start_run(name=name, overrides={"dataset": "imdb"})
        assert str(folders) not in str(caught.value)
    assert TrainingRun.objects.count() == 1


def test_two_requests_for_one_name_start_one_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have looked before either has written."""
    start_run(name="mine", overrides={"dataset": "imdb"})
    monkeypatch.setattr(services, "_require_name", lambda name: None)
    with pytest.raises(InvalidRun, match="must be new"):
        start_run(name="mine", overrides={"dataset": "imdb"})


def test_reviewed_predictions_are_enough_when_each_label_has_ten() -> None:
    for index in range(19):
        label = (NEGATIVE, POSITIVE)[index % 2]
        make_verdict(make_prediction(f"film {index}"), label=label, rating=5)
    make_prediction("not reviewed")
    make_verdict(make_prediction(""), label=POSITIVE, rating=5)  # purged
    with pytest.raises(InvalidRun, match="10 NEGATIVE and 9 POSITIVE"):
        start_run(name="mine", overrides={"dataset": "reviewed"})
    make_verdict(make_prediction("one more", label=NEGATIVE), label=POSITIVE, rating=9)
    assert services.reviewed_count() == 20
    assert start_run(name="mine", overrides={"dataset": "reviewed"}).status == "queued"


def test_a_run_that_waits_is_cancelled_at_once_and_can_be_retried(
    sent: list[dict[str, Any]], django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    run = start_run(name="mine", overrides={"dataset": "imdb"})
    assert not services.retry(run.pk)
    assert services.cancel(run.pk)
    assert not services.cancel(run.pk)
    run.refresh_from_db()
    assert (run.status, run.cancel_requested) == ("cancelled", True)
    assert TrainingRun.objects.claim_next() is None
    TrainingRun.objects.filter(pk=run.pk).update(worker_losses=2, error="lost", stage="training")
    with django_capture_on_commit_callbacks(execute=True):
        assert services.retry(run.pk)
    run.refresh_from_db()
    assert (run.status, run.cancel_requested, run.finished_at) == ("queued", False, None)
    assert (run.worker_losses, run.error, run.stage) == (0, "", "")
    assert len(sent) == 1
    assert TrainingRun.objects.claim_next()


def test_a_run_that_succeeded_is_neither_cancelled_nor_retried() -> None:
    run = start_run(name="mine", overrides={"dataset": "imdb"})
    claim = TrainingRun.objects.claim(run.pk)
    assert claim
    claim.succeed()
    assert not services.cancel(run.pk)
    assert not services.retry(run.pk)
    run.refresh_from_db()
    assert run.status == "succeeded"


def test_the_time_that_is_left_is_told_while_steps_are_done() -> None:
    run = TrainingRun(status="running", stage="training", done=30, total=90, pace=2.0)
    assert run.seconds_left == 30
    for changed in ({"stage": "measuring"}, {"pace": 0.0}, {"status": "queued"}, {"total": 0}):
        values = {"status": "running", "stage": "training", "done": 30, "total": 90, "pace": 2.0}
        assert TrainingRun(**(values | changed)).seconds_left is None
