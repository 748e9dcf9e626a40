"""The order in which training sees its rows: those of like length together, same when resumed."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from transformers import Trainer

    _Trainer = Trainer
else:
    _Trainer = object  # mixed into the Trainer; loading transformers here would take seconds

BATCHES_SORTED = 50  # batches' worth of rows that are sorted by length together


class LengthGroupedOrder:
    """Row numbers of an epoch: shuffled, then sorted by length in runs of many batches.

    As transformers' LengthGroupedSampler, but drawn from the seed and the epoch alone and not
    from torch's global generator: a run that is resumed inside an epoch goes on with the rows
    that it has not seen, and all processes of a distributed run share out one order.

    Args:
        lengths: tokens of each row.
        rows_per_step: rows of one optimizer step, over all processes.
    """

    def __init__(self, lengths: Sequence[int], *, rows_per_step: int, seed: int) -> None:
        self._lengths = np.asarray(lengths)
        self._sorted_rows = rows_per_step * max(
            1, min(len(lengths) // (rows_per_step * 4), BATCHES_SORTED)
        )
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        order = np.random.default_rng((self._seed, self._epoch)).permutation(len(self._lengths))
        for start in range(0, len(order), self._sorted_rows):
            rows = order[start : start + self._sorted_rows]
            yield from rows[np.argsort(-self._lengths[rows], kind="stable")].tolist()


class RepeatableOrder(_Trainer):
    """Mixed in before Trainer: trains in LengthGroupedOrder; the rows need a column `length`."""

    _order: LengthGroupedOrder

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        rows: Any = self.train_dataset  # `train_dataset` has lost the columns the model ignores
        args = self.args
        self._order = LengthGroupedOrder(
            rows["length"],
            rows_per_step=args.train_batch_size
            * args.gradient_accumulation_steps
            * args.world_size,
            seed=args.seed,
        )
        return self._order

    def _run_epoch(self, *args: Any, **kwargs: Any) -> None:
        # accelerate's set_epoch does not get through to the sampler when batches are skipped
        # in a distributed run.
        self._order.set_epoch(kwargs["epoch"])
        super()._run_epoch(*args, **kwargs)  # type: ignore[no-untyped-call]
