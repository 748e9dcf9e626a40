"""Pictures of a run and of a data set, as PNG files.

Drawn for a width of 400 pixels and stored at twice that; the colours are told apart by the
colour-blind (Okabe and Ito 2008, Color Universal Design), and lines differ in their dashes too.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from training.evaluation.metrics import Curve, Evaluation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
COLOURS = (BLUE, ORANGE, GREEN, "#CC79A7", "#56B4E9", "#D55E00", "#000000")
GREY = "#666666"
DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
SIZE = (4.2, 3.4)  # inches
DPI = 200  # dots an inch
LABEL_LENGTH = 18  # characters
NUMBERED_LABELS = 8  # confusion matrices up to this size have their counts written in
NAMED_LABELS = 24  # and up to this one their labels
BARS = 20


def draw_evaluation(evaluation: Evaluation, directory: Path) -> dict[str, Path]:
    """ROC and precision-recall curves where they are defined, confusion and reliability.

    Returns:
        Title and file of each picture.
    """
    directory.mkdir(parents=True, exist_ok=True)
    pictures = {}
    if evaluation.curves:
        pictures["ROC curve"] = draw_roc(evaluation.curves, directory / "roc.png")
        pictures["Precision and recall"] = draw_precision_recall(
            evaluation.curves, directory / "precision_recall.png"
        )
    pictures["Confusion matrix"] = draw_confusion(evaluation, directory / "confusion.png")
    pictures["Reliability"] = draw_reliability(evaluation, directory / "reliability.png")
    return pictures


def draw_roc(curves: Sequence[Curve], path: Path) -> Path:
    """ROC curve of each label, the seven commonest at most."""
    figure, axes = _figure(_curve_title("ROC curve", curves))
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":")
    axes.annotate("guessing", (0.3, 0.3), color=GREY, fontsize=8, va="top", ha="left")
    for curve, style in _styled(curves):
        name = f"{_plain(curve.label)}, area {curve.roc_auc:.3f}"
        axes.plot(curve.false_positive_rate, curve.true_positive_rate, label=name, **style)
    axes.set_xlabel("False positive rate")
    axes.set_ylabel("True positive rate (recall)")
    _unit_square(axes)
    axes.legend(loc="lower right", fontsize=8)
    return _save(figure, path)


def draw_precision_recall(curves: Sequence[Curve], path: Path) -> Path:
    """Precision over recall of each label, the seven commonest at most."""
    figure, axes = _figure(_curve_title("Precision and recall", curves))
    for curve, style in _styled(curves):
        name = f"{_plain(curve.label)}, AP {curve.average_precision:.3f}"
        axes.plot(curve.recall, curve.precision, drawstyle="steps-post", label=name, **style)
    if len(curves) == 1:
        axes.axhline(curves[0].share, color=GREY, linewidth=0.8, linestyle=":")
        axes.annotate(
            "guessing", (0.98, curves[0].share), color=GREY, fontsize=8, ha="right", va="bottom"
        )
    axes.set_xlabel("Recall")
    axes.set_ylabel("Precision")
    _unit_square(axes)
    axes.legend(loc="lower left", fontsize=8)
    return _save(figure, path)


def draw_confusion(evaluation: Evaluation, path: Path) -> Path:
    """Confusion matrix: the colour is the share of the true label's rows, the number their count.

    More labels than NUMBERED_LABELS have no numbers, more than NAMED_LABELS no names.
    """
    counts = np.asarray(evaluation.confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    count = len(evaluation.labels)
    figure, axes = _figure("Confusion matrix")
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    bar = figure.colorbar(image, ax=axes, shrink=0.85, format=_percent())
    bar.set_label("Share of the true label's rows", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    if count <= NAMED_LABELS:
        names = [_plain(label) for label in evaluation.labels]
        size = 8 if count <= NUMBERED_LABELS else 5
        turned: dict[str, Any] = {}
        if count > 2:
            turned = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
        axes.set_xticks(range(count), names, fontsize=size, **turned)
        axes.set_yticks(range(count), names, fontsize=size)
    if count <= NUMBERED_LABELS:
        for true, row in enumerate(counts):
            for given, rows in enumerate(row):
                axes.text(
                    given,
                    true,
                    f"{rows:,}",
                    ha="center",
                    va="center",
                    fontsize=10 if count <= 4 else 7,
                    color="white" if shares[true, given] > 0.5 else "black",
                )
    axes.set_xlabel("Label given")
    axes.set_ylabel("True label")
    return _save(figure, path)


def draw_reliability(evaluation: Evaluation, path: Path) -> Path:
    """Accuracy by confidence, and how many rows there are of each; a reliability diagram.

    Guo et al. 2017, arXiv:1706.04599, figure 1.
    """
    from matplotlib.figure import Figure

    bins = [part for part in evaluation.calibration if part.rows]
    rows = sum(part.rows for part in bins)
    figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    error = evaluation.measures["calibration_error"]
    _dress(axes, f"Reliability: calibration error {error:.3f}")
    _dress(below, "")
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":", label="perfect")
    centres = [part.confidence for part in bins]
    axes.plot(
        centres,
        [part.accuracy for part in bins],
        color=BLUE,
        marker="o",
        markersize=4,
        label="measured",
    )
    below.bar(
        [(part.lower + part.upper) / 2 for part in bins],
        [part.rows / rows for part in bins],
        width=1 / len(evaluation.calibration) * 0.9,
        color=BLUE,
    )
    # No winner of k labels has a probability below 1/k.
    left = 1 / len(evaluation.labels)
    axes.set_xlim(left - 0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_ylabel("Accuracy")
    axes.yaxis.set_major_formatter(_percent())
    below.set_ylabel("Rows")
    below.set_xlabel("Confidence (probability of the label given)")
    below.xaxis.set_major_formatter(_percent())
    below.yaxis.set_major_formatter(_percent())
    axes.legend(loc="upper left", fontsize=8)
    return _save(figure, path)


def draw_loss(history: Sequence[Mapping[str, Any]], path: Path) -> Path:
    """Training and validation loss by step.

    Args:
        history: `trainer.state.log_history`; entries of a rehearsal or of other losses are left
            out.

    Raises:
        ValueError: it holds no loss.
    """
    train = [(row["step"], row["loss"]) for row in history if "loss" in row]
    validation = {
        row["step"]: value
        for row in history
        for key in ("eval_loss", "validation_loss")
        if (value := row.get(key)) is not None
    }
    if not train and not validation:
        raise ValueError(
            f"A loss curve needs a log history with losses, but its {len(history)} entries have "
            "none. Give trainer.state.log_history after training."
        )
    figure, axes = _figure("Loss")
    if train:
        axes.plot(*zip(*train, strict=True), color=BLUE, label="training")
    if validation:
        points = sorted(validation.items())
        axes.plot(
            *zip(*points, strict=True),
            color=ORANGE,
            linestyle="--",
            marker="o",
            markersize=4,
            label="validation",
        )
        step, least = min(points, key=lambda point: point[1])
        axes.annotate(
            f"{least:.3f}",
            (step, least),
            xytext=(0, 6),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        )
    axes.set_xlabel("Step")
    axes.set_ylabel("Cross entropy (nats)")
    axes.set_ylim(bottom=0)
    axes.margins(x=0.04)
    axes.legend(fontsize=8)
    return _save(figure, path)


def draw_classes(counts: Mapping[str, Mapping[str, int]], path: Path) -> Path:
    """Share of each label in each split, as bars; the BARS commonest labels.

    Args:
        counts: rows by split and by label.
    """
    total: dict[str, int] = {}
    for by_label in counts.values():
        for label, count in by_label.items():
            total[label] = total.get(label, 0) + count
    shown = sorted(total, key=lambda label: -total[label])[:BARS]
    title = "Labels"
    if len(shown) < len(total):
        title = f"The {len(shown)} commonest of {len(total)} labels"
    figure, axes = _figure(title)
    height = 0.8 / max(len(counts), 1)
    for index, (split, rows) in enumerate(counts.items()):
        all_rows = max(sum(rows.values()), 1)
        places = np.arange(len(shown)) + (index - (len(counts) - 1) / 2) * height
        bars = axes.barh(
            places,
            [rows.get(label, 0) / all_rows for label in shown],
            height=height,
            color=COLOURS[index % len(COLOURS)],
            label=f"{split}, {all_rows:,} rows",
        )
        if len(shown) * len(counts) <= 20:
            axes.bar_label(
                bars, [f"{rows.get(label, 0):,}" for label in shown], padding=2, fontsize=7
            )
    axes.set_yticks(
        range(len(shown)),
        [_plain(label) for label in shown],
        fontsize=9 if len(shown) <= 10 else 6,
    )
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel("Share of the split's rows")
    axes.xaxis.set_major_formatter(_percent())
    axes.grid(visible=False, axis="y")
    figure.legend(fontsize=8, loc="outside lower center", ncols=2, frameon=False)
    return _save(figure, path)


def draw_lengths(lengths: Mapping[str, Sequence[int]], path: Path, *, unit: str) -> Path:
    """Histogram of the texts' lengths in each split, as outlines over the same bins.

    Args:
        lengths: by split, the length of each text.
        unit: what they are counted in: "words", "tokens".
    """
    figure, axes = _figure(f"Length of a text in {unit}")
    filled: dict[str, NDArray[np.int64]] = {
        split: np.asarray(values, dtype=np.int64) for split, values in lengths.items() if values
    }
    if filled:
        everything = np.concatenate(list(filled.values()))
        # A few very long texts would press all the others into one bar.
        end = max(int(np.quantile(everything, 0.995)) + 1, 2)
        # Whole numbers of equal width: others would hold now one length, now two.
        width = -(-end // 40)
        end = -(-end // width) * width
        edges = np.arange(0, end + 1, width)
        cut = int((everything > end).sum())
        for index, (split, values) in enumerate(filled.items()):
            axes.hist(
                values,
                bins=edges.tolist(),
                weights=np.full(len(values), 1 / len(values)),
                histtype="step",
                linewidth=1.4,
                color=COLOURS[index % len(COLOURS)],
                linestyle=DASHES[index % len(DASHES)],
                label=f"{split}, median {np.median(values):,.0f}, longest {values.max():,}",
            )
        figure.legend(fontsize=8, loc="outside lower center", frameon=False)
        axes.set_xlim(0, end)
        beyond = f"; {cut:,} longer not shown" if cut else ""
        axes.set_xlabel(f"{unit.capitalize()} a text{beyond}")
    axes.set_ylabel("Share of the split's rows")
    axes.yaxis.set_major_formatter(_percent())
    return _save(figure, path)


def _figure(title: str) -> "tuple[Figure, Axes]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
    axes = figure.subplots()
    _dress(axes, title)
    return figure, axes


def _dress(axes: "Axes", title: str) -> None:
    axes.set_title(title, fontsize=10, loc="left")
    axes.tick_params(labelsize=8)
    axes.xaxis.label.set_fontsize(9)
    axes.yaxis.label.set_fontsize(9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    if title != "Confusion matrix":
        axes.grid(color="#DDDDDD", linewidth=0.5)


def _save(figure: "Figure", path: Path) -> Path:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    # Which needs no display. savefig would draw all of it twice, once for its layout alone.
    FigureCanvasAgg(figure).print_png(path)  # type: ignore[no-untyped-call]
    return path


def _percent() -> Any:
    from matplotlib.ticker import PercentFormatter

    return PercentFormatter(1, decimals=0)


def _unit_square(axes: "Axes") -> None:
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)


def _styled(curves: Sequence[Curve]) -> list[tuple[Curve, dict[str, Any]]]:
    shown = sorted(curves, key=lambda curve: -curve.share)[: len(COLOURS)]
    return [
        (curve, {"color": colour, "linestyle": dash, "linewidth": 1.4})
        for curve, colour, dash in zip(shown, COLOURS, DASHES, strict=False)
    ]


def _curve_title(title: str, curves: Sequence[Curve]) -> str:
    if len(curves) <= len(COLOURS):
        return title if len(curves) == 1 else f"{title}, each label against the rest"
    return f"{title}, {len(COLOURS)} commonest of {len(curves)} labels"


def _plain(label: str) -> str:
    """A label as matplotlib writes it letter by letter: to it, dollars enclose formulas."""
    short = label if len(label) <= LABEL_LENGTH else label[: LABEL_LENGTH - 1] + "…"
    return short.replace("$", r"\$")
