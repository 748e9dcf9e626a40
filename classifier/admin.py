from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.text import Truncator

from classifier.bulk_jobs import control, retention
from classifier.bulk_jobs.errors import BulkError
from classifier.models import BulkJob, ModelVersion, Prediction, PredictionQuerySet, Verdict


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


@admin.register(BulkJob)
class BulkJobAdmin(FactsAdmin):
    list_display = (
        "created_at",
        "name",
        "status",
        "rows",
        "bad_rows",
        "keep_texts",
        "source",
        "owner",
        "purged_at",
        "page",
    )
    list_display_links = ("created_at", "name")
    list_filter = ("status", "source", "keep_texts", "model_version")
    list_select_related = ("owner",)
    search_fields = ("filename", "=id")
    search_help_text = "A part of the file's name, or the id of a job"
    date_hierarchy = "created_at"
    actions = ("cancel", "purge")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # it would leave the files; "Delete the files" does not

    @admin.display(description="file", ordering="filename")
    def name(self, job: BulkJob) -> str:
        return Truncator(job.filename).chars(60)

    @admin.display(description="rows")
    def rows(self, job: BulkJob) -> str:
        return f"{job.done:,} of {job.total:,}" if job.total else f"{job.done:,}"

    @admin.display(description="page")
    def page(self, job: BulkJob) -> str:
        return format_html('<a href="{}">open</a>', job.get_absolute_url())

    @admin.action(description="Cancel those that are not over", permissions=["change"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[BulkJob]) -> None:
        cancelled = sum(control.cancel(job) for job in queryset)
        self.message_user(
            request, f"{cancelled} jobs cancelled; one that runs ends after its chunk."
        )

    @admin.action(description="Delete the files; counts stay", permissions=["change"])
    def purge(self, request: HttpRequest, queryset: QuerySet[BulkJob]) -> None:
        purged = 0
        for job in queryset:
            try:
                retention.purge(job)
            except BulkError as error:
                self.message_user(request, str(error), messages.WARNING)
            else:
                purged += 1
        self.message_user(request, f"The files of {purged} jobs are deleted.")
