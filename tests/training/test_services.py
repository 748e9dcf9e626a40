"""Starting, cancelling and retrying runs: what is refused at once, and what is left to a worker."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from kombu.exceptions import OperationalError
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from classifier.exceptions import ModelNotReady
from classifier.versions.activation import activate, register
from tests.factories import make_prediction
from tests.training.verdicts.sentences import review
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
    review()  # for the recipe that needs some
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
        ({"name": "versions"}, "name", "none of starter, minilm, versions"),
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


def test_verdicts_are_enough_when_each_label_has_ten_and_one_to_test_on() -> None:
    verdicts = review()
    make_prediction("not reviewed")
    verdict = verdicts["train"].pop()
    text, verdict.prediction.text = verdict.prediction.text, ""
    verdict.prediction.save()  # purged
    with pytest.raises(InvalidRun, match="10 NEGATIVE and 9 POSITIVE to train on") as caught:
        start_run(name="mine", overrides={"dataset": "reviewed"})
    assert caught.value.field == "dataset"
    verdict.prediction.text = text
    verdict.prediction.save()
    assert (services.reviewed_count(), services.learnable_count()) == (22, 20)
    assert start_run(name="mine", overrides={"dataset": "reviewed"}).status == "queued"


@pytest.fixture
def served(tiny_model_dir: Path, settings: Settings, folders: Path) -> Path:
    """The site serves `models/mine`, which was trained on the data set `old`."""
    settings.DATASETS_DIR = folders / "datasets"
    settings.CLASSIFIER_MODEL = "mine"
    return served_on(folders / "models" / "mine", tiny_model_dir, {"dataset": "old"})


def served_on(directory: Path, model: Path, data: Any, **facts: Any) -> Path:
    shutil.copytree(model, directory)
    said = {"config": {"data": data, "model": {"max_length": 16}}} | facts
    (directory / "metrics.json").write_text(json.dumps(said))
    return directory


def with_old_data(folders: Path) -> None:
    (folders / "datasets").mkdir()
    (folders / "datasets" / "old.csv").touch()


def test_retraining_goes_on_from_the_model_that_serves_and_replays_its_data(
    served: Path, folders: Path
) -> None:
    with_old_data(folders)
    review()
    ann = get_user_model().objects.create_user("ann")

    run = services.retrain(started_by=ann)

    assert (run.recipe, run.started_by, run.status) == ("reviewed", ann, "queued")
    changed = {"base_model": "mine", "replay_dataset": "old", "max_length": 16}
    assert run.config == load_recipe("reviewed", changed).to_sections()


def test_retraining_goes_on_from_the_files_of_the_active_version(
    served: Path, folders: Path
) -> None:
    with_old_data(folders)
    review()
    described = {"dataset": "old", "text_column": "body", "group_column": "author", "train_rows": 9}
    other = served_on(folders / "models" / "other", served, described, source="another")
    version = register(other)
    activate(version, actor=None, reason="Better.")

    config = services.retrain().config
    data, model = config["data"], config["model"]

    assert model["base_model"] == f"versions/other-{version.revision}"
    assert (data["replay_dataset"], data["text_column"], data["group_column"]) == (
        ("old", "body", "author")
    )
    assert data["train_rows"] == 0  # of verdicts all are learnt from


def test_a_model_that_was_retrained_replays_what_was_replayed_before(
    served: Path, folders: Path, settings: Settings
) -> None:
    with_old_data(folders)
    review()
    replay = {"dataset": "old", "per_verdict": 1.0, "label_column": "mood"}
    served_on(
        folders / "models" / "again",
        served,
        {"dataset": "reviewed", "label_column": "label"},
        provenance={"replay": replay},
    )
    settings.CLASSIFIER_MODEL = "again"
    data = services.retrain().config["data"]
    assert (data["replay_dataset"], data["label_column"]) == ("old", "mood")


@pytest.mark.parametrize(
    "data",
    [
        {"dataset": "gone"},
        {"dataset": "../datasets/old"},
        {"dataset": "reviewed"},
        {"dataset": 7},
        {},
        "old",
        None,
    ],
)
def test_without_the_first_data_verdicts_alone_are_learnt_from(
    served: Path, folders: Path, settings: Settings, data: Any
) -> None:
    with_old_data(folders)
    review()
    served_on(folders / "models" / "other", served, data)
    settings.CLASSIFIER_MODEL = "other"
    assert services.retrain().config["data"]["replay_dataset"] == ""


def test_a_model_that_is_served_from_a_path_is_kept_and_gone_on_from(
    served: Path, settings: Settings, tmp_path: Path
) -> None:
    review()
    elsewhere = served.rename(tmp_path / "elsewhere")
    settings.CLASSIFIER_MODEL = str(elsewhere)
    version = register(elsewhere)
    config = services.retrain().config
    assert config["model"]["base_model"] == f"versions/elsewhere-{version.revision}"


def test_a_retraining_that_cannot_be_is_not_started(served: Path, settings: Settings) -> None:
    with pytest.raises(InvalidRun, match="too few"):
        services.retrain()
    review()
    settings.CLASSIFIER_MODEL = "gone"
    with pytest.raises(ModelNotReady, match="no model 'gone'"):
        services.retrain()
    assert not TrainingRun.objects.exists()


def test_one_retraining_is_under_way_at_a_time(served: Path) -> None:
    review()
    first = services.retrain()

    with pytest.raises(InvalidRun, match=f"{first.name} is queued"):
        services.retrain()

    services.cancel(first.pk)
    services.retrain()


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
