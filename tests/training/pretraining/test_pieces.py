"""Texts become pieces: nothing is lost, and no piece is longer than it may be."""

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from training.config import ConfigError
from training.pretraining.pieces import pieces_of


@pytest.fixture
def tokenizer(tiny_base_dir: Path) -> Any:
    return AutoTokenizer.from_pretrained(tiny_base_dir)


@pytest.mark.parametrize("words", [1, 13, 14, 15, 28, 29, 100])
def test_no_token_is_lost_and_pieces_are_of_like_length(tokenizer: Any, words: int) -> None:
    text = " ".join(["the", "film", "was", "good"] * 25)
    text = " ".join(text.split()[:words])
    pieces = pieces_of([text], tokenizer, 16)
    inner = [token for piece in pieces["input_ids"] for token in piece[1:-1]]
    assert inner == tokenizer(text, add_special_tokens=False)["input_ids"]
    lengths = list(pieces["length"])
    assert lengths == [len(piece) for piece in pieces["input_ids"]]
    assert max(lengths) <= 16
    assert max(lengths) - min(lengths) <= 1
    assert len(lengths) == -(-words // 14)
    for piece, special in zip(pieces["input_ids"], pieces["special_tokens_mask"], strict=True):
        assert (piece[0], piece[-1]) == (tokenizer.cls_token_id, tokenizer.sep_token_id)
        assert special == [1, *[0] * (len(piece) - 2), 1]


def test_pieces_are_numbered_over_all_texts(tokenizer: Any) -> None:
    pieces = pieces_of(["the film " * 20, "good", "the end"], tokenizer, 16)
    assert list(pieces["row"]) == list(range(len(pieces))) == list(range(5))


def test_a_text_without_a_token_gives_no_piece(tokenizer: Any) -> None:
    assert len(pieces_of(["\u0085\u0091", "good"], tokenizer, 16)) == 1


def test_pieces_may_not_be_longer_than_the_model_reads(tokenizer: Any) -> None:
    with pytest.raises(ConfigError, match=r"max_length may be 32.*it is 33\. Give --max-length 32"):
        pieces_of(["good"], tokenizer, 33)
