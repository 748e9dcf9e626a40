"""manage.py pretrain: what it plans, trains, resumes, lists and refuses."""

import io
import tomllib
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.training.pretraining.tiny_pretraining import config, write_texts
from training.config import ConfigError
from training.pretraining.config import PretrainingConfig
from training.recipes import PRETRAINING
from training.tracking.spool import Spool

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def var_dir(settings: Any, tmp_path: Path) -> Path:
    settings.VAR_DIR = tmp_path / "var"
    settings.MODELS_DIR = settings.VAR_DIR / "models"
    settings.RUNS_DIR = settings.VAR_DIR / "runs"
    return tmp_path / "var"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    (tmp_path / "texts").mkdir()
    return write_texts(tmp_path / "texts")


def parameters(data_dir: Path, base: Path, **overrides: Any) -> dict[str, Any]:
    sections = config(data_dir, base, steps=4, **overrides).to_sections()
    return {key: value for each in sections.values() for key, value in each.items()}


def pretrain(**options: Any) -> str:
    out = io.StringIO()
    call_command("pretrain", stdout=out, no_color=True, **options)
    return out.getvalue()


def test_it_trains_says_what_it_measured_and_is_not_trained_again(
    data_dir: Path, tiny_base_dir: Path, var_dir: Path
) -> None:
    said = pretrain(**parameters(data_dir, tiny_base_dir), name="read")
    assert "before_perplexity" in said
    assert "after_accuracy" in said
    assert "finetune --base-model read" in said
    assert (var_dir / "models" / "read" / "model.safetensors").is_file()
    again = pretrain(name="read", resume=True)
    assert again == said
    with pytest.raises(CommandError, match="must be new"):
        pretrain(**parameters(data_dir, tiny_base_dir), name="read")
    with pytest.raises(CommandError, match=r"BertForMaskedLM.*finetune --base-model"):
        call_command("activate_model", "read")


class Unsent:
    """In the place of the process that sends: the spool is looked at."""

    def __init__(self, spool: Spool, uri: str) -> None: ...

    def finish(self, patience: float) -> bool:
        return True


def test_mlflow_is_told_of_the_run(
    data_dir: Path, tiny_base_dir: Path, var_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.tracking.run.Sender", Unsent)
    pretrain(**parameters(data_dir, tiny_base_dir, experiment="reading"), name="read")
    told = list(Spool(var_dir / "runs" / "read").records())
    values = {key: value for each in told for key, value in each.get("values", {}).items()}
    assert values["masking.masking"] == "0.15"
    assert values["texts.train"] == "154"
    assert {"before_loss", "after_loss", "eval_loss", "loss"} <= values.keys()
    assert told[-1] | {"status": "FINISHED"} == told[-1]


def test_a_dry_run_says_sizes_and_times_and_leaves_nothing(
    data_dir: Path, tiny_base_dir: Path, var_dir: Path
) -> None:
    planned = pretrain(**parameters(data_dir, tiny_base_dir), dry_run=True)
    assert (
        "texts        train 60, unsup 120; left out: unreadable 0, tested 0, repeated 0" in planned
    )
    assert "with a new head" in planned
    assert "steps        4, with" in planned
    assert "time, about" in planned
    assert not (var_dir / "models").exists()
    assert not (var_dir / "runs").exists()


def test_every_recipe_is_valid_listed_and_described() -> None:
    listed = pretrain(list_recipes=True)
    for name in PRETRAINING.names():
        resolved = PRETRAINING.load(name).to_sections()
        given = tomllib.loads((PRETRAINING.directory / f"{name}.toml").read_text())
        for section, values in given.items():
            assert resolved[section] | values == resolved[section]
        assert PRETRAINING.description(name).endswith(".")
        assert f"{name}\n  " in listed
    assert PRETRAINING.load("imdb", {"epochs": 3.0}).training.epochs == 3.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"base_model": "no/such-model"}, "base_model must be"),
        ({"name": "starter"}, "name is made of"),
        ({"recipe": "starter"}, "recipes are imdb.*pretrain --list-recipes"),
        ({"max_length": 64}, "max_length may be 32"),
        ({"splits": "forum"}, "forum is not"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_cannot_run_says_why_and_leaves_nothing(
    data_dir: Path, tiny_base_dir: Path, var_dir: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(CommandError, match=message):
        pretrain(**({"name": "read"} | parameters(data_dir, tiny_base_dir) | options))
    assert not (var_dir / "runs").exists()


def test_a_run_that_was_never_started_cannot_be_resumed() -> None:
    with pytest.raises(CommandError, match="those are none, but it is 'read'"):
        pretrain(name="read", resume=True)
    with pytest.raises(CommandError, match="--name and nothing else, but it is given epochs"):
        pretrain(name="read", resume=True, epochs=2.0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("dataset", "reviewed"),
        ("test_fraction", 0.0),
        ("held_out_fraction", 1.0),
        ("splits", "train,test"),
        ("group_table", "groups.csv"),
        ("text_rows", -1),
        ("masking", 0.0),
        ("masking", 1.0),
        ("steps", -1),
        ("epochs", 0.0),
        ("lora_rank", 0),
        ("method", "prefix"),
    ],
)
def test_a_broken_rule_is_named_with_the_value(field: str, value: Any) -> None:
    with pytest.raises(ConfigError) as raised:
        config(Path("data"), Path("base"), **{field: value})
    assert repr(value) in str(raised.value)


def test_sections_survive_a_round_trip() -> None:
    made = config(Path("data"), Path("base"))
    assert PretrainingConfig.from_sections(made.to_sections()) == made
    assert PretrainingConfig.from_sections(tomllib.loads(made.to_toml())) == made
