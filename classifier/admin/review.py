"""The page where predictions are reviewed one after the other, by keyboard alone if one likes."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect

from classifier.admin.base import SiteAdmin
from classifier.exceptions import ExplanationUnavailable, ModelNotReady
from classifier.explanation.explaining import Explanation, explain
from classifier.explanation.marks import marked
from classifier.labels import NEGATIVE, POSITIVE
from classifier.models import Prediction, ReviewClaim, Verdict
from classifier.models.labels import LABEL_CHARS, label_choices
from classifier.prediction_shown import ShownPrediction
from classifier.ratings import HIGHEST, LOWEST, label_of
from classifier.review import queue
from classifier.review.judgement import (
    InvalidJudgement,
    read_label,
    read_label_of,
    read_rating,
    read_rating_of,
)
from classifier.review.similar import similar_reviewed
from classifier.review.verdicts import record_verdict, undo_verdict

UNDO = "reviewed"  # in the session: what can be undone, the last one at the end
UNDOABLE = 20


class JudgementForm(forms.Form):
    """What a reviewer says: the model is right, it is the other way round, or a rating."""

    prediction = forms.UUIDField(widget=forms.HiddenInput)
    judgement = forms.ChoiceField(
        choices=[(name, name) for name in ("confirm", "flip", "skip")], required=False
    )
    rating = forms.IntegerField(min_value=LOWEST, max_value=HIGHEST, required=False)
    label = forms.CharField(max_length=LABEL_CHARS, required=False)
    note = forms.CharField(required=False, max_length=2000)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not (cleaned.get("judgement") or cleaned.get("rating") or cleaned.get("label")):
            raise forms.ValidationError(
                _(
                    "A judgement is confirm, flip, skip or a rating. Found: none of them. "
                    "Choose a button."
                )
            )
        return cleaned

    def said_of(self, prediction: Prediction) -> tuple[str, int | None]:
        """The label and the rating that the reviewer means.

        Raises:
            InvalidJudgement: it is no label of the model, or there is no rating where one is due.
        """
        judgement = self.cleaned_data["judgement"]
        if judgement == "confirm":
            return prediction.label, prediction.rating
        task = prediction.model_version.task
        rating = self.cleaned_data["rating"]
        if prediction.rating is None:
            return read_label_of(task, self.cleaned_data["label"]), read_rating_of(task, rating)
        if judgement == "flip":
            other = NEGATIVE if prediction.label == POSITIVE else POSITIVE
            return other, LOWEST + HIGHEST - prediction.rating
        rating = read_rating(rating)
        label = self.cleaned_data["label"]
        return read_label(label) if label else label_of(rating), rating


class ReviewPages(SiteAdmin):
    """The review queue, beside the list of predictions."""

    change_list_template = "admin/classifier/prediction/change_list.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("review/", view(self.review_view), name="classifier_prediction_review"),
            path("review/undo/", view(self.undo_view), name="classifier_prediction_review_undo"),
            path(
                "review/<uuid:pk>/context/",
                view(self.context_view),
                name="classifier_prediction_review_context",
            ),
            *super().get_urls(),
        ]

    @method_decorator([never_cache, csrf_protect])
    def review_view(self, request: HttpRequest) -> HttpResponse:
        """Show what is next, or take what was said of the one before."""
        require_reviewer(request)
        form = JudgementForm(request.POST or None)
        if request.method == "POST":
            if form.is_valid():
                self._take(request, form)
                return redirect("admin:classifier_prediction_review")
            errors = [str(error) for errors in form.errors.values() for error in errors]
            self.message_user(request, " ".join(errors), messages.ERROR)
        return self._page(request, queue.next_review(request.user))

    @method_decorator(csrf_protect)
    def undo_view(self, request: HttpRequest) -> HttpResponse:
        """Put back what was before the reviewer's last judgement, and show that review again."""
        require_reviewer(request)
        undoable = request.session.get(UNDO, [])
        if request.method == "POST" and undoable:
            *request.session[UNDO], [judgement, key, chosen_by] = undoable
            pk = UUID(key)
            if judgement == "skip":
                queue.take_back_skip(pk, request.user)
            else:
                undo_verdict(pk, reviewer=request.user)
            if queue.claim_review(pk, request.user, chosen_by) is None:
                self.message_user(
                    request,
                    gettext("It cannot be undone: somebody else judges it now."),
                    messages.WARNING,
                )
        return redirect("admin:classifier_prediction_review")

    def context_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """What helps to judge and takes a moment: which sentences counted, and similar reviews."""
        require_reviewer(request)
        prediction = Prediction.objects.filter(pk=pk).first()
        if prediction is None:
            raise Http404
        explanation: Explanation | None = None
        no_model = False
        if prediction.text:
            try:
                if prediction.rating is not None and not prediction.text_pair:
                    explanation = explain(prediction.text)
            except ModelNotReady:
                no_model = True
            except ExplanationUnavailable:
                explanation = None  # the model that is served by now has other labels
        return TemplateResponse(
            request,
            "admin/classifier/prediction/review_context.html",
            {
                "prediction": prediction,
                "marked": marked(prediction.text, explanation) if explanation else None,
                "no_model": no_model,
                "similar": similar_reviewed(prediction.text),
            },
        )

    def _take(self, request: HttpRequest, form: JudgementForm) -> None:
        pk = form.cleaned_data["prediction"]
        try:
            claim = queue.held_claim(pk, request.user)
        except queue.ReviewLost as error:
            self.message_user(request, error.told, messages.WARNING)
            return
        judgement = form.cleaned_data["judgement"] or "rating"
        if judgement == "skip":
            queue.skip(claim)
        else:
            try:
                label, rating = form.said_of(claim.prediction)
            except InvalidJudgement as error:
                self.message_user(request, error.told, messages.ERROR)
                return
            record_verdict(
                claim.prediction,
                label=label,
                rating=rating,
                note=form.cleaned_data["note"],
                reviewer=request.user,
                chosen_by=claim.chosen_by,
            )
        undoable = [*request.session.get(UNDO, []), [judgement, str(pk), claim.chosen_by]]
        request.session[UNDO] = undoable[-UNDOABLE:]

    def _page(self, request: HttpRequest, claim: ReviewClaim | None) -> HttpResponse:
        prediction = claim.prediction if claim else None
        return TemplateResponse(
            request,
            "admin/classifier/prediction/review.html",
            {
                **self.admin_site.each_context(request),
                "title": gettext("Review"),
                "opts": self.opts,
                "prediction": prediction,
                "why": Verdict.ChosenBy(claim.chosen_by).label if claim else "",
                "feedback": list(prediction.feedback.all()[:5]) if prediction else [],
                "ratings": range(LOWEST, HIGHEST + 1),
                "labels": label_choices(prediction.model_version.task.labels) if prediction else [],
                "bars": ShownPrediction(prediction).bars if prediction else [],
                "waiting": queue.waiting(),
                "can_undo": bool(request.session.get(UNDO)),
                "list_url": reverse("admin:classifier_prediction_changelist"),
            },
        )


def require_reviewer(request: HttpRequest) -> None:
    """
    Raises:
        PermissionDenied: whoever asks may not give verdicts.
    """
    if not request.user.has_perms(["classifier.view_prediction", "classifier.add_verdict"]):
        raise PermissionDenied
