"""How good a model is on labelled texts: every row is rated as the site would rate it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import softmax
from tqdm import tqdm

from classifier.artefact import Artefact, open_artefact
from classifier.classification import Outputs
from classifier.engines import AUTO
from classifier.labels import NEGATIVE, POSITIVE
from classifier.messages import message
from classifier.predictor import Predictor, open_predictor
from training.data.reading import DataError
from training.evaluation.metrics import (
    Evaluation,
    WorstError,
    calibration_bins,
    class_measures,
    classification_metrics,
    confusion_counts,
    label_curves,
    length_slices,
)
from training.evaluation.rated import rate_rows
from training.evaluation.rating_measures import RatedRows, cells_of

CHUNK = 256  # texts sorted by length and read at once
WORST_ERRORS = 20
EXCERPT = 300  # characters


def evaluate_model(
    model_dir: Path, frame: pd.DataFrame, labels: Sequence[str], *, rule: str | None = None
) -> dict[str, float]:
    """Flat measures, as Evaluation.measures has them; arguments as evaluate_in_detail."""
    return _answered(model_dir, frame, labels, rule, AUTO).measures()


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
        frame: rows of `text` and `label`, an id into `labels`; star_low and star_high where they
            have stars.
        labels: names of the data's labels; each must be one of the model's.
        each_chunk: called after every few hundred texts; what it raises ends the evaluation.
        rule: how the windows of long texts are combined, see classifier.windows; None for the
            model's own.
        engine: see classifier.engines.

    Raises:
        ModelNotReady: the model cannot be loaded, or gives NaN.
        DataError: no rows, or a label that the model does not know.
    """
    answered = _answered(model_dir, frame, labels, rule, engine, each_chunk)
    artefact, probabilities = answered.artefact, answered.probabilities
    label_ids, ratings = answered.label_ids, answered.ratings
    tokens = token_counts(artefact.directory, *texts_of(frame))
    return Evaluation(
        labels=artefact.labels,
        measures=answered.measures(),
        classes=class_measures(probabilities, label_ids, artefact.labels),
        confusion=confusion_counts(probabilities, label_ids),
        calibration=calibration_bins(probabilities, label_ids),
        curves=label_curves(probabilities, label_ids, artefact.labels),
        slices=length_slices(probabilities, label_ids, tokens, ratings),
        errors=_worst_errors(frame, probabilities, label_ids, artefact.labels),
        probabilities=probabilities,
        label_ids=label_ids,
        ratings=ratings,
    )


def predicted_outputs(
    predictor: Predictor,
    texts: Sequence[str],
    pairs: Sequence[str] | None = None,
    *,
    rule: str | None = None,
    each_chunk: Callable[[], None] | None = None,
) -> Outputs:
    """What the model says of each text, with a progress bar.

    Args:
        pairs: the second text of each, or None.
        rule: how the windows of long texts are combined; None for the model's own.
        each_chunk: called after every few hundred texts; what it raises ends the reading.

    Raises:
        ModelNotReady: the model gives NaN.
    """
    said: list[Any] = [None] * len(texts)
    for chunk in in_chunks(texts, each_chunk):
        second = [pairs[i] for i in chunk] if pairs is not None else None
        read = predictor.outputs([texts[i] for i in chunk], second, rule=rule)
        stars = [None] * len(chunk) if read.star_logits is None else read.star_logits
        for place, *one in zip(chunk, read.logits, stars, read.windows, strict=True):
            said[place] = one
    logits, star_logits, windows = zip(*said, strict=True)
    return Outputs(
        np.stack(logits),
        None if star_logits[0] is None else np.stack(star_logits),
        list(windows),
    )


def in_chunks(
    texts: Sequence[str], each_chunk: Callable[[], None] | None = None
) -> Iterator[NDArray[np.int64]]:
    """The places of texts that are read together, those of about one length, with a progress bar.

    Args:
        each_chunk: called after each; what it raises ends the reading.
    """
    order = np.argsort([len(text) for text in texts], kind="stable")
    with tqdm(total=len(texts), desc="Evaluating", unit=" texts") as bar:
        for start in range(0, len(order), CHUNK):
            chunk = order[start : start + CHUNK]
            yield chunk
            bar.update(len(chunk))
            if each_chunk:
                each_chunk()


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


def label_ids_of(
    artefact: Artefact, frame: pd.DataFrame, labels: Sequence[str]
) -> NDArray[np.int64]:
    """The true labels of rows as ids of the model's labels, shape (rows,).

    Raises:
        DataError: no rows, or a label that the model does not know.
    """
    if unknown := sorted(set(labels) - set(artefact.labels)):
        raise DataError(
            message(
                "The data's labels must be among the model's ({names}), but {names2} is not. "
                "Evaluate on other data, or fine-tune on these.",
                names=", ".join(artefact.labels),
                names2=", ".join(unknown),
            )
        )
    if frame.empty:
        raise DataError(
            message("Measures need at least one labelled row, but there is none. Give more.")
        )
    columns = np.asarray([artefact.labels.index(label) for label in labels], dtype=np.int64)
    ids: NDArray[np.int64] = columns[frame["label"].to_numpy()]
    return ids


def positive_of(labels: Sequence[str]) -> int | None:
    """Which of the labels is POSITIVE; None where they are not the two sentiments."""
    return labels.index(POSITIVE) if sorted(labels) == [NEGATIVE, POSITIVE] else None


def texts_of(frame: pd.DataFrame) -> tuple[list[str], list[str] | None]:
    """The rows' texts, and their second texts where they are pairs."""
    pairs = frame["text_pair"].tolist() if "text_pair" in frame else None
    return frame["text"].tolist(), pairs


@dataclass(frozen=True)
class _Answered:
    """Rows with what a model says of them."""

    artefact: Artefact
    probabilities: NDArray[np.float64]
    """Shape (rows, labels)."""
    label_ids: NDArray[np.int64]
    """Shape (rows,), ids of the model's labels."""
    ratings: RatedRows | None
    """Where some rows have stars."""

    def measures(self) -> dict[str, float]:
        labels = classification_metrics(self.probabilities, self.label_ids, self.artefact.labels)
        return labels | (self.ratings.measures() if self.ratings else {})


def _answered(
    model_dir: Path,
    frame: pd.DataFrame,
    labels: Sequence[str],
    rule: str | None,
    engine: str,
    each_chunk: Callable[[], None] | None = None,
) -> _Answered:
    artefact = open_artefact(model_dir.resolve(), models_dir=model_dir.parent)
    label_ids = label_ids_of(artefact, frame, labels)
    predictor = open_predictor(artefact, engine=engine)
    said = predicted_outputs(predictor, *texts_of(frame), rule=rule, each_chunk=each_chunk)
    probabilities = softmax(said.logits, axis=1)
    cells, positive = cells_of(frame), positive_of(artefact.labels)
    ratings = None
    if positive is not None and cells.known.any():
        rating_map = predictor.rating.rating_map
        rated = rate_rows(rating_map, probabilities[:, positive], said.star_logits)
        ratings = RatedRows(rated, cells)
    return _Answered(artefact, probabilities, label_ids, ratings)


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
    texts, pairs = texts_of(frame)
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
