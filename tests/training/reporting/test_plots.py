import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.evaluation import metrics
from training.reporting.plots import draw_classes, draw_evaluation, draw_lengths, draw_loss


def evaluation(
    labels: tuple[str, ...], *, rows: int = 200, only: int | None = None
) -> metrics.Evaluation:
    """Of a model that is right more often than not, on drawn rows; `only` one label if given."""
    generator = np.random.default_rng(0)
    truth = generator.integers(len(labels), size=rows)
    if only is not None:
        truth[:] = only
    probabilities = generator.dirichlet(np.ones(len(labels)), size=rows)
    probabilities[np.arange(rows), truth] += 1 / len(labels)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return metrics.Evaluation(
        labels=labels,
        measures=metrics.classification_metrics(probabilities, truth, labels),
        classes=metrics.class_measures(probabilities, truth, labels),
        confusion=metrics.confusion_counts(probabilities, truth),
        calibration=metrics.calibration_bins(probabilities, truth),
        curves=metrics.label_curves(probabilities, truth, labels),
        slices=metrics.length_slices(probabilities, truth, generator.integers(1, 700, size=rows)),
        errors=(),
        probabilities=probabilities,
        label_ids=truth,
    )


def assert_is_a_picture(path: Path) -> None:
    """A PNG twice 400 pixels wide or so, with something drawn on it."""
    with Image.open(path) as picture:
        assert 700 < picture.width < 1000
        colours = picture.convert("RGB").getcolors(maxcolors=picture.width * picture.height)
    assert colours
    assert len(colours) > 50


@pytest.mark.parametrize(
    "labels",
    [
        ("NEGATIVE", "POSITIVE"),
        ("злость", "радость", "a$b$c", "_", "a very long name that no axis has room for"),
        tuple(f"intent {index}" for index in range(30)),
    ],
    ids=["two", "awkward", "many"],
)
def test_every_picture_of_an_evaluation_is_drawn(tmp_path: Path, labels: tuple[str, ...]) -> None:
    pictures = draw_evaluation(evaluation(labels), tmp_path / "pictures")
    assert list(pictures) == [
        "ROC curve",
        "Precision and recall",
        "Confusion matrix",
        "Reliability",
    ]
    for picture in pictures.values():
        assert_is_a_picture(picture)


def test_curves_that_are_not_defined_are_not_drawn(tmp_path: Path) -> None:
    pictures = draw_evaluation(evaluation(("NEGATIVE", "POSITIVE"), only=1), tmp_path)
    assert list(pictures) == ["Confusion matrix", "Reliability"]


def test_the_loss_curve_is_drawn_from_a_log_history(tmp_path: Path) -> None:
    history = [
        {"loss": 0.7, "step": 10, "epoch": 0.5},
        {"loss": 0.5, "step": 20, "epoch": 1.0},
        {"eval_loss": 0.6, "step": 20, "epoch": 1.0},
        {"validation_loss": 0.6, "step": 20, "epoch": 1.0},
        {"train_loss": 0.6, "train_runtime": 1.0, "step": 20},
    ]
    assert_is_a_picture(draw_loss(history, tmp_path / "loss.png"))


def test_a_history_without_losses_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 entries have none"):
        draw_loss([{"train_runtime": 1.0, "step": 1}], tmp_path / "loss.png")


def test_classes_and_lengths_of_a_data_set_are_drawn(tmp_path: Path) -> None:
    counts = {"train": {"да": 30, "нет": 3}, "test": {"да": 4}}
    assert_is_a_picture(draw_classes(counts, tmp_path / "classes.png"))
    many = {"train": {f"intent {index}": index for index in range(77)}}
    assert_is_a_picture(draw_classes(many, tmp_path / "many.png"))
    lengths = {"train": [1, 5, 5, 9, 4000], "test": [], "validation": [7]}
    assert_is_a_picture(draw_lengths(lengths, tmp_path / "lengths.png", unit="tokens"))


def test_drawing_needs_neither_a_display_nor_pyplots_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # to import it is an error now
    draw_evaluation(evaluation(("NEGATIVE", "POSITIVE")), tmp_path)
