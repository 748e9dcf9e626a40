"""What importing a file would do, before anything is written."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

from classifier.bulk.errors import TableError
from classifier.messages import message
from classifier.models import Verdict
from classifier.ratings import label_of
from classifier.review.importing.rows import (
    UNKNOWN,
    BadRow,
    Columns,
    LabelledRow,
    open_labelled,
)
from classifier.review.labelled import Known, meant_by
from classifier.review.verdicts import content_of

SHOWN = 20  # rows of each kind
NEW, CHANGED, SAME = "new", "changed", "same"
EFFECTS = {NEW: message("new"), CHANGED: message("changed"), SAME: message("same")}

Content = dict[str, Any]


@dataclass(frozen=True)
class ShownRow:
    """What becomes of a row."""

    number: int
    effect: str
    """NEW, CHANGED or SAME."""
    text: str
    """Empty where the row only names its prediction."""
    label: str | None
    rating: int | None
    """None where the model must be asked first."""
    before: Content | None
    """What the verdict says now."""

    @property
    def effect_name(self) -> str:
        return EFFECTS[self.effect]


@dataclass
class Preview:
    """How many verdicts a file would give and change."""

    new: int = 0
    changed: int = 0
    same: int = 0
    unknown: int = 0
    """Texts that have to be rated first."""
    bad: int = 0
    shown: list[ShownRow] = field(default_factory=list)
    """The first SHOWN rows that are verdicts."""
    problems: list[BadRow] = field(default_factory=list)
    """The first SHOWN rows that are none."""

    @property
    def rows(self) -> int:
        """All of them."""
        return self.new + self.changed + self.same + self.bad

    def refuse(self, number: int, problem: str) -> None:
        self.bad += 1
        if len(self.problems) < SHOWN:
            self.problems.append(BadRow(number, problem))

    def count(self, row: ShownRow) -> None:
        setattr(self, row.effect, getattr(self, row.effect) + 1)
        if len(self.shown) < SHOWN:
            self.shown.append(row)


def preview_import(
    source: Path | BinaryIO,
    *,
    filename: str = "",
    columns: Columns | None = None,
    most_rows: int | None = None,
    most_unknown: int | None = None,
) -> Preview:
    """What `import_verdicts` would do with a file now.

    Args:
        most_rows: a longer file is refused.
        most_unknown: a file with more texts that must be rated is refused.

    Raises:
        TableError: as `import_verdicts`, or there is more than the bounds allow.
    """
    preview = Preview()
    said: dict[Hashable, Content] = {}  # by rows before, on the same prediction or text
    with open_labelled(source, filename) as file:
        for batch in file.batches(columns or Columns()):
            rows = [row for row in batch if isinstance(row, LabelledRow)]
            known = Known.to(rows)
            stands = _verdicts_on(known)
            for row in batch:
                if isinstance(row, BadRow):
                    preview.refuse(row.number, row.problem)
                else:
                    _foresee(row, known, stands, said, preview)
            _require_bounds(preview, most_rows, most_unknown)
    return preview


def _verdicts_on(known: Known) -> dict[UUID, Content]:
    keys = {*known.by_id, *(each.pk for each in known.by_text.values())}
    found = Verdict.objects.filter(prediction__in=keys)
    return {verdict.prediction_id: content_of(verdict) for verdict in found}


def _foresee(
    row: LabelledRow,
    known: Known,
    stands: Mapping[UUID, Content],
    said: dict[Hashable, Content],
    preview: Preview,
) -> None:
    prediction = known.prediction(row)
    if prediction is None and not row.text:
        preview.refuse(row.number, UNKNOWN)
        return
    label, rating = row.label, row.rating
    if prediction:
        label, rating = meant_by(row, prediction)
    elif rating is not None:
        label = label or label_of(rating)
    key = prediction.pk if prediction else row.digest
    if prediction is None and key not in said:
        preview.unknown += 1
    after = {"label": label, "rating": rating, "note": row.note}
    before = said.get(key) or (stands.get(prediction.pk) if prediction else None)
    effect = NEW if before is None else SAME if before == after else CHANGED
    said[key] = after
    preview.count(ShownRow(row.number, effect, row.text, label, rating, before))


def _require_bounds(preview: Preview, most_rows: int | None, most_unknown: int | None) -> None:
    """
    Raises:
        TableError: there is more than one of them allows.
    """
    if most_rows is not None and preview.rows > most_rows:
        raise _too_much(
            message("In the browser a file may have {most:,} rows at most.", most=most_rows)
        )
    if most_unknown is not None and preview.unknown > most_unknown:
        raise _too_much(
            message(
                "In the browser a file may have {most:,} texts at most that must be rated first.",
                most=most_unknown,
            )
        )


def _too_much(rule: str) -> TableError:
    return TableError(
        code="import_too_large",
        rule=rule,
        value=message("more"),
        remedy=message(
            "Cut it into several files, or have it imported with manage.py import_verdicts."
        ),
    )
