"""Rows of the smallest classes, made by the rules, and where each of them came from."""

from collections.abc import Iterator, Mapping
from itertools import islice

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.augmentation.balance import rows_wanted
from training.augmentation.rules.passages import (
    drop_far_sentences,
    shorten_passage,
    shuffle_far_sentences,
)
from training.augmentation.rules.questions import change_question_ending, open_question
from training.augmentation.rules.rule import Row, Rule
from training.augmentation.rules.texts import (
    add_punctuation,
    change_case,
    drop_sentence,
    drop_words,
    join_words,
    misspell,
    swap_sentences,
    swap_words,
)
from training.data.reading import DataError

ATTEMPTS = 20  # tries for each row that is wanted


def _named(*rules: Rule) -> dict[str, Rule]:
    return {rule.__name__: rule for rule in rules}


PAIR_RULES = _named(
    shorten_passage,
    drop_far_sentences,
    shuffle_far_sentences,
    open_question,
    change_question_ending,
    change_case,
    misspell,
    join_words,
)
SINGLE_RULES = _named(
    drop_sentence,
    swap_sentences,
    drop_words,
    swap_words,
    add_punctuation,
    change_case,
    misspell,
    join_words,
)


def generate_rows(
    frame: pd.DataFrame,
    *,
    rows: int,
    seed: int,
    pair_rules: Mapping[str, Rule] = PAIR_RULES,
    single_rules: Mapping[str, Rule] = SINGLE_RULES,
) -> pd.DataFrame:
    """New rows of the smallest classes: rows of theirs, each changed by one to three rules.

    All rows of a class are drawn from equally often. No generated row is a copy of a row of
    `frame` or of another.

    Args:
        frame: training rows with `text`, `label` and, for pairs, `text_pair`.
        rows: how many, each for the class that is the smallest by then; 0 brings every class
            to the size of the largest.
        pair_rules: by name, those to choose from where a row has a `text_pair`.
        single_rules: those to choose from where it has none.

    Returns:
        The new rows alone, with the columns of `frame` (those not written here as in their
        source), `generated_by` ("rules:" and the rules in their order, joined by "+") and
        `source_row`, the position of their source in `frame`, 0 the first.

    Raises:
        DataError: the rules cannot make so many different rows of these.
    """
    rng = np.random.default_rng(seed)
    texts = [column for column in ("text", "text_pair") if column in frame]
    originals = list(map(Row, *(frame[column] for column in texts)))
    seen, made = set(originals), []
    for label, wanted in rows_wanted(frame["label"].to_numpy(), rows).items():
        sources = np.flatnonzero(frame["label"] == label)
        accepted: list[tuple[int, Row, str]] = []
        for source in islice(_drawn(sources, rng), wanted * ATTEMPTS):
            rules = pair_rules if originals[source].text_pair else single_rules
            changed, applied = _apply(originals[source], rules, rng)
            if changed not in seen:
                seen.add(changed)
                accepted.append((source, changed, "rules:" + "+".join(applied)))
                if len(accepted) == wanted:
                    break
        if len(accepted) < wanted:
            raise DataError(
                f"The rules must make {wanted} different rows of label {label} out of its "
                f"{len(sources)}, but in {wanted * ATTEMPTS} attempts they made {len(accepted)}. "
                "Lower --generated-rows, or give --balance oversample instead."
            )
        made += accepted
    generated = frame.iloc[[source for source, _, _ in made]].reset_index(drop=True)
    for column in texts:
        generated[column] = [getattr(row, column) for _, row, _ in made]
    return generated.assign(
        generated_by=[by for _, _, by in made],
        source_row=np.array([source for source, _, _ in made], dtype=np.int64),
    )


def _drawn(sources: NDArray[np.int64], rng: np.random.Generator) -> Iterator[int]:
    """All of `sources` in a random order, then all in another, without end."""
    while True:
        sources = rng.permutation(sources)
        yield from sources.tolist()


def _apply(row: Row, rules: Mapping[str, Rule], rng: np.random.Generator) -> tuple[Row, list[str]]:
    """`row` changed by up to three rules that apply, and their names."""
    wanted = int(rng.integers(1, 4))
    applied: list[str] = []
    for name in rng.permutation(list(rules)).tolist():
        if len(applied) < wanted and (changed := rules[name](row, rng)):
            row = changed
            applied.append(name)
    return row, applied
