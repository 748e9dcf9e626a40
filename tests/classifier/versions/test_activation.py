import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import DatabaseError, IntegrityError, OperationalError, connection, transaction

from classifier import model_store
from classifier import predictor as predictor_module
from classifier.exceptions import ModelNotReady
from classifier.model_files import GRAPH
from classifier.model_store import active_version, directory_of
from classifier.models import AuditEntry, ModelVersion, Prediction
from classifier.predictor import PredictorHolder, holder
from classifier.services import rate
from classifier.versions import activation
from classifier.versions.activation import activate, register, roll_back
from classifier.versions.golden import GOLDEN_REVIEWS

pytestmark = pytest.mark.django_db

Status = ModelVersion.Status
TEXT = "a good film , and the worst story"


def says() -> tuple[str, float]:
    """Which version rates, and what it says."""
    [prediction] = rate([TEXT], source=Prediction.Source.API)
    return str(prediction.model_version), prediction.sentiment.positive_probability


def zero_head(directory: Path, value: float = 0.0) -> None:
    """A classifier that says the same of every text; or NaN."""
    from safetensors.torch import load_file, save_file

    file = directory / "model.safetensors"
    weights = {
        name: tensor * 0 + value if name.startswith("classifier") else tensor
        for name, tensor in load_file(file).items()
    }
    save_file(weights, file, metadata={"format": "pt"})


def test_a_registered_model_is_kept_as_it_was(
    other_model_dir: Path, tmp_path: Path, models_dir: Path
) -> None:
    model = Path(shutil.copytree(other_model_dir, tmp_path / "mine"))
    (model / "README.md").write_text("# Mine")
    (model / "metrics.json").write_text('{"accuracy": 0.9}')

    version = register(model)

    assert (version.name, version.status) == ("mine", Status.CANDIDATE)
    assert (version.card, version.metrics) == ("# Mine", {"accuracy": 0.9})
    assert [text for text, _ in version.golden] == list(GOLDEN_REVIEWS)
    assert directory_of(version) == models_dir / "versions" / f"mine-{version.revision}"
    shutil.rmtree(model)
    activate(version, actor=None)
    assert register(directory_of(version)).revision == version.revision
    assert [path.name for path in (models_dir / "versions").glob(".*")] == []


def test_registering_again_changes_nothing(other_model_dir: Path) -> None:
    first = register(other_model_dir, source="a run")
    again = register(other_model_dir)

    assert again == first
    assert again.source == "a run"


def test_an_activated_version_takes_over_and_the_one_before_is_retired(
    other_model_dir: Path, served_model: Path
) -> None:
    before = says()
    version = register(other_model_dir)
    ann = User.objects.create_user("ann")

    activate(version, actor=ann, reason="Better.")

    assert says() == before  # this process has not looked yet
    assert holder.follow()
    assert says()[0] == str(version)
    assert says()[1] != pytest.approx(before[1], abs=1e-6)
    assert not holder.follow()
    assert active_version() == version
    old = ModelVersion.objects.get(name=served_model.name)
    assert (str(old), old.status) == (before[0], Status.RETIRED)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor, entry.reason) == ("model activated", ann, "Better.")
    assert (entry.before, entry.after) == (
        {"version": old.pk, "name": str(old)},
        {"version": version.pk, "name": str(version), "gate": "passed"},
    )


def test_a_process_that_starts_serves_the_active_version(other_model_dir: Path) -> None:
    version = register(other_model_dir)
    activate(version, actor=None)

    assert PredictorHolder().get().revision == version.revision


def test_activating_the_active_one_changes_nothing(other_model_dir: Path) -> None:
    version = register(other_model_dir)
    activate(version, actor=None)
    activate(version, actor=None)

    assert AuditEntry.objects.count() == 1


def cut_weights(directory: Path) -> None:
    file = directory / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def lose_tokenizer(directory: Path) -> None:
    (directory / "tokenizer.json").unlink()


def make_nan(directory: Path) -> None:
    zero_head(directory, float("nan"))


def make_constant(directory: Path) -> None:
    zero_head(directory)


def name_code(directory: Path) -> None:
    file = directory / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"auto_map": {"a": "b"}}))


def misnumber(directory: Path) -> None:
    relabel(directory, {"0": "NEGATIVE", "2": "POSITIVE"})


def mislabel(directory: Path) -> None:
    relabel(directory, {"0": "joy", "1": "anger"})


def relabel(directory: Path, id2label: dict[str, str]) -> None:
    file = directory / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"id2label": id2label}))


BREAKS = [cut_weights, lose_tokenizer, make_nan, make_constant, name_code, misnumber]


@pytest.mark.parametrize("break_it", BREAKS, ids=lambda each: each.__name__)
def test_a_broken_model_is_not_registered(
    other_model_dir: Path, tmp_path: Path, break_it: Callable[[Path], None]
) -> None:
    model = Path(shutil.copytree(other_model_dir, tmp_path / "broken"))
    break_it(model)

    with pytest.raises(ModelNotReady):
        register(model)

    assert not ModelVersion.objects.exclude(status=Status.SEEN).exists()


@pytest.mark.parametrize("break_it", [*BREAKS, mislabel], ids=lambda each: each.__name__)
def test_a_candidate_that_broke_is_refused_and_the_old_one_serves_on(
    other_model_dir: Path, break_it: Callable[[Path], None]
) -> None:
    before = says()
    version = register(other_model_dir)
    break_it(directory_of(version))

    with pytest.raises(ModelNotReady):
        activate(version, actor=None)

    version.refresh_from_db()
    assert version.status == Status.CANDIDATE
    assert active_version() is None
    assert not holder.follow()
    assert says() == before
    entry = AuditEntry.objects.get()
    assert entry.action == "model refused"
    assert entry.reason


def test_a_version_that_says_something_else_here_is_refused(other_model_dir: Path) -> None:
    version = register(other_model_dir)
    version.golden = [[text, 1 - said] for text, said in version.golden]
    version.save()

    with pytest.raises(ModelNotReady) as refused:
        activate(version, actor=None)

    assert refused.value.code == "golden_missed"


def test_a_host_where_the_version_is_broken_serves_the_old_one_until_it_is_mended(
    other_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = says()
    version = register(other_model_dir)
    activate(version, actor=None)
    hidden = directory_of(version).rename(tmp_path / "hidden")

    assert not holder.follow()
    assert says() == before
    hidden.rename(directory_of(version))
    assert not holder.follow()  # it is not tried again at once
    monkeypatch.setattr(predictor_module, "RETRY_SECONDS", 0.0)
    holder._refused_until = 0.0
    assert holder.follow()
    assert says()[0] == str(version)


def test_one_goes_back_to_the_version_before(other_model_dir: Path) -> None:
    before = says()
    version = register(other_model_dir)
    activate(version, actor=None)
    holder.follow()

    back = roll_back(actor=None)

    assert holder.follow()
    assert says() == before
    assert str(back) == before[0]
    version.refresh_from_db()
    assert version.status == Status.RETIRED
    assert AuditEntry.objects.first().reason == f"rolled back from {version}"  # type: ignore[union-attr]


def full(*args: object) -> None:
    raise OSError(30, "Read-only file system")


def test_one_goes_back_to_the_configured_model_where_no_file_can_be_written(
    other_model_dir: Path, served_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = says()
    version = register(other_model_dir)
    monkeypatch.setattr(activation, "keep_files", full)
    activate(version, actor=None)
    holder.follow()
    old = ModelVersion.objects.get(name=served_model.name)
    assert not directory_of(old).exists()

    assert roll_back(actor=None) == old

    assert holder.follow()
    assert says() == before


def test_a_version_that_cannot_be_fetched_for_want_of_room_is_not_ready(
    other_model_dir: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SHARE_MODELS = True
    version = register(other_model_dir)
    shutil.rmtree(directory_of(version))
    monkeypatch.setattr(model_store, "unpack", full)

    with pytest.raises(ModelNotReady, match="cannot be written there"):
        model_store.artefact_of(version)


def test_there_is_no_going_back_before_the_first(no_model: Path, other_model_dir: Path) -> None:
    with pytest.raises(ModelNotReady, match="no version has been activated"):
        roll_back(actor=None)
    activate(register(other_model_dir), actor=None)  # CLASSIFIER_MODEL names no model

    with pytest.raises(ModelNotReady, match="there was none"):
        roll_back(actor=None)


def test_activating_what_serves_already_leaves_nothing_to_go_back_to(served_model: Path) -> None:
    activate(register(served_model), actor=None)

    with pytest.raises(ModelNotReady, match="there was none"):
        roll_back(actor=None)


def test_no_two_versions_are_active(other_model_dir: Path, served_model: Path) -> None:
    one, other = register(other_model_dir), register(served_model)
    activate(one, actor=None)

    with pytest.raises(IntegrityError), transaction.atomic():
        ModelVersion.objects.filter(pk=other.pk).update(status=Status.ACTIVE)


def test_without_the_database_nothing_is_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(predictor_module, "active_version", fail)

    with pytest.raises(ModelNotReady) as refused:
        PredictorHolder().get()

    assert refused.value.code == "database_not_ready"


def test_a_host_without_the_files_fetches_them(other_model_dir: Path, settings: Any) -> None:
    settings.SHARE_MODELS = True
    version = register(other_model_dir)
    activate(version, actor=None)
    shutil.rmtree(directory_of(version))  # as on another host

    assert PredictorHolder().get().revision == version.revision
    assert directory_of(version).is_dir()


def test_the_graph_goes_along(exported_model_dir: Path) -> None:
    version = register(exported_model_dir)

    assert (directory_of(version) / GRAPH).is_file()
    activate(version, actor=None)


def test_the_commands_do_the_same_from_a_terminal(
    other_model_dir: Path, served_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("list_models")
    assert "None is active: CLASSIFIER_MODEL" in capsys.readouterr().out
    call_command("activate_model", str(other_model_dir), register_only=True)
    version = ModelVersion.objects.get(name="other")
    assert version.status == Status.CANDIDATE

    call_command("activate_model", str(version), reason="Better.")

    said = capsys.readouterr().out
    assert f"{version} is active" in said
    call_command("list_models")
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == ["active", "retired"]
    call_command("activate_model", roll_back=True)
    assert active_version() == ModelVersion.objects.get(name=served_model.name)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [([], "either"), (["a", "--roll-back"], "either"), (["none"], "there is no model 'none'")],
)
def test_the_command_says_what_is_wrong(arguments: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        call_command("activate_model", *arguments)


def test_another_tiny_model_is_another_one(other_model_dir: Path, served_model: Path) -> None:
    """What these tests stand on."""
    assert register(other_model_dir).golden != register(served_model).golden


def test_a_database_without_our_tables_has_no_active_version() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE classifier_modelversion RENAME TO elsewhere")

    assert active_version() is None


def test_an_older_schema_is_not_taken_for_an_empty_one() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE classifier_modelversion RENAME COLUMN card TO cart")

    with pytest.raises(DatabaseError):
        active_version()
