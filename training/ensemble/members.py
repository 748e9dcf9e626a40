"""Who says something of texts: a model of the site, or the linear one, fitted here."""

import hashlib
import logging
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import softmax

from classifier.artefact import Artefact, open_artefact
from classifier.engines import CPU
from classifier.predictor import Predictor, open_predictor
from training.data.reading import DataError
from training.data.splits import row_keys
from training.ensemble.beliefs import SENTIMENTS, Beliefs, concatenated
from training.ensemble.linear import LinearModel, cross_fitted

logger = logging.getLogger(__name__)

LINEAR, ENSEMBLE = "linear", "ensemble"
RESERVED = (LINEAR, ENSEMBLE)  # names that no model may have beside them
CHUNK = 64  # texts that a model reads at once


class Member(Protocol):
    name: str
    labels: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """What tells it from others, without loading it."""
        ...

    def read(self, texts: Sequence[str]) -> Beliefs:
        """What it says of texts, one at least; loads or fits it on the first call."""
        ...


class ModelMember:
    """A model of the site, read as the site reads: the graph where it has one."""

    def __init__(self, artefact: Artefact, *, engine: str, device: str) -> None:
        self.name, self.labels = artefact.name, artefact.labels
        self._artefact, self._engine, self._device = artefact, engine, device

    def facts(self) -> dict[str, Any]:
        return {"name": self.name, "revision": self._artefact.revision(), "engine": self._engine}

    @cached_property
    def _predictor(self) -> Predictor:
        return open_predictor(self._artefact, engine=self._engine, device=self._device)

    def read(self, texts: Sequence[str]) -> Beliefs:
        parts = []
        for start in range(0, len(texts), CHUNK):
            said = self._predictor.outputs(texts[start : start + CHUNK])
            stars = said.star_logits
            parts.append(
                Beliefs(
                    self.labels,
                    softmax(said.logits, axis=1),
                    None if stars is None else star_shares(stars),
                )
            )
        return concatenated(parts)


class LinearMember:
    """The linear model, fitted when it is first asked.

    Args:
        frame: training rows, as for LinearModel.fit.
        out_of_fold: whether it is asked of these rows themselves: it then says of each what
            models say that saw none of its group.
        group_column: of the folds, see cross_fitted.
    """

    name = LINEAR

    def __init__(
        self,
        frame: pd.DataFrame,
        labels: Sequence[str],
        *,
        out_of_fold: bool = False,
        group_column: str = "",
    ) -> None:
        self.labels = tuple(labels)
        self._frame, self._out_of_fold, self._group_column = frame, out_of_fold, group_column

    def facts(self) -> dict[str, Any]:
        digest = hashlib.sha256()
        stars = [name for name in ("star_low", "star_high") if name in self._frame]
        for row in zip(*(self._frame[name] for name in ("text", "label", *stars)), strict=True):
            digest.update(repr(row).encode())
        return {
            "name": self.name,
            "revision": digest.hexdigest()[:12],
            "rows": len(self._frame),
            "out_of_fold": self._out_of_fold,
        }

    @cached_property
    def _model(self) -> LinearModel:
        logger.info("Fitting the linear model on %d rows", len(self._frame))
        return LinearModel.fit(self._frame, self.labels)

    @cached_property
    def _folded(self) -> tuple[dict[str, int], Beliefs]:
        """Which row has a text, and what is said of the rows out of fold."""
        logger.info("Fitting linear models on folds of %d rows", len(self._frame))
        said = cross_fitted(self._frame, self.labels, group_column=self._group_column)
        return {key: row for row, key in enumerate(row_keys(self._frame))}, said

    def read(self, texts: Sequence[str]) -> Beliefs:
        if not self._out_of_fold:
            return self._model.beliefs(texts)
        owners, said = self._folded
        keys = row_keys(pd.DataFrame({"text": list(texts)}))
        rows = np.asarray([owners.get(key, -1) for key in keys])
        seen, new = np.flatnonzero(rows >= 0), np.flatnonzero(rows < 0)
        parts = [said.rows(rows[seen])] if len(seen) else []
        if len(new):
            parts.append(self._model.beliefs([texts[int(row)] for row in new]))
        return concatenated(parts).rows(np.argsort(np.concatenate([seen, new])))


def open_members(
    models: Sequence[str],
    labels: Sequence[str],
    *,
    models_dir: Path,
    engine: str,
    device: str = CPU,
) -> list[ModelMember]:
    """The models named, whose labels must be those of the data.

    Args:
        models: names as of open_artefact.
        engine, device: see classifier.engines.

    Raises:
        ModelNotReady: there is no such model.
        DataError: a model has other labels, or a name that is taken.
    """
    members = [
        ModelMember(open_artefact(model, models_dir=models_dir), engine=engine, device=device)
        for model in models
    ]
    for member in members:
        if sorted(member.labels) != sorted(labels):
            raise DataError(
                f"All models of an ensemble have the labels of the data ({', '.join(labels)}), "
                f"but {member.name} has {', '.join(member.labels)}. Leave it out of --models."
            )
    names = [member.name for member in members]
    if taken := {name for name in names if names.count(name) > 1 or name in RESERVED}:
        raise DataError(
            f"Members of an ensemble have names of their own, none of them {' or '.join(RESERVED)},"
            f" but {', '.join(sorted(taken))} is taken. Mend --models, or rename a model."
        )
    return members


def star_shares(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """A star head's ten logits as shares within each sentiment; both of shape (texts, 10)."""
    shares = np.empty_like(logits)
    for ratings in SENTIMENTS.values():
        shares[:, ratings] = softmax(logits[:, ratings], axis=1)
    return shares
