"""The pairs of rows that are mixed: drawn, added below the rows of training, collated, averaged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from training.config import AugmentationConfig, ConfigError

if TYPE_CHECKING:
    from datasets import Dataset
    from torch import Tensor

PARTNER = "mixup_"  # columns of a pair's second member: mixup_input_ids, mixup_labels, ...
LAM = "mixup_lam"
SECOND = "mixup_second"


@dataclass(frozen=True)
class Pairs:
    """Which rows of a batch are mixed, and how much of each."""

    second: "Tensor"
    """Shape (batch,), int: the row, 0..rows-1, that is mixed into row i. The rows beyond `batch`
    are there only as partners."""
    lam: "Tensor"
    """Shape (batch,), float 0..1: the weight of row i; that of its partner is 1 - lam."""

    def members(self, values: "Tensor") -> tuple["Tensor", "Tensor"]:
        """Of `values`, shape (rows, ...), those of each row and of its partner: (batch, ...)."""
        return values[: len(self.lam)], values[self.second]

    def lam_like(self, values: "Tensor") -> "Tensor":
        """`lam` with dimensions of size 1 behind, as many as `values` has."""
        return self.lam.view(-1, *[1] * (values.ndim - 1))

    def mix(self, values: "Tensor") -> "Tensor":
        """Means, shape (batch, ...), of `values`, shape (rows, ...); lam = 1 gives row i itself."""
        lam, (own, other) = self.lam_like(values), self.members(values)
        return (lam * own + (1 - lam) * other).to(values.dtype)

    def mix_mask(self, mask: "Tensor") -> "Tensor":
        """The union, shape (batch, ...), of the masks of the members whose weight is not 0.

        Args:
            mask: shape (rows, ...): 1 or True, or in an additive mask 0, where a token is seen.
        """
        import torch

        lam, (own, other) = self.lam_like(mask), self.members(mask)
        union = torch.maximum(own, other)
        return torch.where(lam == 1, own, torch.where(lam == 0, other, union))


def draw_lam(count: int, *, alpha: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Shape (count,): weights from Beta(alpha, alpha), 0..1; small alpha draws near 0 and 1."""
    return rng.beta(alpha, alpha, size=count).astype(np.float32)


def draw_pairs(
    count: int, *, pairs: int, rows: int, alpha: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Pairs out of `rows` rows that are themselves drawn out of `count`.

    With rows = 2 * pairs each row is used once; with fewer, the rows are shuffled and paired
    again until there are enough. No row is paired with itself.

    Args:
        rows: 0 draws from all.

    Returns:
        Row numbers, shape (pairs, 2), and lam, shape (pairs,).

    Raises:
        ConfigError: there are fewer rows than asked for, or fewer than two.
    """
    rows = rows or count
    if not 2 <= rows <= count:
        raise ConfigError(
            f"mixup_rows must lie between 2 and the {count} training rows, but it is {rows}. "
            "Lower --mixup-rows, or give 0 to draw from all."
        )
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(count)[:rows]
    rounds = [chosen[: rows - rows % 2].reshape(-1, 2)]
    while sum(map(len, rounds)) < pairs:
        rounds.append(rng.permutation(chosen)[: rows - rows % 2].reshape(-1, 2))
    drawn = np.concatenate(rounds)[:pairs]
    return drawn, draw_lam(pairs, alpha=alpha, rng=rng)


def add_pairs(dataset: "Dataset", config: AugmentationConfig, *, seed: int) -> "Dataset":
    """`dataset` and below it `mixup_pairs` rows that each hold two of its rows and their lam.

    The second member is in columns named mixup_..., which the other rows leave empty; `length`
    is that of the longer member.

    Args:
        dataset: tokenized rows with `input_ids`, `length` and `labels`.

    Raises:
        ConfigError: there are fewer rows than `mixup_rows`.
    """
    from datasets import concatenate_datasets

    drawn, lam = draw_pairs(
        len(dataset),
        pairs=config.mixup_pairs,
        rows=config.mixup_rows,
        alpha=config.mixup_alpha,
        seed=seed,
    )
    lengths = np.asarray(dataset["length"])[drawn].max(axis=1)
    members = dataset.remove_columns("length")
    first, second = (members.select(drawn[:, side]) for side in (0, 1))
    second = second.rename_columns({name: PARTNER + name for name in second.column_names})
    mixed = concatenate_datasets([first, second], axis=1)
    mixed = mixed.add_column(LAM, lam.astype(np.float64)).add_column("length", lengths)
    return concatenate_datasets([dataset, mixed])


class PairCollator:
    """Collates rows and, below them, the partners of those that have one.

    Adds `mixup_second` and `mixup_lam`, each of shape (rows,), to a batch that has partners.

    Args:
        collate: makes a padded batch of tensors out of a list of rows.
    """

    def __init__(self, collate: Any) -> None:
        self._collate = collate

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> Any:
        import torch

        plain = [
            {key: value for key, value in row.items() if not key.startswith(PARTNER)}
            for row in rows
        ]
        mixed = [number for number, row in enumerate(rows) if row.get(LAM) is not None]
        if not mixed:
            return self._collate(plain)
        partners = [
            {key: rows[number][PARTNER + key] for key in plain[number] if PARTNER + key in rows[0]}
            for number in mixed
        ]
        second, lam = torch.arange(len(rows)), torch.ones(len(rows))
        second[mixed] = torch.arange(len(rows), len(rows) + len(mixed))
        lam[mixed] = torch.tensor([rows[number][LAM] for number in mixed])
        batch = self._collate(plain + partners)
        batch[SECOND], batch[LAM] = second, lam
        return batch
