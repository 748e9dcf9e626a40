"""How good a model is on labelled texts: every row is rated as the site would rate it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import softmax
from tqdm import tqdm

from classifier.artefact import open_artefact
from classifier.engines import open_engine
from classifier.predictor import Predictor
from classifier.windows import RULE
from training.data import DataError
from training.metrics import classification_metrics

CHUNK = 256  # texts sorted by length and read at once


def evaluate_model(
    model_dir: Path, frame: pd.DataFrame, labels: Sequence[str], *, rule: str = RULE
) -> dict[str, float]:
    """Measures of the model in `model_dir` on labelled rows, none left out.

    Args:
        frame: rows of `text` and `label`, an id into `labels`.
        labels: names of the data's labels; each must be one of the model's.
        rule: how the windows of long texts are combined, see classifier.windows.

    Raises:
        ModelNotReady: the model cannot be loaded.
        DataError: the data have a label that the model does not know.
    """
    artefact = open_artefact(model_dir.resolve(), models_dir=model_dir.parent)
    if unknown := sorted(set(labels) - set(artefact.labels)):
        raise DataError(
            f"The data's labels must be among the model's ({', '.join(artefact.labels)}), but "
            f"{', '.join(unknown)} is not. Evaluate on other data, or fine-tune on these."
        )
    predictor = Predictor(artefact, open_engine(artefact.directory))
    logits = predicted_logits(predictor, frame["text"].tolist(), rule=rule)
    columns = [artefact.labels.index(label) for label in labels]
    model_ids = np.asarray([columns[label] for label in frame["label"]])
    return classification_metrics(softmax(logits, axis=1), model_ids, artefact.labels)


def predicted_logits(
    predictor: Predictor, texts: Sequence[str], *, rule: str = RULE
) -> NDArray[np.float64]:
    """Logits of shape (texts, labels), with a progress bar."""
    order = np.argsort([len(text) for text in texts], kind="stable")
    logits = np.empty((len(texts), len(predictor.artefact.labels)))
    with tqdm(total=len(texts), desc="Evaluating", unit=" texts") as bar:
        for start in range(0, len(order), CHUNK):
            chunk = order[start : start + CHUNK]
            logits[chunk], _ = predictor.logits([texts[i] for i in chunk], rule=rule)
            bar.update(len(chunk))
    return logits
