"""Which tokens are masked: drawn anew in every epoch, and the same when a run is resumed."""

from typing import Any

import numpy as np
import torch
from transformers import DataCollatorForLanguageModeling

from training.pretraining.config import MaskingConfig

GIVEN = ("input_ids", "special_tokens_mask", "offset_mapping")
MULTIPLE = 8  # of which a batch's width is one


class RepeatableMasks(DataCollatorForLanguageModeling):
    """DataCollatorForLanguageModeling whose masks depend on seed, epoch and rows alone.

    Its own are drawn from a generator that neither a checkpoint holds nor a batch that is fetched
    ahead leaves alone. The held-out rows, whose numbers are below 0, have the same masks whenever
    they come in the same batches.

    Attributes:
        epoch: that is trained, 0 the first; it may be one of several passes over the same rows.
    """

    def __init__(self, tokenizer: Any, config: MaskingConfig, *, seed: int) -> None:
        super().__init__(
            tokenizer,
            whole_word_mask=config.whole_words,
            mlm_probability=config.masking,
            # transformers knows no other with whole words, and warns.
            mask_replace_prob=1.0 if config.whole_words else 0.8,
            random_replace_prob=0.0 if config.whole_words else 0.1,
            pad_to_multiple_of=MULTIPLE,
        )
        self.epoch = 0
        self._seed = seed

    def torch_call(self, examples: list[Any]) -> dict[str, Any]:
        """A batch with `labels`: the masked tokens' ids, -100 elsewhere; shape (rows, tokens).

        Args:
            examples: rows as training.pretraining.pieces gives them.
        """
        numbers = [int(example["row"]) for example in examples]
        held_out = numbers[0] < 0
        state = np.random.SeedSequence(
            [self._seed, 0 if held_out else 1 + self.epoch, *map(abs, numbers)]
        ).generate_state(1, np.uint64)
        self.generator = torch.Generator().manual_seed(int(state[0]) >> 1)
        rows: list[Any] = [
            {key: example[key] for key in GIVEN if key in example} for example in examples
        ]
        longest = max(len(row["input_ids"]) for row in rows)
        width = -(-longest // MULTIPLE) * MULTIPLE
        for row in rows:
            if "offset_mapping" in row:  # which tokenizer.pad leaves ragged
                offsets = list(row["offset_mapping"])
                row["offset_mapping"] = offsets + [[0, 0]] * (width - len(offsets))
        return dict(super().torch_call(rows))
