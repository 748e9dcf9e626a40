"""manage.py finetune around a run: what it lists, plans, generates, repeats and refuses."""

import io
import tomllib
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from django.core.management import CommandError, call_command

from classifier.model_store import directory_of
from classifier.models import ModelVersion
from tests.classifier.jobs.databases import in_use, sqlite
from tests.training import tiny_run
from training.config import FinetuningConfig
from training.recipes import recipe_names

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_pictures")]
QUICK: dict[str, Any] = {"epochs": 0.5, "evaluations_per_epoch": 2, "experiment": ""}


@pytest.fixture
def data_dir(tiny_base_dir: Path, tmp_path: Path) -> Path:
    directory = tmp_path / "data"
    directory.mkdir()
    return tiny_run.write_data(directory, tiny_base_dir, train_rows=80)


@pytest.fixture(autouse=True)
def var_dir(settings: Any, tmp_path: Path) -> Path:
    settings.VAR_DIR = tmp_path / "var"
    settings.MODELS_DIR = settings.VAR_DIR / "models"
    settings.RUNS_DIR = settings.VAR_DIR / "runs"
    return tmp_path / "var"


def finetune(**options: Any) -> str:
    out = io.StringIO()
    call_command("finetune", stdout=out, no_color=True, **options)
    return out.getvalue()


def parameters(data_dir: Path, **overrides: Any) -> dict[str, Any]:
    sections = tiny_run.config(data_dir, **(QUICK | overrides)).to_sections()
    values = {key: value for each in sections.values() for key, value in each.items()}
    del values["seed"]
    return values | {key: overrides[key] for key in ("seed",) if key in overrides}


def test_every_recipe_is_listed_with_what_it_is_for() -> None:
    listed = finetune(list_recipes=True)
    for name in recipe_names():
        assert f"{name}\n  " in listed
    assert "six emotions" in listed
    assert "distilbert/distilbert-base-uncased on emotion" in listed


def test_a_dry_run_says_sizes_and_times_and_leaves_nothing(data_dir: Path, var_dir: Path) -> None:
    planned = finetune(**parameters(data_dir, epochs=2.0, batch_size=16), dry_run=True)
    assert "train 80, validation 40, test 20" in planned
    assert "steps        10, with 4 validations" in planned
    assert "on cpu in fp32" in planned
    assert "time, about" in planned
    assert not (var_dir / "models").exists()
    assert not (var_dir / "runs").exists()


def test_what_a_dry_run_prints_is_a_recipe_of_the_same_run(data_dir: Path) -> None:
    config = tiny_run.config(data_dir, label_names='a "quoted", b\\c', push_to_hub="")
    assert FinetuningConfig.from_sections(tomllib.loads(config.to_toml())) == config


def test_a_dry_run_counts_what_a_language_model_would_write(data_dir: Path) -> None:
    wanted = {"generate": "p_tuning", "generator_model": "nowhere/model", "generated_rows": 24}
    planned = finetune(**parameters(data_dir, epochs=1.0, **wanted), dry_run=True)
    assert "generated 24" in planned
    assert f"steps        {(80 + 24) // 8}," in planned


def test_generated_rows_can_be_read_before_they_are_trained_on(
    data_dir: Path, var_dir: Path, tmp_path: Path
) -> None:
    file = tmp_path / "new" / "rows.csv"
    wanted = {"generate": "rules", "generated_rows": 6}
    said = finetune(**parameters(data_dir, **wanted), generate_only=file)
    rows = pd.read_csv(file)
    assert len(rows) == 6
    assert rows["generated_by"].str.startswith("rules:").all()
    assert set(rows["label"]) <= {"NEGATIVE", "POSITIVE"}
    assert f"6 generated rows are in {file}" in said
    assert not (var_dir / "runs").exists()


def test_without_a_way_to_generate_there_is_nothing_to_write(
    data_dir: Path, tmp_path: Path
) -> None:
    with pytest.raises(CommandError, match="--generate rules"):
        finetune(**parameters(data_dir), generate_only=tmp_path / "rows.csv")


def test_each_seed_is_a_run_and_the_spread_is_told(data_dir: Path, var_dir: Path) -> None:
    said = finetune(**parameters(data_dir), name="many", seeds=[0, 3])
    assert "±" in said
    assert "| accuracy" in said
    finetune(**parameters(data_dir, seed=3), name="alone")
    models = var_dir / "models"
    weights = {
        name: (models / name / "model.safetensors").read_bytes()
        for name in ("many-seed0", "many-seed3", "alone")
    }
    assert weights["many-seed3"] == weights["alone"]
    assert weights["many-seed0"] != weights["alone"]


def test_what_a_run_makes_is_a_candidate_and_activating_it_is_told(data_dir: Path) -> None:
    said = finetune(**parameters(data_dir, epochs=8.0), name="mine")
    version = ModelVersion.objects.get()
    assert (version.name, version.status, version.source) == ("mine", "candidate", "run mine")
    assert (directory_of(version) / "model.safetensors").is_file()
    assert f"{version} is a candidate." in said
    assert "Activate it: manage.py activate_model mine" in said


def test_each_run_of_a_series_is_a_candidate(data_dir: Path) -> None:
    said = finetune(**parameters(data_dir, epochs=8.0), name="many", seeds=[0, 1])
    versions = ModelVersion.objects.filter(status="candidate").order_by("name")
    assert [version.name for version in versions] == ["many-seed0", "many-seed1"]
    assert "activate_model many-seed1" in said


def test_a_model_of_other_labels_is_a_candidate_too(data_dir: Path) -> None:
    said = finetune(**parameters(data_dir, label_names="no,yes"), name="mine")
    version = ModelVersion.objects.get()
    assert (version.name, version.status) == ("mine", "candidate")
    assert "Activate it: manage.py activate_model mine" in said


def test_a_model_that_tells_nothing_apart_is_none(data_dir: Path) -> None:
    said = finetune(**parameters(data_dir, learning_rate=1e-9), name="mine")
    assert "mine is no candidate to be activated: A model tells reviews apart." in said
    assert "activate_model" not in said
    assert not ModelVersion.objects.exclude(status="seen").exists()


def test_without_tables_a_run_succeeds_and_says_how_to_register_its_model(
    data_dir: Path, var_dir: Path, tmp_path: Path
) -> None:
    with in_use(sqlite(tmp_path / "empty.sqlite3"), tables=False):
        said = finetune(**parameters(data_dir), name="mine")
    assert "mine is not registered as a model version (no such table" in said
    assert "manage.py activate_model mine" in said
    assert (var_dir / "models" / "mine" / "model.safetensors").is_file()


def test_a_series_goes_on_where_it_stopped(
    data_dir: Path, var_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.evaluation.evaluating import evaluate_in_detail

    def stopped_at_the_second(model_dir: Path, *args: Any) -> Any:
        if model_dir.name == "many-seed1":
            raise KeyboardInterrupt
        return evaluate_in_detail(model_dir, *args)

    monkeypatch.setattr("training.finetuning.run.evaluate_in_detail", stopped_at_the_second)
    with pytest.raises(CommandError, match="finetune --name many --seeds 0 1 2 --resume"):
        finetune(**parameters(data_dir), name="many", seeds=[0, 1, 2])
    monkeypatch.undo()
    ended = (var_dir / "models" / "many-seed0" / "model.safetensors").stat().st_mtime_ns
    said = finetune(name="many", seeds=[0, 1, 2], resume=True)
    assert "many-seed0, many-seed1, many-seed2" in said
    again = (var_dir / "models" / "many-seed0" / "model.safetensors").stat().st_mtime_ns
    assert again == ended


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": [1, 1]}, "given once.*1, 1"),
        ({"seeds": [-1]}, "0 or more.*-1"),
        ({"seeds": [0, 1], "seed": 2}, "--seed is 2"),
        ({"seeds": [0, 1], "push_to_hub": "me/mine"}, "one over the other.*'me/mine'"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_seeds_that_cannot_be_trained_are_refused(
    data_dir: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(CommandError, match=message):
        finetune(**(parameters(data_dir) | {"name": "many"} | options))


def test_a_series_that_was_never_started_cannot_be_resumed() -> None:
    with pytest.raises(CommandError, match="those are none, but it is 'many-seed0'"):
        finetune(name="many", seeds=[0, 1], resume=True)


def test_the_untuned_model_is_measured_first(data_dir: Path, var_dir: Path) -> None:
    said = finetune(**parameters(data_dir, untuned_rows=24), name="mine")
    measured = dict(line.split() for line in said.splitlines() if line.startswith("untuned_"))
    assert measured["untuned_rows"] == "24"
    assert 0 <= float(measured["untuned_accuracy"]) <= 1
    assert "untuned" in (var_dir / "runs" / "mine" / "report.html").read_text()


def test_measuring_the_untuned_model_changes_no_weight(data_dir: Path, var_dir: Path) -> None:
    finetune(**parameters(data_dir, untuned_rows=24), name="with")
    finetune(**parameters(data_dir), name="without")
    models = var_dir / "models"
    assert (models / "with" / "model.safetensors").read_bytes() == (
        models / "without" / "model.safetensors"
    ).read_bytes()
