"""A labelled file as verdicts."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from django.contrib.auth import get_user_model
from django.db import transaction

from classifier.messages import message
from classifier.models import Prediction
from classifier.review.importing.rows import (
    UNKNOWN,
    BadRow,
    Columns,
    LabelledRow,
    open_labelled,
)
from classifier.review.labelled import Known, meant_by
from classifier.review.verdicts import Judgement, record_verdicts

COMMAND = Prediction.Source.COMMAND
LISTED = 20  # problems that are told of
GONE = message("Its prediction has been deleted meanwhile.")


@dataclass
class Imported:
    """What came of a file."""

    verdicts: int = 0
    """Given or changed."""
    unchanged: int = 0
    rated: int = 0
    """Texts that were not known and had to be rated first."""
    bad: int = 0
    problems: list[tuple[int, str]] = field(default_factory=list)
    """Row, counted from 1 below the header, and what is wrong; the first LISTED of them."""

    def refuse(self, row: int, problem: str) -> None:
        """Count a bad row."""
        self.bad += 1
        if len(self.problems) < LISTED:
            self.problems.append((row, problem))

    @property
    def summary(self) -> str:
        """In a sentence."""
        return message(
            "{verdicts:,} verdicts given or changed, {unchanged:,} were so already, "
            "{bad:,} rows are bad; {rated:,} texts were rated first.",
            verdicts=self.verdicts,
            unchanged=self.unchanged,
            bad=self.bad,
            rated=self.rated,
        )


def import_verdicts(
    source: Path | BinaryIO,
    *,
    reviewer: Any,
    filename: str = "",
    columns: Columns | None = None,
    keep_reviewers: bool = True,
    at_once: bool = False,
) -> Imported:
    """Take each row of a labelled file as a verdict.

    A row is about the prediction that it names, else about the newest one of its text; a text that
    is not known is rated first. It has a label, a rating or both. Importing a file again, or after
    it was cut off, changes nothing twice.

    Args:
        source: CSV, TSV, JSON Lines, XLSX or Parquet: a path, or a stream that can seek.
        reviewer: who imports it, for the audit log; and whose verdicts they are where a row names
            nobody of this site.
        filename: the file's name, of a stream; its ending says the format.
        keep_reviewers: verdicts are those of the reviewers that the rows name.
        at_once: write all verdicts or none, once every text is rated; else a batch at a time.

    Raises:
        TableError: the file is no table, has neither of the columns, or cannot be read to its end.
        ModelNotReady: a text must be rated and no model can.
    """
    names = columns or Columns()
    done = Imported()
    together: AbstractContextManager[Any] = nullcontext()
    if at_once:
        # Before, because a transaction that writes keeps other writers waiting.
        done.rated = _rate_unknown(source, filename, names)
        together = transaction.atomic()
    with together, open_labelled(source, filename) as file:
        reason = f"import of {filename or getattr(source, 'name', 'a file')}"
        for batch in file.batches(names):
            rows = []
            for row in batch:
                if isinstance(row, BadRow):
                    done.refuse(row.number, row.problem)
                else:
                    rows.append(row)
            known = Known.to(rows)
            done.rated += known.rate_unknown(rows, source=COMMAND)
            named = _named(rows) if keep_reviewers else {}
            _write(rows, known, named, reviewer, reason, done)
    return done


def _rate_unknown(source: Path | BinaryIO, filename: str, columns: Columns) -> int:
    """Rate every text of a file that is not known; how many there were."""
    count = 0
    with open_labelled(source, filename) as file:
        for batch in file.batches(columns):
            rows = [row for row in batch if isinstance(row, LabelledRow)]
            count += Known.to(rows).rate_unknown(rows, source=COMMAND)
    return count


def _named(rows: list[LabelledRow]) -> dict[str, Any]:
    """The accounts of this site that rows name."""
    names = {row.reviewer for row in rows if row.reviewer}
    if not names:
        return {}
    accounts = get_user_model().objects.filter(username__in=names)
    return {account.get_username(): account for account in accounts}


def _write(
    rows: list[LabelledRow],
    known: Known,
    named: dict[str, Any],
    reviewer: Any,
    reason: str,
    done: Imported,
) -> None:
    numbers, judgements = [], []
    for row in rows:
        prediction = known.prediction(row)
        if prediction is None:
            done.refuse(row.number, UNKNOWN)
            continue
        label, rating = meant_by(row, prediction)
        numbers.append(row.number)
        judgements.append(
            Judgement(
                prediction=prediction,
                label=label,
                rating=rating,
                reviewer=named.get(row.reviewer, reviewer),
                note=row.note,
                chosen_by=row.chosen_by,
                reviewed_at=row.reviewed_at,
            )
        )
    recorded = record_verdicts(judgements, actor=reviewer, reason=reason)
    for number, one in zip(numbers, recorded, strict=True):
        if one is None:
            done.refuse(number, GONE)
        else:
            done.verdicts += one.changed
            done.unchanged += not one.changed
