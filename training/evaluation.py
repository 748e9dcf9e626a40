"""How good a model is on labelled texts: every row is rated as the site would rate it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import softmax
from tqdm import tqdm

from classifier.artefact import Artefact, open_artefact
from classifier.engines import AUTO
from classifier.predictor import Predictor, open_predictor
from training.metrics import (
    Evaluation,
    WorstError,
    calibration_bins,
    class_measures,
    classification_metrics,
    confusion_counts,
    label_curves,
    length_slices,
)
from training.reading import DataError

CHUNK = 256  # texts sorted by length and read at once
WORST_ERRORS = 20
EXCERPT = 300  # characters


def evaluate_model(
    model_dir: Path, frame: pd.DataFrame, labels: Sequence[str], *, rule: str | None = None
) -> dict[str, float]:
    """Flat measures, as classification_metrics gives them; arguments as evaluate_in_detail."""
    artefact, probabilities, label_ids = _measured(model_dir, frame, labels, rule, AUTO)
    return classification_metrics(probabilities, label_ids, artefact.labels)


def evaluate_in_detail(
    model_dir: Path,
    frame: pd.DataFrame,
    labels: Sequence[str],
    each_chunk: Callable[[], None] | None = None,
    *,
    rule: str | None = None,
    engine: str = AUTO,
) -> Evaluation:
    """All that is measured of the model in `model_dir` on labelled rows, none left out.

    Args:
        frame: rows of `text` and `label`, an id into `labels`.
        labels: names of the data's labels; each must be one of the model's.
        each_chunk: called after every few hundred texts; what it raises ends the evaluation.
        rule: how the windows of long texts are combined, see classifier.windows; None for the
            model's own.
        engine: see classifier.engines.

    Raises:
        ModelNotReady: the model cannot be loaded, or gives NaN.
        DataError: no rows, or a label that the model does not know.
    """
    artefact, probabilities, label_ids = _measured(
        model_dir, frame, labels, rule, engine, each_chunk
    )
    tokens = token_counts(artefact.directory, *_texts(frame))
    return Evaluation(
        labels=artefact.labels,
        measures=classification_metrics(probabilities, label_ids, artefact.labels),
        classes=class_measures(probabilities, label_ids, artefact.labels),
        confusion=confusion_counts(probabilities, label_ids),
        calibration=calibration_bins(probabilities, label_ids),
        curves=label_curves(probabilities, label_ids, artefact.labels),
        slices=length_slices(probabilities, label_ids, tokens),
        errors=_worst_errors(frame, probabilities, label_ids, artefact.labels),
        probabilities=probabilities,
        label_ids=label_ids,
    )


def predicted_logits(
    predictor: Predictor,
    texts: Sequence[str],
    pairs: Sequence[str] | None = None,
    *,
    rule: str | None = None,
    each_chunk: Callable[[], None] | None = None,
) -> NDArray[np.float64]:
    """Logits of shape (texts, labels), with a progress bar.

    Args:
        pairs: the second text of each, or None.

    Raises:
        ModelNotReady: the model gives NaN.
    """
    order = np.argsort([len(text) for text in texts], kind="stable")
    logits = np.empty((len(texts), len(predictor.artefact.labels)))
    with tqdm(total=len(texts), desc="Evaluating", unit=" texts") as bar:
        for start in range(0, len(order), CHUNK):
            chunk = order[start : start + CHUNK]
            second = [pairs[i] for i in chunk] if pairs is not None else None
            read = predictor.outputs([texts[i] for i in chunk], second, rule=rule)
            logits[chunk] = read.logits
            bar.update(len(chunk))
            if each_chunk:
                each_chunk()
    return logits


def token_counts(
    tokenizer: str | Path, texts: Sequence[str], pairs: Sequence[str] | None = None
) -> NDArray[np.int64]:
    """Each row's length in tokens, the special ones included, however long it is.

    Args:
        tokenizer: a model's directory, or its Hub id.
        pairs: the second text of each row, or None.
    """
    from transformers import AutoTokenizer

    # Of any: transformers gives no types for what from_pretrained returns.
    reader: Any = AutoTokenizer.from_pretrained(tokenizer)
    counts: list[int] = []
    for start in range(0, len(texts), CHUNK):
        chunk = slice(start, start + CHUNK)
        second = list(pairs[chunk]) if pairs is not None else None
        encoded = reader(list(texts[chunk]), second, truncation=False, verbose=False)
        counts += [len(ids) for ids in encoded["input_ids"]]
    return np.asarray(counts, dtype=np.int64)


def excerpt(text: str, length: int = EXCERPT) -> str:
    """`text` in one line of at most `length` characters, control characters left out."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def _measured(
    model_dir: Path,
    frame: pd.DataFrame,
    labels: Sequence[str],
    rule: str | None,
    engine: str,
    each_chunk: Callable[[], None] | None = None,
) -> tuple[Artefact, NDArray[np.float64], NDArray[np.int64]]:
    """The model, its probabilities (rows, labels) and the true labels as ids of the model's."""
    artefact = open_artefact(model_dir.resolve(), models_dir=model_dir.parent)
    if unknown := sorted(set(labels) - set(artefact.labels)):
        raise DataError(
            f"The data's labels must be among the model's ({', '.join(artefact.labels)}), but "
            f"{', '.join(unknown)} is not. Evaluate on other data, or fine-tune on these."
        )
    if frame.empty:
        raise DataError("Measures need at least one labelled row, but there is none. Give more.")
    predictor = open_predictor(artefact, engine=engine)
    logits = predicted_logits(predictor, *_texts(frame), rule=rule, each_chunk=each_chunk)
    columns = np.asarray([artefact.labels.index(label) for label in labels], dtype=np.int64)
    return artefact, softmax(logits, axis=1), columns[frame["label"].to_numpy()]


def _texts(frame: pd.DataFrame) -> tuple[list[str], list[str] | None]:
    """The rows' texts, and their second texts where they are pairs."""
    pairs = frame["text_pair"].tolist() if "text_pair" in frame else None
    return frame["text"].tolist(), pairs


def _worst_errors(
    frame: pd.DataFrame,
    probabilities: NDArray[np.float64],
    label_ids: NDArray[np.int64],
    labels: Sequence[str],
) -> tuple[WorstError, ...]:
    predicted = probabilities.argmax(axis=1)
    truth = probabilities[np.arange(len(label_ids)), label_ids]
    # A probability may round to 0, and its loss would be infinite: no number in JSON.
    losses = -np.log(np.maximum(truth, np.finfo(np.float64).tiny))
    wrong = np.flatnonzero(predicted != label_ids)
    worst = wrong[np.argsort(-losses[wrong], kind="stable")][:WORST_ERRORS]
    texts, pairs = _texts(frame)
    return tuple(
        WorstError(
            row=int(row),
            loss=float(losses[row]),
            true=labels[label_ids[row]],
            given=labels[predicted[row]],
            score=float(probabilities[row].max()),
            text=excerpt(texts[row] if pairs is None else f"{texts[row]} | {pairs[row]}"),
        )
        for row in worst
    )
