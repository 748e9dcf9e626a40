"""Texts longer than the model reads: overlapping windows, and one answer out of many.

Standard library and numpy only.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

OVERLAP = 128  # tokens that two neighbouring windows share


@dataclass(frozen=True)
class WindowLogits:
    """What the model said of each window of one text."""

    logits: NDArray[np.float64]
    """Shape (windows, labels)."""
    tokens: NDArray[np.int64]
    """Shape (windows,): tokens in each window."""
    stars: NDArray[np.float64] | None = None
    """Shape (windows, 10), of a model with a star head."""


class TextLogits(NamedTuple):
    """What the model said of one text, however many windows it has."""

    logits: NDArray[np.float64]
    """Shape (labels,)."""
    stars: NDArray[np.float64] | None = None
    """Shape (10,), of a model with a star head."""


def _mean(windows: WindowLogits) -> NDArray[np.float64]:
    return np.full(len(windows.tokens), 1 / len(windows.tokens))


def _by_length(windows: WindowLogits) -> NDArray[np.float64]:
    return windows.tokens / windows.tokens.sum()


def _first(windows: WindowLogits) -> NDArray[np.float64]:
    return _alone(windows, 0)


def _last(windows: WindowLogits) -> NDArray[np.float64]:
    return _alone(windows, -1)


def _ends(windows: WindowLogits) -> NDArray[np.float64]:
    return (_alone(windows, 0) + _alone(windows, -1)) / 2


def _surest(windows: WindowLogits) -> NDArray[np.float64]:
    spread = windows.logits.max(axis=1) - windows.logits.min(axis=1)
    return _alone(windows, int(spread.argmax()))


def _alone(windows: WindowLogits, index: int) -> NDArray[np.float64]:
    weights = np.zeros(len(windows.tokens))
    weights[index] = 1
    return weights


# The rules that were measured, docs/decisions/0003-long-texts.md has the figures. Each gives the
# weights of the windows, summing to 1: labels and stars of a text are of the same windows.
RULES: dict[str, Callable[[WindowLogits], NDArray[np.float64]]] = {
    "mean": _mean,
    "by_length": _by_length,
    "first": _first,
    "last": _last,
    "ends": _ends,
    "surest": _surest,
}
RULE = "mean"


def combine(windows: WindowLogits, rule: str = RULE) -> TextLogits:
    """The logits of the whole text out of those of its windows, and so of its stars.

    One window stays as it is under every rule, so a short text scores as the plain model does.
    """
    logits, stars = windows.logits, windows.stars
    if len(logits) == 1:
        return TextLogits(logits[0], None if stars is None else stars[0])
    weights = RULES[rule](windows)
    return TextLogits(weights @ logits, None if stars is None else weights @ stars)


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities, shape (labels,), summing to 1."""
    exponentials = np.exp(logits - logits.max())
    return exponentials / exponentials.sum()


def overlap(max_tokens: int) -> int:
    """Tokens that two neighbouring windows of at most `max_tokens` share."""
    return min(OVERLAP, max_tokens // 4)


def by_text(
    owners: NDArray[np.int64],
    logits: NDArray[np.float64],
    tokens: NDArray[np.int64],
    stars: NDArray[np.float64] | None = None,
) -> list[WindowLogits]:
    """Windows, put together by text.

    Args:
        owners: shape (windows,), rising: which text each window is of; each text has one at least.
        logits: shape (windows, labels).
        tokens: shape (windows,).
        stars: shape (windows, 10), or None.
    """
    starts = np.flatnonzero(np.diff(owners, prepend=-1))
    ends = [*starts[1:], len(owners)]
    return [
        WindowLogits(
            logits=logits[start:end],
            tokens=tokens[start:end],
            stars=None if stars is None else stars[start:end],
        )
        for start, end in zip(starts, ends, strict=True)
    ]


def head_of(
    text: str, max_tokens: int, offsets_of: Callable[[str], Sequence[tuple[int, int]]]
) -> str:
    """`text` up to its first `max_tokens` tokens.

    Args:
        offsets_of: gives the place of each token of a text, the special ones left out.
    """
    offsets = offsets_of(text)
    return text if len(offsets) <= max_tokens else text[: offsets[max_tokens - 1][1]]


def offsets_with(tokenizer: Any) -> Callable[[str], Sequence[tuple[int, int]]]:
    """For `head_of`: the places of tokens, as a tokenizer of transformers finds them."""

    def offsets_of(text: str) -> Sequence[tuple[int, int]]:
        read = tokenizer(text, add_special_tokens=False, verbose=False, return_offsets_mapping=True)
        return read["offset_mapping"]

    return offsets_of
