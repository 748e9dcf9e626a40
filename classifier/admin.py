from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils import timezone
from django.utils.text import Truncator

from classifier.models import ModelVersion, Prediction, PredictionQuerySet, Verdict


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


class VerdictInline(admin.StackedInline):
    model = Verdict
    verbose_name_plural = "Verdict: what you say of it"


class FactsAdmin(admin.ModelAdmin):
    """Rows that are facts: read, never added or changed by hand."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [field.name for field in self.opts.fields]


@admin.register(Prediction)
class PredictionAdmin(FactsAdmin):
    list_display = (
        "created_at",
        "excerpt",
        "label",
        "rating",
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
    inlines = (VerdictInline,)
    actions = ("confirm", "purge_texts")

    @admin.display(description="review")
    def excerpt(self, prediction: Prediction) -> str:
        return Truncator(prediction.text).chars(90) or "(purged)"

    # Not named verdict: a list looks for a relation of that name first, and shows a dash.
    @admin.display(description="verdict")
    def reviewer_says(self, prediction: Prediction) -> str:
        return str(getattr(prediction, "verdict", "none yet"))

    def save_formset(
        self, request: HttpRequest, form: ModelForm, formset: Any, change: bool
    ) -> None:
        for verdict in formset.save(commit=False):
            verdict.reviewer = request.user
            verdict.save()
        for verdict in formset.deleted_objects:
            verdict.delete()
        formset.save_m2m()

    @admin.action(description="Confirm: the model was right", permissions=["change"])
    def confirm(self, request: HttpRequest, queryset: PredictionQuerySet) -> None:
        verdicts = Verdict.objects.bulk_create(
            Verdict(
                prediction=prediction,
                label=prediction.label,
                rating=prediction.rating,
                reviewer_id=request.user.pk,
            )
            for prediction in queryset.pending()
        )
        self.message_user(
            request, f"{len(verdicts)} predictions confirmed; those that had a verdict keep it."
        )

    @admin.action(description="Purge the texts; digests and scores stay", permissions=["delete"])
    def purge_texts(self, request: HttpRequest, queryset: PredictionQuerySet) -> None:
        purged = queryset.purge_texts(before=timezone.now())
        self.message_user(request, f"{purged} texts purged.")


@admin.register(ModelVersion)
class ModelVersionAdmin(FactsAdmin):
    list_display = ("name", "revision", "created_at")
    search_fields = ("name", "revision")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
