"""The whole way through finetune and evaluate, with a tiny transformer and the real Trainer."""

import json
import random
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from django.core.management import CommandError, call_command
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

from classifier.artefact import open_artefact
from classifier.model_files import GRAPH, STAR_HEAD
from tests import tiny

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_pictures")]
ARTEFACT = {
    "README.md",
    "config.json",
    "metrics.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
}


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    rng = random.Random(0)
    labels = [index % 2 for index in range(320)]
    frame = pd.DataFrame({"text": [tiny.sentence(label, rng) for label in labels], "label": labels})
    file = tmp_path / "reviews.csv"
    frame.to_csv(file, index=False)
    return file


@pytest.fixture(autouse=True)
def var_dir(settings: Any, tmp_path: Path) -> Path:
    settings.MODELS_DIR = tmp_path / "models"
    settings.RUNS_DIR = tmp_path / "runs"
    settings.DATASETS_DIR = tmp_path
    return tmp_path


def finetune(reviews: Path, base: Path, **options: Any) -> None:
    call_command(
        "finetune",
        **{
            "dataset": str(reviews),
            "base_model": str(base),
            "name": "mine",
            "max_length": 16,
            "method": "full",
            "epochs": 6.0,
            "learning_rate": 3e-3,
            "experiment": "",
            **options,
        },
    )


def adapter_of(run_dir: Path) -> dict[str, torch.Tensor]:
    return load_file(run_dir / "adapter" / "adapter_model.safetensors")


def test_a_run_learns_and_leaves_a_model_that_the_plain_pipeline_loads(
    reviews: Path, tiny_base_dir: Path, var_dir: Path
) -> None:
    from transformers import pipeline

    finetune(reviews, tiny_base_dir)
    model_dir = var_dir / "models" / "mine"
    assert {file.name for file in model_dir.iterdir()} >= ARTEFACT
    rate = pipeline("text-classification", model=str(model_dir))
    assert rate("a lovely film and superb cast")[0]["label"] == "POSITIVE"
    assert rate("the plot was dull and awful")[0]["label"] == "NEGATIVE"
    facts = json.loads((model_dir / "metrics.json").read_text())
    assert facts["metrics"]["test_accuracy"] > 0.9
    assert facts["metrics"]["test_rows"] == facts["rows"]["test"]
    assert sum(facts["rows"].values()) == 320
    assert sum(map(sum, facts["pictures"]["confusion"])) == facts["rows"]["test"]
    assert f"{facts['metrics']['test_accuracy']:.4f}" in (model_dir / "README.md").read_text()


@pytest.mark.usefixtures("no_graph")
def test_lora_teaches_the_opposite_and_names_no_path_of_this_machine(
    reviews: Path, tiny_model_dir: Path, var_dir: Path
) -> None:
    frame = pd.read_csv(reviews)
    frame.assign(label=1 - frame["label"]).to_csv(reviews, index=False)
    finetune(reviews, tiny_model_dir, method="lora", lora_rank=8, learning_rate=1e-2)
    adapter = var_dir / "runs" / "mine" / "adapter"
    assert (adapter / "adapter_model.safetensors").is_file()
    config = json.loads((adapter / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == tiny_model_dir.name
    facts = json.loads((var_dir / "models" / "mine" / "metrics.json").read_text())
    assert facts["metrics"]["test_accuracy"] > 0.9


@pytest.mark.usefixtures("no_graph")
@pytest.mark.parametrize("method", ["full", "lora"])
def test_stars_are_learnt_beside_the_label_and_lie_beside_the_weights(
    reviews: Path, tiny_base_dir: Path, var_dir: Path, method: str
) -> None:
    from classifier.star_head import read_star_head

    frame = pd.read_csv(reviews)
    frame.assign(stars=frame["label"] * 8 + 2).to_csv(reviews, index=False)  # 2 and 10
    finetune(reviews, tiny_base_dir, method=method, learning_rate=1e-2)
    head = read_star_head(var_dir / "models" / "mine")
    assert head
    assert head.bias[1] > head.bias[[0, 2, 3, 4]].max()
    assert head.bias[9] > head.bias[5:9].max()
    plain = open_artefact("mine", models_dir=var_dir / "models")
    assert plain.labels == ("NEGATIVE", "POSITIVE")
    loaded = AutoModelForSequenceClassification.from_pretrained(plain.directory)
    assert loaded.classifier.out_features == 2
    if method == "lora":
        assert read_star_head(var_dir / "runs" / "mine" / "adapter")


@pytest.mark.usefixtures("no_graph")
def test_a_star_head_goes_on_from_that_of_its_base(
    reviews: Path, tiny_base_dir: Path, var_dir: Path
) -> None:
    from classifier.star_head import read_star_head

    frame = pd.read_csv(reviews)
    frame.assign(stars=frame["label"] * 8 + 2).to_csv(reviews, index=False)
    finetune(reviews, tiny_base_dir, learning_rate=1e-2, epochs=2.0)
    first = read_star_head(var_dir / "models" / "mine")
    finetune(reviews, Path("mine"), name="second", learning_rate=1e-9, epochs=0.1)
    second = read_star_head(var_dir / "models" / "second")
    assert first
    assert second
    assert second.weight.allclose(first.weight, atol=1e-4)


@pytest.mark.usefixtures("no_graph")
def test_an_adapter_is_trained_further(reviews: Path, tiny_base_dir: Path, var_dir: Path) -> None:
    frame = pd.read_csv(reviews)
    frame.assign(stars=frame["label"] * 8 + 2).to_csv(reviews, index=False)
    finetune(reviews, tiny_base_dir, method="lora", learning_rate=1e-2, epochs=2.0)
    first = adapter_of(var_dir / "runs" / "mine")

    unmoved = {"epochs": 0.1, "learning_rate": 1e-9, "calibrate": False}
    finetune(reviews, tiny_base_dir, name="further", method="lora", adapter="mine", **unmoved)

    assert adapter_of(var_dir / "runs" / "further").keys() == first.keys()
    for name, tensor in adapter_of(var_dir / "runs" / "further").items():
        assert tensor.allclose(first[name], atol=1e-4), name
    config = var_dir / "runs" / "further" / "adapter" / "adapter_config.json"
    heads = json.loads(config.read_text())["modules_to_save"]
    assert len(set(heads)) == len(heads)


@pytest.mark.usefixtures("no_graph")
def test_an_adapter_that_does_not_fit_is_refused(reviews: Path, tiny_base_dir: Path) -> None:
    finetune(reviews, tiny_base_dir, method="lora", epochs=0.1)
    refused: dict[str, dict[str, Any]] = {
        "a run with an adapter .mine., but it is 'nothing'": {"adapter": "nothing"},
        "32 and 64, but they are 8 and 64": {"adapter": "mine", "lora_rank": 8},
        "made on, sentence-transformers/all-MiniLM-L6-v2@": {"adapter": "starter"},
        "with method=lora alone": {"adapter": "mine", "method": "full"},
    }
    for said, options in refused.items():
        with pytest.raises(CommandError, match=said):
            finetune(reviews, tiny_base_dir, **{"name": "further", "method": "lora", **options})


@pytest.mark.usefixtures("no_graph")
def test_pseudo_labelled_rows_are_learnt_beside_the_others(
    reviews: Path, tiny_base_dir: Path, var_dir: Path, settings: Any
) -> None:
    """They say the opposite of what people said, and there are more of them."""
    settings.PSEUDO_DIR = var_dir / "pseudo"
    place = settings.PSEUDO_DIR / "opposite"
    place.mkdir(parents=True)
    rng = random.Random(1)
    labels = [index % 2 for index in range(900)]
    rows = {"text": [tiny.sentence(label, rng) for label in labels]}
    shares = {"p_NEGATIVE": [0.05 + 0.9 * label for label in labels]}
    frame = pd.DataFrame({**rows, **shares, "source_row": range(900)})
    frame.assign(p_POSITIVE=1 - frame["p_NEGATIVE"]).to_parquet(place / "train.parquet")

    finetune(reviews, tiny_base_dir, pseudo_rows="opposite")

    facts = json.loads((var_dir / "models" / "mine" / "metrics.json").read_text())
    assert facts["rows"]["pseudo_labelled"] == 900
    assert facts["metrics"]["test_accuracy"] < 0.2
    assert "900 of them labelled by models" in (var_dir / "models/mine/README.md").read_text()


@pytest.mark.usefixtures("no_graph")
def test_excerpts_are_counted_beside_the_rows_they_are_cut_from(
    reviews: Path, tiny_base_dir: Path, var_dir: Path
) -> None:
    frame = pd.read_csv(reviews)
    frame.assign(text="It was on. " + frame["text"] + ". So we left.").to_csv(reviews, index=False)
    finetune(reviews, tiny_base_dir, excerpts=0.5, epochs=0.2)
    rows = json.loads((var_dir / "models" / "mine" / "metrics.json").read_text())["rows"]
    card = (var_dir / "models" / "mine" / "README.md").read_text()
    assert 0 < rows["excerpts"] <= rows["train"] / 3
    assert f"{rows['excerpts']} of them short excerpts" in card


@pytest.mark.usefixtures("no_graph")
@pytest.mark.parametrize("options", [{"star_head": False}, {"stars_column": ""}])
def test_stars_are_not_learnt_where_they_are_not_wanted(
    reviews: Path, tiny_base_dir: Path, var_dir: Path, options: dict[str, Any]
) -> None:
    frame = pd.read_csv(reviews)
    frame.assign(stars=frame["label"] * 8 + 2).to_csv(reviews, index=False)
    finetune(reviews, tiny_base_dir, epochs=0.2, **options)
    assert not (var_dir / "models" / "mine" / STAR_HEAD).exists()


def test_evaluate_gives_the_figures_of_finetune(
    reviews: Path, tiny_base_dir: Path, var_dir: Path, tmp_path: Path
) -> None:
    finetune(reviews, tiny_base_dir, epochs=1.0)
    record = var_dir / "models" / "mine" / "metrics.json"
    facts = json.loads(record.read_text())

    from training.config import DataConfig
    from training.data.splits import load_splits

    splits = load_splits(DataConfig(dataset=str(reviews)), datasets_dir=tmp_path, seed=0)
    splits.test.to_csv(tmp_path / "held.csv", index=False)

    def measured(engine: str) -> dict[str, float]:
        output = tmp_path / f"{engine}.json"
        call_command(
            "evaluate", model="mine", dataset="held", split="train", engine=engine, output=output
        )
        found: dict[str, float] = json.loads(output.read_text())
        return found

    for key, value in measured("torch").items():
        assert value == pytest.approx(facts["metrics"][f"test_{key}"])
    served = measured("onnx")
    assert served["accuracy"] == pytest.approx(facts["metrics"]["test_accuracy"], abs=0.1)
    assert facts["onnx"]["accepted"] is True

    record.write_text(json.dumps({key: facts[key] for key in facts if key != "pictures"}))
    call_command(
        "evaluate", model="mine", dataset="held", split="train", engine="torch", keep_curves=True
    )
    assert json.loads(record.read_text()) == facts


def test_a_model_without_a_graph_is_published_all_the_same(
    reviews: Path, tiny_base_dir: Path, var_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("classifier.onnx_export.verification.MAX_DIFFERENCE", -1.0)

    finetune(reviews, tiny_base_dir, epochs=1.0)

    model = var_dir / "models" / "mine"
    facts = json.loads((model / "metrics.json").read_text())
    assert facts["onnx"]["accepted"] is False
    assert not (model / GRAPH).exists()
    assert open_artefact("mine", models_dir=model.parent)


@pytest.mark.usefixtures("no_graph")
def test_a_stopped_run_resumes_to_the_weights_of_an_undisturbed_one(
    reviews: Path, tiny_base_dir: Path, var_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import TrainerCallback

    from training.learning import trainer as trainer_module

    finetune(reviews, tiny_base_dir, name="undisturbed", epochs=2.0)

    class Interrupt(TrainerCallback):
        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == 20:
                raise KeyboardInterrupt

    build = trainer_module.build_trainer

    def build_interrupted(*args: Any, **kwargs: Any) -> Any:
        trainer = build(*args, **kwargs)
        trainer.add_callback(Interrupt())
        return trainer

    with monkeypatch.context() as patch:
        patch.setattr(trainer_module, "build_trainer", build_interrupted)
        with pytest.raises(CommandError, match="--name stopped --resume"):
            finetune(reviews, tiny_base_dir, name="stopped", epochs=2.0)
    call_command("finetune", name="stopped", resume=True)

    weights = [
        (var_dir / "models" / name / "model.safetensors").read_bytes()
        for name in ("undisturbed", "stopped")
    ]
    assert weights[0] == weights[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dataset": "no-such-file.csv"}, "no-such-file"),
        ({"name": "../mine"}, "'../mine'"),
        ({"name": "starter"}, "none of starter, minilm"),
        ({"text_column": "body"}, "body is not among text, label"),
        ({"base_model": "nobody/nothing"}, "'nobody/nothing'.*start from 'minilm'"),
        ({"learning_rate": -1.0}, "learning_rate must lie"),
        ({"resume": True}, "takes --name, with several runs --seeds, and nothing"),
        ({"recipe": "no-such-recipe"}, "The recipes are"),
    ],
)
def test_what_cannot_run_says_why_and_leaves_nothing(
    reviews: Path, tiny_base_dir: Path, var_dir: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(CommandError, match=message):
        finetune(reviews, tiny_base_dir, **options)
    assert not (var_dir / "runs" / "mine").exists()


@pytest.mark.usefixtures("no_graph")
def test_a_name_is_taken_once(reviews: Path, tiny_base_dir: Path) -> None:
    finetune(reviews, tiny_base_dir, epochs=0.1)
    with pytest.raises(CommandError, match="must be new"):
        finetune(reviews, tiny_base_dir, epochs=0.1)


def test_a_run_that_was_never_started_cannot_be_resumed() -> None:
    with pytest.raises(CommandError, match="'mine'"):
        call_command("finetune", name="mine", resume=True)


def test_a_model_of_other_classes_is_trained_and_measured(
    tiny_base_dir: Path, var_dir: Path
) -> None:
    moods = {"anger": "noisy", "joy": "joy", "love": "warm"}
    frame = pd.DataFrame(
        [
            (f"the film was {word} {word} {tail}", mood)
            for mood, word in moods.items()
            for tail in tiny.OTHER_WORDS
            for _ in range(4)
        ],
        columns=["text", "label"],
    )
    frame["text"] = [f"{text} {i}" for i, text in enumerate(frame["text"])]
    frame.to_csv(var_dir / "moods.csv", index=False)
    finetune(var_dir / "moods.csv", tiny_base_dir, epochs=15.0)
    config = json.loads((var_dir / "models" / "mine" / "config.json").read_text())
    assert config["id2label"] == {"0": "anger", "1": "joy", "2": "love"}
    facts = json.loads((var_dir / "models" / "mine" / "metrics.json").read_text())
    assert facts["metrics"]["test_f1_macro"] > 0.9


def test_evaluate_refuses_labels_that_the_model_does_not_know(
    tiny_model_dir: Path, var_dir: Path
) -> None:
    pd.DataFrame({"text": ["fine", "dull"], "label": ["joy", "anger"]}).to_csv(
        var_dir / "test.csv", index=False
    )
    with pytest.raises(CommandError, match="anger, joy is not"):
        call_command("evaluate", model=str(tiny_model_dir), dataset=str(var_dir))


def test_a_model_of_text_pairs_is_trained_and_measured(tiny_base_dir: Path, var_dir: Path) -> None:
    rng = random.Random(0)
    rows = [(index, index % 2) for index in range(320)]
    pd.DataFrame(
        {
            "question": [f"was it good {index}" for index, _ in rows],
            "passage": [tiny.sentence(label, rng) for _, label in rows],
            "label": [label for _, label in rows],
        }
    ).to_csv(var_dir / "answers.csv", index=False)
    finetune(
        var_dir / "answers.csv",
        tiny_base_dir,
        text_column="question",
        text_pair_column="passage",
        label_names="no,yes",
        max_length=24,
        epochs=12.0,
    )
    facts = json.loads((var_dir / "models" / "mine" / "metrics.json").read_text())
    assert facts["metrics"]["test_accuracy"] > 0.8
    assert {"test_recall_no", "test_recall_yes"} <= set(facts["metrics"])
    assert (var_dir / "runs" / "mine" / "report.html").is_file()


@pytest.mark.usefixtures("no_graph")
@pytest.mark.parametrize(
    "augmentation",
    [
        {"mixup": "embeddings", "mixup_pairs": 40},
        {"mixup": "features"},
        {"balance": "class_weights"},
        {"balance": "oversample", "generate": "rules", "generated_rows": 10},
    ],
)
def test_every_kind_of_augmentation_runs_from_the_command_line(
    reviews: Path, tiny_base_dir: Path, var_dir: Path, augmentation: dict[str, Any]
) -> None:
    finetune(reviews, tiny_base_dir, **augmentation)
    facts = json.loads((var_dir / "models" / "mine" / "metrics.json").read_text())
    assert facts["metrics"]["test_accuracy"] > 0.9
    assert facts["config"]["augmentation"] | augmentation == facts["config"]["augmentation"]


def with_stars(reviews: Path) -> Path:
    """More reviews, some longer than the model reads, with the stars 1..4 and 7..10."""
    rng = random.Random(1)
    labels = [index % 2 for index in range(1_400)]
    frame = pd.DataFrame(
        {
            "text": [tiny.sentence(label, rng, rng.randrange(4, 40)) for label in labels],
            # A tenth of the labels are wrong, so that there is something to be unsure of.
            "label": [1 - label if rng.random() < 0.1 else label for label in labels],
        }
    )
    frame["stars"] = [
        rng.choice((7, 9, 10, 10) if label else (1, 1, 2, 4)) for label in frame["label"]
    ]
    frame.to_csv(reviews, index=False)
    return reviews


def test_a_run_on_stars_is_calibrated_and_its_adapter_too(
    reviews: Path, tiny_model_dir: Path, var_dir: Path
) -> None:
    from safetensors.torch import load_file

    with_stars(reviews)
    finetune(
        reviews, tiny_model_dir, method="lora", lora_rank=4, epochs=1.0, validation_fraction=0.3
    )

    model, run = var_dir / "models" / "mine", var_dir / "runs" / "mine"
    facts = json.loads((model / "metrics.json").read_text())
    calibration = facts["calibration"]
    assert calibration["map"] == "stars"
    assert calibration["rows"] == calibration["rows_with_stars"] == facts["rows"]["validation"]
    assert calibration["dataset"] == "reviews"
    for split in ("validation", "test"):
        before, after = calibration[split]["before"], calibration[split]["after"]
        assert after["log_loss"] <= before["log_loss"] + 0.02
        assert after["rating_mae"] < before["rating_mae"]
        assert 0.65 < after["rating_coverage"] < 0.95
    for key in ("rating_mae", "rating_exact", "rating_spearman", "rating_coverage"):
        assert facts["metrics"][f"test_{key}"] == pytest.approx(calibration["test"]["after"][key])
    assert facts["metrics"]["test_calibration_error"] == pytest.approx(
        calibration["test"]["after"]["calibration_error"], abs=1e-6
    )

    adapted = load_file(run / "adapter" / "adapter_model.safetensors")
    merged = load_file(model / "model.safetensors")
    assert adapted["base_model.model.classifier.weight"].equal(merged["classifier.weight"])
    for name in ("rating.json", "star_head.safetensors"):
        assert (run / "adapter" / name).read_bytes() == (model / name).read_bytes()
    card, report = (model / "README.md").read_text(), (run / "report.html").read_text()
    for shown in ("rating: mean absolute error", "Calibration", "divided by", "validation, before"):
        assert shown in card
        assert shown in report
    assert "By stars" in report
    assert "mean what the stars of its validation" in card
    assert facts["onnx"]["accepted"] is True


@pytest.mark.usefixtures("no_graph")
def test_a_run_may_leave_calibration_out(reviews: Path, tiny_base_dir: Path, var_dir: Path) -> None:
    finetune(reviews, tiny_base_dir, epochs=1.0, calibrate=False)
    model = var_dir / "models" / "mine"
    assert "calibration" not in json.loads((model / "metrics.json").read_text())
    assert not (model / "rating.json").exists()
    assert "Calibration" not in (model / "README.md").read_text()
