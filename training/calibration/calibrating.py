"""A model's directory, calibrated on rows that it was not trained on."""

import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from classifier.artefact import Artefact, open_artefact
from classifier.engines import AUTO, open_engine
from classifier.exceptions import ModelNotReady
from classifier.messages import message
from classifier.model_files import RATING, STAR_HEAD, revisions_of
from classifier.rating_file import STARS, rating_content, read_rating_file
from classifier.windows import RULE, WindowLogits
from training.calibration.errors import CalibrationError
from training.calibration.fitting import (
    Calibration,
    Observed,
    Wanted,
    cross_measured,
    fit,
    kind_of_rating,
    measured,
    require_rows,
)
from training.calibration.folding import LAST_LAYERS, fold, fold_star_head, has_last_layer
from training.calibration.window_rule import RuleChoice, choose_rule, combined
from training.evaluation.evaluating import in_chunks, label_ids_of, positive_of, texts_of
from training.evaluation.metrics import Evaluation
from training.evaluation.rating_measures import Cells, cells_of
from training.runs.export import write_json

logger = logging.getLogger(__name__)

WEIGHTS = "model.safetensors"
ADAPTER = "adapter_model.safetensors"


@dataclass(frozen=True)
class CalibrationRows:
    """The rows that a model is calibrated on, all of them read whole."""

    frame: pd.DataFrame
    """`text` and `label`, an id into `labels`; star_low and star_high where they have stars."""
    labels: Sequence[str]
    dataset: str
    """What the data are called, no path of this machine."""
    split: str = "validation"


def calibrate(
    directory: Path,
    rows: CalibrationRows,
    *,
    rating: Wanted = "auto",
    interval: float = 0.8,
    adapter: Path | None = None,
    engine: str = AUTO,
    each_chunk: Callable[[], None] | None = None,
) -> dict[str, Any]:
    """Fold temperatures into a model's weights and write its rating.json.

    A graph in the directory is then stale. What the directory has is changed file by file: give a
    draft that nobody serves. Of a model whose labels are not the two sentiments only the
    temperature is fitted.

    Args:
        rating: "none" leaves the ratings to the model's confidence.
        interval: the share of the stars that intervals shall cover, 0..1.
        adapter: a directory with the adapter that the model was merged from; it is changed alike.
        engine: see classifier.engines.
        each_chunk: called after every few hundred texts; what it raises ends the calibration.

    Returns:
        For metrics.json: what was fitted, on which rows, and the measures before and after.

    Raises:
        CalibrationError: too few rows, or a model whose last layer is not known; nothing changes.
        ModelNotReady: the model cannot be loaded, or gives NaN.
        DataError: no rows, or a label that the model does not know.
    """
    artefact = open_artefact(directory.resolve(), models_dir=directory.parent)
    label_ids = label_ids_of(artefact, rows.frame, rows.labels)
    require_rows(label_ids)
    layers = [directory / WEIGHTS, *([adapter / ADAPTER] if adapter else [])]
    for file in layers:
        _require_last_layer(file)
    windows = read_windows(artefact, rows.frame, engine=engine, each_chunk=each_chunk)
    positive = positive_of(artefact.labels)
    choice = choose_rule(windows, label_ids) if positive is not None else RuleChoice(RULE, 0, {})

    def observed(rule: str) -> Observed:
        return Observed(*combined(windows, rule), label_ids, cells_of(rows.frame), positive)

    known, before = observed(choice.rule), read_rating_file(directory)
    kind = kind_of_rating(known, rating)
    fitted = fit(known, kind, interval=interval)
    facts: dict[str, Any] = {
        "dataset": rows.dataset,
        "split": rows.split,
        "rows": len(label_ids),
        "rows_with_stars": int(known.cells.known.sum()),
        "temperature": fitted.temperature,
        **({"star_temperature": fitted.star_temperature} if kind == STARS else {}),
        "map": kind if positive is not None else "",
        "window_rule": choice.rule,
        "window_rule_before": before.window_rule,
        "long_rows": choice.long_rows,
        "validation": {
            "before": measured(
                Calibration(rating_map=before.rating_map), observed(before.window_rule)
            ),
            "after": cross_measured(known, kind, interval=interval),
        },
    }
    for file in layers:
        fold(file, fitted.temperature)
    if kind == STARS:
        fold_star_head(directory / STAR_HEAD, fitted.star_temperature)
    if positive is not None:
        content = rating_content(fitted.rating_map, {"fitted": facts}, window_rule=choice.rule)
        write_json(directory / RATING, content)
    if adapter:
        _copy_beside(directory, adapter)
    return facts | {"rules": {rule: asdict(each) for rule, each in choice.measures.items()}}


def calibrate_if_possible(directory: Path, rows: CalibrationRows, **options: Any) -> dict[str, Any]:
    """As calibrate; a model that cannot be is left as it is, and the facts say why.

    Raises:
        ModelNotReady, DataError: as calibrate.
    """
    try:
        return calibrate(directory, rows, **options)
    except CalibrationError as error:
        logger.warning("%s is not calibrated. %s", directory.name, error)
        return {"reason": str(error)}


def measures_of_test(evaluation: Evaluation, temperature: float) -> dict[str, dict[str, float]]:
    """Measures of test rows before and after a calibration, out of an evaluation after it.

    Before it the same logits were not divided, and ratings were the model's confidence.
    """
    ratings, labels = evaluation.ratings, evaluation.labels
    none = np.zeros(len(evaluation.label_ids), dtype=np.int64)
    after = Observed(
        np.log(np.maximum(evaluation.probabilities, np.finfo(np.float64).tiny)),
        None,
        evaluation.label_ids,
        ratings.cells if ratings else Cells(none, none),
        positive_of(labels),
    )
    before = replace(after, logits=after.logits * temperature)
    rated = ratings.measures() if ratings else {}
    return {
        "before": measured(Calibration(), before),
        "after": measured(Calibration(), after) | rated,
    }


def read_windows(
    artefact: Artefact,
    frame: pd.DataFrame,
    *,
    engine: str = AUTO,
    each_chunk: Callable[[], None] | None = None,
) -> list[WindowLogits]:
    """What a model says of each window of each row.

    Raises:
        ModelNotReady: it cannot be loaded, or gives NaN or infinity.
    """
    texts, pairs = texts_of(frame)
    revision = revisions_of(artefact.directory).weights
    opened = open_engine(artefact.directory, revision, kind=engine)
    found: dict[int, WindowLogits] = {}
    for chunk in in_chunks(texts, each_chunk):
        second = [pairs[i] for i in chunk] if pairs is not None else None
        found |= zip(chunk.tolist(), opened.read([texts[i] for i in chunk], second), strict=True)
    windows = [found[place] for place in range(len(texts))]
    for one in windows:
        for logits in (one.logits, one.stars):
            if logits is not None and not np.isfinite(logits).all():
                raise ModelNotReady(
                    code="model_broken",
                    rule=message("A model's outputs must be finite numbers."),
                    value=message("{name} gave NaN or infinity", name=artefact.name),
                    remedy=message("Train it again at a lower --learning-rate."),
                )
    return windows


def _copy_beside(directory: Path, adapter: Path) -> None:
    for name in (STAR_HEAD, RATING):
        if (directory / name).is_file():
            shutil.copy(directory / name, adapter / name)


def _require_last_layer(file: Path) -> None:
    if not has_last_layer(file):
        raise CalibrationError(
            message(
                "A temperature is folded into a last linear layer, {names}, but {name} has "
                "none. Train with --no-calibrate.",
                names=", ".join(LAST_LAYERS),
                name=file.name,
            )
        )
