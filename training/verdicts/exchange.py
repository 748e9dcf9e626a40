"""Verdicts as a data set of the Hub, and back."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.conf import settings

from classifier.exceptions import ClassifierError
from classifier.messages import message
from classifier.models import VerdictQuerySet
from classifier.review.exporting import COLUMNS, Row, rows_of, write_rows
from classifier.review.importing import Imported, import_verdicts
from classifier.review.split import TEST, TRAIN
from training.hub import Hub, fetch_dataset
from training.hub.dataset import CARD
from training.verdicts.card import verdict_card

SPLITS = (TRAIN, TEST)


class TooFewVerdicts(ClassifierError):
    """There is nothing that could be pushed."""


@dataclass(frozen=True)
class VerdictDataset:
    """Verdicts as the files of a data set."""

    files: Mapping[str, Path]
    """By their names in a repository."""
    counts: Mapping[str, Mapping[str, int]]
    """Rows of each split and label."""
    purged: int
    """Verdicts that are left out because the site has purged their texts."""

    @property
    def rows(self) -> dict[str, int]:
        """Of each split."""
        return {split: sum(labels.values()) for split, labels in self.counts.items()}


def write_dataset(
    verdicts: VerdictQuerySet, folder: Path, *, with_reviewers: bool = False, language: str = ""
) -> VerdictDataset:
    """Write verdicts with their texts into `folder`, by split, with a card.

    Args:
        with_reviewers: names of the reviewers' accounts, too.
        language: of the texts, as ISO 639; empty where it is not known.

    Raises:
        TooFewVerdicts: a split would be empty.
    """
    columns = [name for name in COLUMNS if with_reviewers or name != "reviewer"]
    kept = verdicts.with_text().on_reviews()
    files: dict[str, Path] = {}
    counts: dict[str, Counter[str]] = {}
    for split in SPLITS:
        name = f"data/{split}-00000-of-00001.parquet"
        files[name] = folder / name
        files[name].parent.mkdir(exist_ok=True)
        counts[split] = Counter()
        with files[name].open("wb") as out:
            rows = _counted(rows_of(kept), split, counts[split])
            write_rows(out, name, rows, columns)
    _require_rows(counts)
    files[CARD] = folder / CARD
    files[CARD].write_text(verdict_card(counts, columns, language=language), encoding="utf-8")
    return VerdictDataset(files, counts, purged=verdicts.count() - kept.count())


def pull_verdicts(
    source: str, *, reviewer: Any, hub: Hub | None = None
) -> Iterator[tuple[str, Imported]]:
    """Import the verdicts of a data set of the Hub, a file after the other.

    Args:
        source: user/name or user/name@revision.
        reviewer: as of `import_verdicts`.

    Yields:
        The name of each file and what came of it.

    Raises:
        HubError: not reached, refused, or no data set of verdicts.
        TableError, ModelNotReady: as `import_verdicts`.
    """
    with working_folder() as folder:
        fetched = fetch_dataset(source, folder, max_bytes=settings.BULK_MAX_BYTES, hub=hub)
        for file in fetched.files:
            yield file.name, import_verdicts(file, reviewer=reviewer)


@contextmanager
def working_folder() -> Iterator[Path]:
    """A folder for the texts of visitors that is gone afterwards."""
    parent = settings.VAR_DIR / "tmp"  # /tmp may be memory
    parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=parent, prefix="verdicts-") as folder:
        yield Path(folder)


def _counted(rows: Iterator[Row], split: str, count: Counter[str]) -> Iterator[Row]:
    """The rows of a split, counted by label while they are taken."""
    for row in rows:
        if row["split"] == split:
            count[row["label"]] += 1
            yield row


def _require_rows(counts: Mapping[str, Mapping[str, int]]) -> None:
    if empty := [split for split, labels in counts.items() if not labels]:
        raise TooFewVerdicts(
            code="verdicts_too_few",
            rule=message(
                "A data set has rows to learn from ({train}) and rows to measure on "
                "({test}); the digest of a text says which it is.",
                train=TRAIN,
                test=TEST,
            ),
            value=message("no verdict with a text")
            if len(empty) == len(counts)
            else message("none for {empty}", empty=empty[0]),
            remedy=message("Review more, or leave --since out."),
        )
