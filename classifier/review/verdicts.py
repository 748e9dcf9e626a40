"""Verdicts: given, changed and withdrawn, each time with an entry in the audit log."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import transaction

from classifier.models import AuditEntry, Prediction, ReviewClaim, Verdict, audit_entry

Action = AuditEntry.Action


def record_verdict(
    prediction: Prediction,
    *,
    label: str,
    rating: int,
    reviewer: Any,
    note: str = "",
    chosen_by: str = Verdict.ChosenBy.REVIEWER,
    reason: str = "",
) -> Verdict:
    """Give a prediction this verdict in place of the one that it may have.

    Args:
        chosen_by: why it was reviewed; of a verdict that is changed, the first reason stays.
        reason: of the change, for the audit log.
    """
    with transaction.atomic():
        # Two who judge at the same moment take turns, so that the log has both.
        Prediction.objects.select_for_update().get(pk=prediction.pk)
        verdict = Verdict.objects.filter(prediction=prediction).first()
        before = content_of(verdict) if verdict else None
        if verdict is None:
            verdict = Verdict(prediction=prediction, chosen_by=chosen_by)
        verdict.label, verdict.rating, verdict.note = label, rating, note
        ReviewClaim.objects.filter(prediction=prediction).delete()
        after = content_of(verdict)
        if before == after:
            return verdict
        verdict.reviewer = reviewer
        verdict.save()
        action = Action.VERDICT_CHANGED if before else Action.VERDICT_SET
        audit_entry(action, prediction, reviewer, before=before, after=after, reason=reason).save()
    return verdict


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
