"""How texts, and pairs of texts, become the tokens that training sees."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from classifier.windows import head_of, offsets_with
from training.config import ModelConfig
from training.data.targets import LABELS, STARS

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase


def tokenize(
    frame: pd.DataFrame, tokenizer: "PreTrainedTokenizerBase", config: ModelConfig
) -> "Dataset":
    """Rows of what the tokenizer gives (input_ids, attention_mask, ...), `length` and `labels`.

    A row keeps `max_length` tokens, the special ones included. Of a longer single text these are
    its head, or its head and its tail, half each (Sun et al. 2019, arXiv:1905.05583, found that
    best on IMDB); of a longer pair, its second text is cut, or whichever is longer. Where the
    second is cut, the first has half of the tokens at most, as the engine reads it.

    Args:
        frame: rows with `text`, `label` and, for pairs, `text_pair`; the columns of
            training.data.targets go along.
    """
    from datasets import Dataset

    paired = "text_pair" in frame
    columns = ["text", "text_pair", "label"] if paired else ["text", "label"]
    targets = [name for name in (LABELS, STARS) if name in frame]

    def encode(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        if paired:
            firsts = batch["text"]
            if config.pair_truncation == "only_second":
                half, offsets_of = config.max_length // 2, offsets_with(tokenizer)
                firsts = [head_of(text, half, offsets_of) for text in firsts]
            encoded = tokenizer(
                firsts,
                batch["text_pair"],
                truncation=config.pair_truncation,
                max_length=config.max_length,
            )
        elif config.long_texts == "head":
            encoded = tokenizer(batch["text"], truncation=True, max_length=config.max_length)
        else:
            encoded = tokenizer(batch["text"], verbose=False)
        rows = {
            key: [_head_and_tail(row, config.max_length) for row in values]
            for key, values in encoded.items()
        }
        return {
            **rows,
            "length": [len(row) for row in rows["input_ids"]],
            "labels": batch["label"],
        }

    rows = Dataset.from_pandas(frame[columns + targets], preserve_index=False)
    return rows.map(encode, batched=True, remove_columns=columns, desc="Tokenizing")


def _head_and_tail(row: list[int], max_length: int) -> list[int]:
    tail = max_length // 2
    return row if len(row) <= max_length else row[: max_length - tail] + row[-tail:]
