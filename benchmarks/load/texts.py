"""The texts that every server reads: reviews of IMDB, and sentences of Rotten Tomatoes."""

import json
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from training.config import DataConfig
from training.data.splits import load_split

STRATA = 16
REVIEW_WORDS = 200
MAX_CONTENT_TOKENS = 510
"""Of a long text: with [CLS] and [SEP] the 512 that BERTs read, so that nobody cuts or crashes."""


@dataclass(frozen=True)
class Texts:
    kind: str
    """long or short"""
    texts: list[str]
    mean_tokens: float
    max_tokens: int


@dataclass(frozen=True)
class Corpus:
    kinds: tuple[Texts, ...]
    one_review: str
    """A review of 200 words, for the latency of one request."""


def draw_corpus(model: Path, *, datasets_dir: Path, count: int, seed: int) -> Corpus:
    """`count` texts of each kind from the test splits.

    Raises:
        RuntimeError: there is no review of 200 words that fits the model.
        training.data.reading.DataError: the data sets are not there.
    """
    tokenizer = open_tokenizer(model)
    reviews = _split("imdb", datasets_dir, seed=seed)
    sentences = _split("rotten_tomatoes", datasets_dir, seed=seed)
    kinds = (
        _kind("long", [_cut(text, tokenizer) for text in reviews[:count]], tokenizer, seed),
        _kind("short", sentences[:count], tokenizer, seed),
    )
    fitting = (
        text
        for text in reviews
        if len(text.split()) == REVIEW_WORDS and _cut(text, tokenizer) == text
    )
    one_review = next(fitting, None)
    if one_review is None:
        raise RuntimeError(f"No review of IMDB's test split has {REVIEW_WORDS} words.")
    return Corpus(kinds, one_review)


def write_bodies(path: Path, texts: Iterable[str], body: Callable[[str], object]) -> Path:
    """One JSON body a line, in the form that a server asks for."""
    path.write_text("".join(json.dumps(body(text)) + "\n" for text in texts), encoding="utf-8")
    return path


def _split(dataset: str, datasets_dir: Path, *, seed: int) -> list[str]:
    """The texts of the test split in random order."""
    frame, _ = load_split(DataConfig(dataset=dataset), "test", datasets_dir=datasets_dir)
    texts = list(frame["text"])
    random.Random(seed).shuffle(texts)
    return texts


def open_tokenizer(model: Path) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _cut(text: str, tokenizer: Tokenizer) -> str:
    """As much of the beginning as gives MAX_CONTENT_TOKENS, read by itself."""
    limit = MAX_CONTENT_TOKENS
    while True:
        offsets = tokenizer.encode(text, add_special_tokens=False).offsets
        if len(offsets) <= MAX_CONTENT_TOKENS:
            return text
        text = text[: offsets[limit - 1][1]]
        limit -= 1  # a word cut in two may be read as more pieces than it was


def _kind(kind: str, texts: list[str], tokenizer: Tokenizer, seed: int) -> Texts:
    lengths = {text: len(tokenizer.encode(text).ids) for text in texts}
    return Texts(
        kind=kind,
        texts=_evenly(sorted(texts, key=lambda text: (lengths[text], text)), seed),
        mean_tokens=sum(lengths[text] for text in texts) / len(texts),
        max_tokens=max(lengths.values()),
    )


def _evenly(by_length: list[str], seed: int) -> list[str]:
    """An order in which every run of STRATA texts has one of each length.

    A slow server gets through the first hundred texts only, a fast one through all of them: both
    shall have read texts of the same mean length.
    """
    draw = random.Random(seed)
    size = len(by_length) // STRATA
    strata = [by_length[i * size : (i + 1) * size] for i in range(STRATA)]
    for stratum in strata:
        draw.shuffle(stratum)
    order: list[str] = []
    for block in zip(*strata, strict=True):
        order += draw.sample(block, len(block))
    return order
