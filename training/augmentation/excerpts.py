"""Short texts, cut out of long ones: what a model of whole reviews has to learn of sentences.

An excerpt keeps the label and the stars of its review. Many a sentence says less than the review
does, or the contrary of it, so these labels are noisy; a model trained on them learns how sure a
few words can make anyone, as well as what they say (a sentence labelled by its review: Kotzias et
al. 2015, "From group to individual labels using deep features").
"""

import re

import numpy as np
import pandas as pd

from classifier.messages import message
from training.augmentation.rules.language import sentences
from training.data.reading import DataError

MOST_SENTENCES = 3
EXCERPT = "excerpt"  # column: whether a row is one
EXCERPTS = "excerpts"  # of a run's training rows: how many are
LEAST_WORDS, MOST_WORDS = 3, 60
_LINE_BREAK = re.compile(r"\s*<br\s*/?>\s*")  # as reviews taken from web pages have


def add_excerpts(frame: pd.DataFrame, share: float, *, seed: int) -> pd.DataFrame:
    """The rows, and below them excerpts of one to three neighbouring sentences.

    Args:
        frame: training rows with `text`.
        share: excerpts for each row, above 0; those are drawn evenly over the rows, and from a
            row of which no short part can be cut there is none.
        seed: of the draw.

    Returns:
        Rows numbered anew, with the column `excerpt`. One has all else of its row but the text.

    Raises:
        DataError: the rows are pairs of texts, or none can be cut.
    """
    if "text_pair" in frame:
        raise DataError(
            message(
                "Excerpts are cut out of single texts, but the data are pairs. "
                "Leave out --excerpts."
            )
        )
    rng = np.random.default_rng(seed)
    wanted = round(share * len(frame))
    rounds = [rng.permutation(len(frame)) for _ in range(-(-wanted // max(len(frame), 1)))]
    rows = np.concatenate(rounds)[:wanted] if rounds else np.array([], dtype=np.int64)
    cut = [(row, _excerpt(frame["text"].iloc[row], rng)) for row in rows]
    found = [(row, text) for row, text in cut if text]
    if not found:
        raise DataError(
            message(
                "An excerpt has {least_words} to {most_words} words of a longer text, but "
                "none of {count} rows has such a part. Leave out --excerpts.",
                least_words=LEAST_WORDS,
                most_words=MOST_WORDS,
                count=len(rows),
            )
        )
    added = frame.iloc[[row for row, _ in found]].assign(text=[text for _, text in found])
    return pd.concat(
        [frame.assign(**{EXCERPT: False}), added.assign(**{EXCERPT: True})], ignore_index=True
    )


def _excerpt(text: str, rng: np.random.Generator) -> str:
    """A part of `text`, shorter than it; empty where there is none of the right length."""
    parts = sentences(_LINE_BREAK.sub(" ", text))
    count = int(rng.integers(1, MOST_SENTENCES + 1))
    if len(parts) <= count:
        return ""
    start = int(rng.integers(0, len(parts) - count + 1))
    cut = " ".join(parts[start : start + count])
    return cut if LEAST_WORDS <= len(cut.split()) <= MOST_WORDS else ""
