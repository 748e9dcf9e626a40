from tempfile import TemporaryFile
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db import transaction
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import FileResponse, HttpRequest, HttpResponseBase
from django.utils import timezone
from django.utils.text import Truncator

from classifier.admin.facts import FactsAdmin
from classifier.admin.imports import ImportPages
from classifier.admin.review import ReviewPages
from classifier.labels import LABEL_CHOICES
from classifier.models import (
    AuditEntry,
    Feedback,
    Prediction,
    PredictionQuerySet,
    Verdict,
    audit_entry,
)
from classifier.ratings import HIGHEST, LOWEST, label_of
from classifier.review.exporting import write_verdicts
from classifier.review.verdicts import confirm_all, record_verdict, withdraw_verdict


class VerdictFilter(admin.SimpleListFilter):
    title = "review"
    parameter_name = "review"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("pending", "to review"), ("reviewed", "reviewed"), ("corrected", "corrected")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Prediction]
    ) -> QuerySet[Prediction]:
        if self.value() is None or not isinstance(queryset, PredictionQuerySet):
            return queryset
        chosen = {
            "pending": queryset.pending,
            "reviewed": queryset.reviewed,
            "corrected": queryset.corrected,
        }.get(self.value() or "")
        return chosen() if chosen else queryset


class VerdictActionForm(ActionForm):
    """The verdict that the action "Set" gives to all that are chosen."""

    verdict_label = forms.ChoiceField(
        choices=[("", "as the rating says"), *LABEL_CHOICES], required=False, label="Label:"
    )
    verdict_rating = forms.TypedChoiceField(
        choices=[("", "none"), *((rating, rating) for rating in range(LOWEST, HIGHEST + 1))],
        coerce=int,
        empty_value=None,
        required=False,
        label="Rating:",
    )


class VerdictInline(admin.StackedInline):
    model = Verdict
    verbose_name_plural = "Verdict: what you say of it"


class FeedbackInline(admin.TabularInline):
    model = Feedback
    extra = 0
    fields = readonly_fields = ("label", "rating", "disagrees", "source", "said_at")
    verbose_name_plural = "Feedback: what visitors say of it"
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Prediction)
class PredictionAdmin(ReviewPages, ImportPages, FactsAdmin):
    list_display = (
        "created_at",
        "excerpt",
        "label",
        "rating",
        "interval",
        "score",
        "reviewer_says",
        "source",
        "model_version",
    )
    list_display_links = ("created_at", "excerpt")
    list_filter = (VerdictFilter, "label", "rating", "source", "truncated", "model_version")
    list_select_related = ("model_version", "verdict")
    search_fields = ("text", "=id", "=text_sha256")
    search_help_text = "Words of the review, an id, or the SHA-256 of a text"
    date_hierarchy = "created_at"
    inlines = (VerdictInline, FeedbackInline)
    action_form = VerdictActionForm
    actions = ("confirm", "set_verdicts", "export_csv", "export_jsonl", "purge_texts")

    @admin.display(description="review")
    def excerpt(self, prediction: Prediction) -> str:
        return Truncator(prediction.text).chars(90) or "(purged)"

    @admin.display(description="interval")
    def interval(self, prediction: Prediction) -> str | None:
        ends = prediction.rating_interval
        return "{}–{}".format(*ends) if ends else None  # noqa: RUF001 (from one to the other)

    # Not named verdict: a list looks for a relation of that name first, and shows a dash.
    @admin.display(description="verdict")
    def reviewer_says(self, prediction: Prediction) -> str:
        return str(getattr(prediction, "verdict", "none yet"))

    def save_formset(
        self, request: HttpRequest, form: ModelForm, formset: Any, change: bool
    ) -> None:
        changed = formset.save(commit=False)
        if formset.model is not Verdict:
            return  # feedback is read-only
        for verdict in changed:
            record_verdict(
                form.instance,
                label=verdict.label,
                rating=verdict.rating,
                note=verdict.note,
                reviewer=request.user,
            )
        for verdict in formset.deleted_objects:
            withdraw_verdict(verdict, reviewer=request.user)

    @admin.action(description="Confirm: the model was right", permissions=["change"])
    def confirm(self, request: HttpRequest, queryset: PredictionQuerySet) -> None:
        confirmed = confirm_all(queryset.pending(), reviewer=request.user)
        self.message_user(
            request, f"{confirmed} predictions confirmed; those that had a verdict keep it."
        )

    @admin.action(description="Set: the label and the rating beside", permissions=["change"])
    def set_verdicts(self, request: HttpRequest, queryset: PredictionQuerySet) -> None:
        form = self.action_form(request.POST, auto_id=False)
        form.fields["action"].choices = self.get_action_choices(request)  # type: ignore[attr-defined]
        rating = form.cleaned_data.get("verdict_rating") if form.is_valid() else None
        if rating is None:
            self.message_user(
                request,
                f"A verdict has a rating from {LOWEST} to {HIGHEST}. Found: none. "
                "Give one beside the action.",
                messages.ERROR,
            )
            return
        label = form.cleaned_data["verdict_label"] or label_of(rating)
        with transaction.atomic():
            for prediction in queryset:
                record_verdict(prediction, label=label, rating=rating, reviewer=request.user)
        self.message_user(request, f"{queryset.count()} verdicts: {label} {rating}/{HIGHEST}.")

    @admin.action(description="Export the verdicts as CSV")
    def export_csv(self, request: HttpRequest, queryset: PredictionQuerySet) -> HttpResponseBase:
        return _exported("verdicts.csv", queryset)

    @admin.action(description="Export the verdicts as JSON Lines")
    def export_jsonl(self, request: HttpRequest, queryset: PredictionQuerySet) -> HttpResponseBase:
        return _exported("verdicts.jsonl", queryset)

    @admin.action(description="Purge the texts; digests and scores stay", permissions=["delete"])
    def purge_texts(self, request: HttpRequest, queryset: PredictionQuerySet) -> None:
        with transaction.atomic():
            purged = queryset.purge_texts(before=timezone.now())
            audit_entry(
                AuditEntry.Action.TEXTS_PURGED, "predictions", request.user, after={"texts": purged}
            ).save()
        self.message_user(request, f"{purged} texts purged.")


def _exported(name: str, predictions: PredictionQuerySet) -> HttpResponseBase:
    """The verdicts of the chosen predictions, as a file to save."""
    file = TemporaryFile()  # noqa: SIM115 (the response closes it)
    write_verdicts(file, name, Verdict.objects.filter(prediction__in=predictions.order_by()))
    file.seek(0)
    return FileResponse(file, as_attachment=True, filename=name)
