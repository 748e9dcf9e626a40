"""What members said so far, kept piece by piece, so that a killed run goes on where it was."""

import json
import logging
import os
import shutil
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from training.data.reading import DataError
from training.ensemble.beliefs import Beliefs, concatenated
from training.runs.export import write_json

logger = logging.getLogger(__name__)

PLAN = "plan.json"
PARTS = "parts"
TEXTS = 512  # of one piece


class Parts:
    """The pieces of one run, under its folder.

    Args:
        place: the folder.
        plan: what the pieces are of; those of another plan are never read.

    Raises:
        DataError: the folder holds the pieces of another plan.
    """

    def __init__(self, place: Path, plan: Mapping[str, Any]) -> None:
        self._directory, file = place / PARTS, place / PLAN
        plan = json.loads(json.dumps(plan))
        if file.is_file():
            before = json.loads(file.read_text(encoding="utf-8"))
            if other := [key for key in plan if before.get(key) != plan[key]]:
                raise DataError(
                    f"What is resumed goes on with the same texts and models, but {place.name} "
                    f"was begun with others ({', '.join(other)}). Give another --name, or remove "
                    f"{place}."
                )
        else:
            shutil.rmtree(self._directory, ignore_errors=True)
            place.mkdir(parents=True, exist_ok=True)
            write_json(file, plan)
        self._directory.mkdir(exist_ok=True)

    def read(
        self,
        key: str,
        names: Sequence[str],
        texts: Sequence[str],
        say: Callable[[Sequence[str]], Beliefs],
        each_piece: Callable[[int], None],
    ) -> Beliefs:
        """What `say` says of the texts; it is asked for the pieces alone that are not there yet.

        Args:
            key: of member and texts, a file's name.
            names: the labels, in the order that is wanted.
            each_piece: called with the number of texts of each piece that is done.
        """
        # Neighbours of one length cost a batch least padding.
        order = np.argsort([len(text) for text in texts], kind="stable")
        pieces = []
        for start in range(0, len(order), TEXTS):
            rows = order[start : start + TEXTS]
            file = self._directory / f"{key}-{start:08}.npz"
            piece = _read(file, names, len(rows))
            if piece is None:
                piece = say([texts[row] for row in rows]).in_order(names)
                _write(file, piece)
            pieces.append(piece)
            each_piece(len(rows))
        return concatenated(pieces).rows(np.argsort(order))

    def remove(self) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)


def _read(file: Path, names: Sequence[str], rows: int) -> Beliefs | None:
    """What lies there; None where nothing does, or half of it after a power cut."""
    try:
        with file.open("rb") as opened, np.load(opened) as arrays:
            piece = Beliefs(tuple(names), arrays["labels"], arrays.get("shares"))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        if file.exists():
            logger.warning("%s is damaged and made anew: %s", file.name, error)
        return None
    return piece if piece.labels.shape == (rows, len(names)) else None


def _write(file: Path, piece: Beliefs) -> None:
    draft = file.with_name(f".{file.name}")
    arrays: dict[str, Any] = {"labels": piece.labels}
    if piece.shares is not None:
        arrays["shares"] = piece.shares
    with draft.open("wb") as opened:
        np.savez(opened, **arrays)
    os.replace(draft, file)
