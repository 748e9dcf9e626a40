"""Texts that were labelled elsewhere: which prediction each is about, and its verdict."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from classifier.models import Prediction, Verdict
from classifier.ratings import HIGHEST, LOWEST, label_of
from classifier.review.verdicts import content_of, record_verdict
from classifier.services import rate


@dataclass(frozen=True, kw_only=True)
class LabelledText:
    """What somebody says of a text: a label, a rating or both."""

    prediction: UUID | None
    """The one that it is said of, where that is known; it may be of another site."""
    text: str
    """Cleaned; empty where only its digest is known."""
    digest: str
    label: str | None
    rating: int | None
    note: str
    chosen_by: str = Verdict.ChosenBy.IMPORT


def predictions_of(
    labelled: Sequence[LabelledText], *, source: Prediction.Source
) -> tuple[list[Prediction | None], int]:
    """The prediction that each is about: the one it names, else the newest one of its text.

    A text that is not known is rated first.

    Returns:
        The predictions, None where only an unknown digest is given; how many had to be rated.

    Raises:
        ModelNotReady: a text must be rated and no model can.
    """
    known = _known(labelled)
    missing = {one.digest: one.text for one in labelled if one.text and not _found(one, known)}
    rated = rate(list(missing.values()), source=source) if missing else []
    known |= {prediction.text_sha256: prediction for prediction in rated}
    return [_found(one, known) for one in labelled], len(rated)


def record_labelled(
    said: LabelledText, prediction: Prediction, *, reviewer: Any, reason: str = ""
) -> tuple[Verdict, bool]:
    """The verdict that it gives, and whether that is another one than before.

    A label that is the model's keeps the model's rating, another one mirrors it; without a label
    the rating says which.
    """
    rating = said.rating
    if rating is None:
        agrees = said.label == prediction.label
        rating = prediction.rating if agrees else LOWEST + HIGHEST - prediction.rating
    before = Verdict.objects.filter(prediction=prediction).first()
    verdict = record_verdict(
        prediction,
        label=said.label or label_of(rating),
        rating=rating,
        note=said.note,
        reviewer=reviewer,
        chosen_by=said.chosen_by,
        reason=reason,
    )
    return verdict, before is None or content_of(before) != content_of(verdict)


def _known(labelled: Iterable[LabelledText]) -> dict[str, Prediction]:
    """The predictions that are named, by id; and those of the texts, by digest."""
    labelled = list(labelled)
    by_id = Prediction.objects.in_bulk([one.prediction for one in labelled if one.prediction])
    by_text = Prediction.objects.filter(
        text_sha256__in={one.digest for one in labelled if one.digest}
    ).order_by("created_at")
    return {
        **{prediction.text_sha256: prediction for prediction in by_text},
        **{str(pk): prediction for pk, prediction in by_id.items()},
    }


def _found(one: LabelledText, known: Mapping[str, Prediction]) -> Prediction | None:
    named = known.get(str(one.prediction)) if one.prediction else None
    # An id of another site may be of another text here.
    if named and (not one.digest or named.text_sha256 == one.digest):
        return named
    return known.get(one.digest)
