from tempfile import TemporaryFile
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import FileResponse, HttpRequest, HttpResponseBase
from django.utils.text import Truncator
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.forms import ActionForm
from unfold.widgets import UnfoldAdminSelectWidget

from classifier import purging
from classifier.admin.base import NextStep, OneForm, ReadRows
from classifier.admin.facts import FactsAdmin
from classifier.admin.imports import ImportPages
from classifier.admin.language import LanguageFilter
from classifier.admin.review import ReviewPages
from classifier.models import (
    Feedback,
    Prediction,
    PredictionQuerySet,
    Verdict,
)
from classifier.models.labels import LABEL_CHOICES
from classifier.ratings import HIGHEST, LOWEST, label_of
from classifier.review.exporting import write_verdicts
from classifier.review.judgement import InvalidJudgement, read_label_of, read_rating_of
from classifier.review.verdicts import confirm_all, record_verdict, withdraw_verdict

VERDICT_STEPS = {
    "reviewed": NextStep(
        _("No verdicts yet"),
        _(
            "Open the review queue: it shows one prediction after the other, first those that a "
            "visitor disagreed with. What you say there trains the next model."
        ),
        "admin:classifier_prediction_review",
        _("Review the next one"),
    ),
    "corrected": NextStep(
        _("No corrections yet"),
        _("Wherever reviewers looked, they said what the model says."),
        "admin:classifier_prediction_review",
        _("Review the next one"),
    ),
    "pending": NextStep(
        _("Nothing waits for review"),
        _("Every prediction has a verdict. Rate more, or train a model on what was said."),
        "review",
        _("Rate a review"),
    ),
}


class VerdictFilter(admin.SimpleListFilter):
    title = _("review")
    parameter_name = "review"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("pending", gettext("to review")),
            ("reviewed", gettext("reviewed")),
            ("corrected", gettext("corrected")),
        ]

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
        choices=[("", _("as the rating says")), *LABEL_CHOICES],
        required=False,
        label=_("Label:"),
        widget=UnfoldAdminSelectWidget,
    )
    verdict_rating = forms.TypedChoiceField(
        choices=[("", _("none")), *((rating, rating) for rating in range(LOWEST, HIGHEST + 1))],
        coerce=int,
        empty_value=None,
        required=False,
        label=_("Rating:"),
        widget=UnfoldAdminSelectWidget,
    )


class VerdictForm(forms.ModelForm):
    """A verdict on a prediction, in the labels of its model; a rating where that gives one."""

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        task = self.instance.prediction.model_version.task
        for name, read in (("label", read_label_of), ("rating", read_rating_of)):
            if name in cleaned:
                try:
                    cleaned[name] = read(task, cleaned[name])
                except InvalidJudgement as error:
                    self.add_error(name, error.told)
        return cleaned


class VerdictInline(OneForm):
    model = Verdict
    form = VerdictForm
    verbose_name_plural = _("Verdict: what you say of it")


class FeedbackInline(ReadRows):
    model = Feedback
    fields = readonly_fields = ("label", "rating", "disagrees", "source", "said_at")
    verbose_name_plural = _("Feedback: what visitors say of it")


@admin.register(Prediction)
class PredictionAdmin(ReviewPages, ImportPages, FactsAdmin):
    list_display = (
        "created_at",
        "excerpt",
        "label",
        "rating",
        "interval",
        "certainty",
        "reviewer_says",
        "source",
        "model_version",
    )
    list_display_links = ("created_at", "excerpt")
    list_filter = (
        VerdictFilter,
        "label",
        "rating",
        "source",
        "truncated",
        LanguageFilter,
        "model_version",
    )
    list_select_related = ("model_version", "verdict")
    search_fields = ("text", "=id", "=text_sha256")
    search_help_text = _("Words of the review, an id, or the SHA-256 of a text")
    date_hierarchy = "created_at"
    inlines = (VerdictInline, FeedbackInline)
    action_form = VerdictActionForm
    actions = ("confirm", "set_verdicts", "export_csv", "export_jsonl", "purge_texts")
    next_step = NextStep(
        _("No review has been rated yet"),
        _("Whatever visitors and programs have rated stands here, with what reviewers say of it."),
        "review",
        _("Rate a review"),
    )

    def next_step_of(self, request: HttpRequest) -> NextStep | None:
        if self.is_narrowed(request, by_others_than=VerdictFilter.parameter_name):
            return None
        return VERDICT_STEPS.get(request.GET.get(VerdictFilter.parameter_name, ""), self.next_step)

    @admin.display(description=_("review"))
    def excerpt(self, prediction: Prediction) -> str:
        return Truncator(prediction.text).chars(90) or gettext("(purged)")

    @admin.display(description=_("interval"))
    def interval(self, prediction: Prediction) -> str | None:
        ends = prediction.rating_interval
        return "{}–{}".format(*ends) if ends else None  # noqa: RUF001 (from one to the other)

    @admin.display(description=_("score"), ordering="score")
    def certainty(self, prediction: Prediction) -> str:
        return f"{prediction.score:.3f}"

    # Not named verdict: a list looks for a relation of that name first, and shows a dash.
    @admin.display(description=_("verdict"))
    def reviewer_says(self, prediction: Prediction) -> str:
        return str(getattr(prediction, "verdict", None) or gettext("none yet"))

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

    @admin.action(description=_("Confirm: the model was right"), permissions=["change"])
    def confirm(self, request: HttpRequest, queryset: PredictionQuerySet) -> None:
        confirmed = confirm_all(queryset.pending(), reviewer=request.user)
        self.message_user(
            request,
            ngettext(
                "{count} prediction confirmed; those that had a verdict keep it.",
                "{count} predictions confirmed; those that had a verdict keep it.",
                confirmed,
            ).format(count=confirmed),
        )

    @admin.action(description=_("Set: the label and the rating beside"), permissions=["change"])
    def set_verdicts(self, request: HttpRequest, queryset: PredictionQuerySet) -> None:
        form = self.action_form(request.POST, auto_id=False)
        form.fields["action"].choices = self.get_action_choices(request)
        rating = form.cleaned_data.get("verdict_rating") if form.is_valid() else None
        if rating is None:
            self.message_user(
                request,
                gettext(
                    "A verdict has a rating from {lowest} to {highest}. Found: none. "
                    "Give one beside the action."
                ).format(lowest=LOWEST, highest=HIGHEST),
                messages.ERROR,
            )
            return
        if queryset.filter(rating__isnull=True).exists():
            self.message_user(
                request,
                gettext(
                    "Several verdicts with a rating are set on predictions that have one. Found: "
                    "some without. Open those, or judge them in the review queue."
                ),
                messages.ERROR,
            )
            return
        label = form.cleaned_data["verdict_label"] or label_of(rating)
        with transaction.atomic():
            for prediction in queryset:
                record_verdict(prediction, label=label, rating=rating, reviewer=request.user)
        count = queryset.count()
        given = ngettext("{count} verdict: {said}.", "{count} verdicts: {said}.", count)
        said = f"{label} {rating}/{HIGHEST}"
        self.message_user(request, given.format(count=count, said=said))

    @admin.action(description=_("Export the verdicts as CSV"))
    def export_csv(self, request: HttpRequest, queryset: PredictionQuerySet) -> HttpResponseBase:
        return _exported("verdicts.csv", queryset)

    @admin.action(description=_("Export the verdicts as JSON Lines"))
    def export_jsonl(self, request: HttpRequest, queryset: PredictionQuerySet) -> HttpResponseBase:
        return _exported("verdicts.jsonl", queryset)

    @admin.action(description=_("Purge the texts; digests and scores stay"), permissions=["delete"])
    def purge_texts(self, request: HttpRequest, queryset: PredictionQuerySet) -> None:
        purged = purging.purge_texts(queryset, actor=request.user)
        said = ngettext("{count} text purged.", "{count} texts purged.", purged)
        self.message_user(request, said.format(count=purged))


def _exported(name: str, predictions: PredictionQuerySet) -> HttpResponseBase:
    """The verdicts of the chosen predictions, as a file to save."""
    file = TemporaryFile()  # noqa: SIM115 (the response closes it)
    write_verdicts(file, name, Verdict.objects.filter(prediction__in=predictions.order_by()))
    file.seek(0)
    return FileResponse(file, as_attachment=True, filename=name)
