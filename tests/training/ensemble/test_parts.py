from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from training.data.reading import DataError
from training.ensemble.beliefs import Beliefs
from training.ensemble.parts import TEXTS, Parts

NAMES = ("NEGATIVE", "POSITIVE")
COUNT = 2 * TEXTS + 10


class Counting:
    """Says of a text what its number is, and counts what it was asked."""

    def __init__(self, *, fails_after: int = COUNT) -> None:
        self.asked = 0
        self._fails_after = fails_after

    def __call__(self, texts: Sequence[str]) -> Beliefs:
        self.asked += len(texts)
        if self.asked > self._fails_after:
            raise KeyboardInterrupt
        p = np.array([int(text.split()[0]) / COUNT for text in texts])
        return Beliefs(NAMES, np.stack([1 - p, p], axis=1), np.full((len(p), 10), 0.2))


def texts() -> list[str]:
    """Of rising and falling lengths."""
    return [f"{number} " + "x" * (number * 7 % 13) for number in range(COUNT)]


def read(place: Path, say: Counting, *, plan: str = "one") -> Beliefs:
    return Parts(place, {"plan": plan}).read("a", NAMES, texts(), say, lambda done: None)


def test_each_text_keeps_its_own(tmp_path: Path) -> None:
    said = read(tmp_path, Counting())
    assert said.labels[:, 1] == pytest.approx(np.arange(COUNT) / COUNT)
    assert said.shares is not None


def test_what_was_interrupted_goes_on_with_the_first_piece_that_is_not_there(
    tmp_path: Path,
) -> None:
    first, second = Counting(fails_after=TEXTS + 1), Counting()
    with pytest.raises(KeyboardInterrupt):
        read(tmp_path, first)
    said = read(tmp_path, second)
    assert second.asked == COUNT - TEXTS
    assert said.labels[:, 1] == pytest.approx(np.arange(COUNT) / COUNT)


@pytest.mark.parametrize("damage", [b"", b"no arrays", b"PK\x03\x04 half"])
def test_a_damaged_piece_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    read(tmp_path, Counting())
    piece = sorted((tmp_path / "parts").glob("*.npz"))[1]
    piece.write_bytes(damage)
    again = Counting()
    assert read(tmp_path, again).labels[:, 1] == pytest.approx(np.arange(COUNT) / COUNT)
    assert again.asked == TEXTS


def test_pieces_of_another_plan_are_never_taken(tmp_path: Path) -> None:
    read(tmp_path, Counting())
    with pytest.raises(DataError, match=r"begun with others .plan."):
        read(tmp_path, Counting(), plan="two")


def test_pieces_without_a_plan_are_of_nothing(tmp_path: Path) -> None:
    read(tmp_path, Counting())
    (tmp_path / "plan.json").unlink()
    again = Counting()
    read(tmp_path, again)
    assert again.asked == COUNT
