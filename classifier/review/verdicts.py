"""Verdicts: given, changed and withdrawn, each time with an entry in the audit log."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from classifier.models import AuditEntry, Prediction, ReviewClaim, Verdict, audit_entry

Action = AuditEntry.Action


@dataclass(frozen=True)
class Judgement:
    """What is said of a prediction, by whom and when."""

    prediction: Prediction
    label: str
    rating: int | None
    """None where the prediction has none."""
    reviewer: Any
    """A user, or None where nobody of this site has judged it."""
    note: str = ""
    chosen_by: str = Verdict.ChosenBy.REVIEWER
    """Why it was reviewed; of a verdict that is changed, the first reason stays."""
    reviewed_at: datetime | None = None
    """None: now."""

    @property
    def content(self) -> dict[str, Any]:
        """As `content_of` its verdict."""
        return {"label": self.label, "rating": self.rating, "note": self.note}


@dataclass(frozen=True)
class Recorded:
    """The verdict that a prediction has now."""

    verdict: Verdict
    changed: bool
    """False where it said the same before."""


def record_verdict(
    prediction: Prediction,
    *,
    label: str,
    rating: int | None,
    reviewer: Any,
    note: str = "",
    chosen_by: str = Verdict.ChosenBy.REVIEWER,
) -> Verdict:
    """Give a prediction this verdict in place of the one that it may have.

    Args:
        chosen_by: why it was reviewed; of a verdict that is changed, the first reason stays.

    Raises:
        Prediction.DoesNotExist: it has been deleted.
    """
    said = Judgement(prediction, label, rating, reviewer, note, chosen_by)
    [recorded] = record_verdicts([said], actor=reviewer)
    if recorded is None:
        raise Prediction.DoesNotExist(f"Prediction {prediction.pk} has been deleted.")
    return recorded.verdict


def record_verdicts(
    judgements: Sequence[Judgement], *, actor: Any, reason: str = ""
) -> list[Recorded | None]:
    """Give predictions these verdicts, all or none; of several on one the last counts.

    However many there are, up to some hundreds, the number of queries is the same.

    Args:
        actor: who does it, for the audit log: a user, or None for a command.
        reason: for the audit log.

    Returns:
        What came of each; None where its prediction has been deleted.
    """
    with transaction.atomic():
        keys = {said.prediction.pk for said in judgements}
        # Two who judge at the same moment take turns, so that the log has both; in the order of
        # the keys, so that neither waits for the other.
        locked = Prediction.objects.select_for_update().filter(pk__in=keys).order_by("pk")
        there = set(locked.values_list("pk", flat=True))
        verdicts = {
            verdict.prediction_id: verdict
            for verdict in Verdict.objects.filter(prediction__in=there)
        }
        ReviewClaim.objects.filter(prediction__in=there).delete()
        recorded: list[Recorded | None] = []
        entries: list[AuditEntry] = []
        times: dict[UUID, datetime | None] = {}  # of those that change
        for said in judgements:
            key = said.prediction.pk
            if key not in there:
                recorded.append(None)
                continue
            verdict = verdicts.get(key)
            before = content_of(verdict) if verdict else None
            if verdict is None:
                verdict = Verdict(prediction=said.prediction, chosen_by=said.chosen_by)
                verdicts[key] = verdict
            recorded.append(Recorded(verdict, changed=before != said.content))
            if before == said.content:
                continue
            verdict.label, verdict.rating, verdict.note = said.label, said.rating, said.note
            verdict.reviewer = said.reviewer
            times[key] = said.reviewed_at
            action = Action.VERDICT_CHANGED if before else Action.VERDICT_SET
            values = {"before": before, "after": said.content, "reason": reason}
            entries.append(audit_entry(action, said.prediction, actor, **values))
        _write([verdicts[key] for key in times], times)
        AuditEntry.objects.bulk_create(entries)
    return recorded


def _write(changed: Sequence[Verdict], times: dict[UUID, datetime | None]) -> None:
    new = [verdict for verdict in changed if verdict.pk is None]
    old = [verdict for verdict in changed if verdict.pk is not None]
    Verdict.objects.bulk_create(new)  # as of now, whatever time they have
    dated = [verdict for verdict in new if times[verdict.prediction_id]]
    for verdict in (*dated, *old):
        verdict.reviewed_at = times[verdict.prediction_id] or timezone.now()
    Verdict.objects.bulk_update(dated, ["reviewed_at"])
    Verdict.objects.bulk_update(old, ["label", "rating", "note", "reviewer", "reviewed_at"])


def confirm_all(predictions: Iterable[Prediction], *, reviewer: Any) -> int:
    """Give those without a verdict the model's own answer as one; how many there were."""
    with transaction.atomic():
        verdicts = Verdict.objects.bulk_create(
            Verdict(
                prediction=prediction,
                label=prediction.label,
                rating=prediction.rating,
                reviewer=reviewer,
            )
            for prediction in predictions
        )
        AuditEntry.objects.bulk_create(
            audit_entry(Action.VERDICT_SET, verdict.prediction, reviewer, after=content_of(verdict))
            for verdict in verdicts
        )
    return len(verdicts)


def withdraw_verdict(verdict: Verdict, *, reviewer: Any, reason: str = "") -> None:
    """Delete a verdict; the prediction waits for review again."""
    with transaction.atomic():
        audit_entry(
            Action.VERDICT_WITHDRAWN,
            verdict.prediction,
            reviewer,
            before=content_of(verdict),
            reason=reason,
        ).save()
        verdict.delete()


def undo_verdict(pk: UUID, *, reviewer: Any) -> None:
    """Put back what stood before this reviewer's last word on a prediction, if it still stands."""
    verdict = Verdict.objects.select_related("prediction").filter(prediction_id=pk).first()
    if verdict is None or verdict.reviewer_id != reviewer.pk:
        return
    last = AuditEntry.objects.of(verdict.prediction).first()
    if last and last.before:
        record_verdict(verdict.prediction, reviewer=reviewer, **last.before)
    else:
        withdraw_verdict(verdict, reviewer=reviewer)


def content_of(verdict: Verdict) -> dict[str, Any]:
    """What a verdict says."""
    return {"label": verdict.label, "rating": verdict.rating, "note": verdict.note}
