"""How texts become pieces of at most so many tokens: none is lost, and none is short by chance."""

from typing import TYPE_CHECKING, Any

from training.config import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

KEPT = ("input_ids", "special_tokens_mask", "offset_mapping")


def pieces_of(
    texts: "Sequence[str]",
    tokenizer: "PreTrainedTokenizerBase",
    max_length: int,
    *,
    offsets: bool = False,
) -> "Dataset":
    """Rows of `input_ids`, `special_tokens_mask`, `length` and `row`, a piece each.

    A text of more tokens is cut into as few pieces as there must be, of equal length but for one
    token: a tail of its own would be a piece with nothing to guess from. Each piece has the special
    tokens of a whole text around it.

    Args:
        max_length: tokens of a piece, the special ones included.
        offsets: also give `offset_mapping`, the characters (start, end) of each token in its text.

    Raises:
        ConfigError: the model reads fewer tokens.
    """
    from datasets import Dataset

    if max_length > tokenizer.model_max_length:
        raise ConfigError(
            f"max_length may be {tokenizer.model_max_length}, as much as the model reads, but it "
            f"is {max_length}. Give --max-length {tokenizer.model_max_length}."
        )

    def encode(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        encoded = tokenizer(
            batch["text"],
            return_special_tokens_mask=True,
            return_offsets_mapping=offsets,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )
        columns = [name for name in KEPT if name in encoded]
        cut: dict[str, list[Any]] = {name: [] for name in columns}
        for number in range(len(batch["text"])):
            row = {name: encoded[name][number] for name in columns}
            before, after = _ends(row["special_tokens_mask"])
            for start, stop in _cuts(before, after, len(row["input_ids"]), max_length):
                for name, values in row.items():
                    cut[name].append(values[:before] + values[start:stop] + values[after:])
        return {**cut, "length": [len(piece) for piece in cut["input_ids"]]}

    rows = Dataset.from_dict({"text": list(texts)})
    pieces = rows.map(encode, batched=True, remove_columns=["text"], desc="Tokenizing")
    return pieces.add_column("row", range(len(pieces)))


def _ends(special: list[int]) -> tuple[int, int]:
    """Where the tokens of the text itself begin, and where they have ended."""
    if 0 not in special:  # a text of characters that the tokenizer drops
        return len(special), len(special)
    return special.index(0), len(special) - special[::-1].index(0)


def _cuts(start: int, stop: int, length: int, max_length: int) -> list[tuple[int, int]]:
    """Begin and end of each piece of the tokens from `start` to `stop`, of `length` in all."""
    tokens = stop - start
    room = max_length - (length - tokens)
    count = -(-tokens // room)
    bounds = [start + tokens * number // count for number in range(count)]
    return list(zip(bounds, [*bounds[1:], stop], strict=True)) if count else []
