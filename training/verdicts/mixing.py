"""Verdicts, and rows that a model shall not forget, as the two splits of one data set.

`test` has the frozen verdicts and nothing else. `train` has the other verdicts and, mixed in, rows
of the data set that the model was first trained on: rehearsing old items keeps a network from
forgetting them (Robins 1995, doi:10.1080/09540099550039318). No text of `test` stands in `train`,
case and white space aside.
"""

import logging
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from django.conf import settings

from classifier.labels import NEGATIVE, POSITIVE, canonical_labels
from classifier.messages import message
from classifier.models import Verdict, text_digest
from classifier.review.exporting import rows_of
from classifier.review.split import TEST, TRAIN
from training.config import OF_REPLAY, ConfigError, DataConfig
from training.config.paths import without_paths
from training.data.provenance import FROZEN, REASONS, REPLAY, REVIEWED_TOO, SOURCES, VERDICT
from training.data.splits import draw_rows, row_keys, training_rows
from training.data.stars import HIGH, LOW, NO_STARS

logger = logging.getLogger(__name__)

COLUMNS = (
    *("text", "label", "rating", LOW, HIGH, "source", "source_row", "text_sha256"),
    *("chosen_by", "reviewed_at", "model"),
)
"""`source_row` is the prediction's UUID, or the number of the row in the replayed train split;
the last three, and `rating`, are those of verdicts alone. The stars of a verdict are its rating."""


@dataclass(frozen=True)
class Mixture:
    train: pd.DataFrame
    test: pd.DataFrame
    left_out: dict[str, dict[str, int]]
    """How many rows of each source were left out, by the reason."""


def mix(data: DataConfig, *, seed: int) -> Mixture:
    """The rows of both splits, each with where it came from.

    Args:
        seed: decides which rows are replayed.

    Raises:
        ConfigError: the labels of replay_dataset are not the two sentiments.
        DataError: it cannot be used.
    """
    verdicts = _verdicts()
    test = verdicts[TEST]
    train, of_frozen = _without(verdicts[TRAIN], test)
    left_out = {VERDICT: {FROZEN: of_frozen}}
    if data.replay_dataset and len(train):
        replayed, of_frozen = _without(_replayable(data), test)
        replayed, of_reviewed = _without(replayed, train)
        left_out[REPLAY] = {FROZEN: of_frozen, REVIEWED_TOO: of_reviewed}
        wanted = max(1, round(data.replay_per_verdict * len(train)))
        train = pd.concat([train, draw_rows(replayed, wanted, seed=seed)], ignore_index=True)
    for source, reasons in left_out.items():
        for reason, count in reasons.items():
            if count:
                logger.info("Left out: %d %s, as %s", count, SOURCES[source], REASONS[reason])
    return Mixture(train, test, left_out)


def replay_facts(data: DataConfig) -> dict[str, Any]:
    """What is replayed and how it is read, without a path of this machine; empty where nothing."""
    if not data.replay_dataset:
        return {}
    facts = {"dataset": data.replay_dataset, "per_verdict": data.replay_per_verdict}
    facts |= {name: getattr(data, name) for name in OF_REPLAY}
    return without_paths({"replay": facts})["replay"]


def _verdicts() -> dict[str, pd.DataFrame]:
    """Those whose text is still there by their split, in the order of their predictions."""
    known = [
        row
        | {"source": VERDICT, "source_row": row["prediction"]}
        | {LOW: row["rating"], HIGH: row["rating"]}
        for row in rows_of(Verdict.objects.with_text().on_reviews())
    ]
    frame = pd.DataFrame(known, columns=[*COLUMNS, "split"])
    return {split: _in_columns(frame[frame["split"] == split]) for split in (TRAIN, TEST)}


def _replayable(data: DataConfig) -> pd.DataFrame:
    """The training rows of replay_dataset, in the columns of verdicts."""
    described = replace(data, dataset=data.replay_dataset, replay_dataset="")
    rows, names = training_rows(described, datasets_dir=settings.DATASETS_DIR)
    labels = canonical_labels(names)
    if sorted(labels) != [NEGATIVE, POSITIVE]:
        raise ConfigError(
            message(
                "replay_dataset has the labels {negative} and {positive}, but those of "
                "{replay_dataset} are {names}. Check --label-column and --label-names, or "
                "give another --replay-dataset.",
                negative=NEGATIVE,
                positive=POSITIVE,
                replay_dataset=data.replay_dataset,
                names=", ".join(names),
            )
        )
    return _in_columns(
        rows.assign(
            label=[labels[label] for label in rows["label"]],
            rating=None,
            **{name: rows.get(name, NO_STARS) for name in (LOW, HIGH)},
            source=REPLAY,
            source_row=rows["source_row"].astype(str),
            text_sha256=[text_digest(text) for text in rows["text"]],
            chosen_by="",
            reviewed_at="",
            model="",
        )
    )


def _in_columns(frame: pd.DataFrame) -> pd.DataFrame:
    whole = {"rating": "Int64", LOW: "int64", HIGH: "int64"}
    return frame[list(COLUMNS)].astype(whole).reset_index(drop=True)


def _without(frame: pd.DataFrame, others: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """The rows of `frame` whose text is not in `others`, and how many were left out."""
    taken = set(row_keys(others))
    kept = [key not in taken for key in row_keys(frame)]
    return frame[kept].reset_index(drop=True), kept.count(False)
