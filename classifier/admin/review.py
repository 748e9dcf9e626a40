"""The page where predictions are reviewed one after the other, by keyboard alone if one likes."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect

from classifier.exceptions import ModelNotReady
from classifier.explanation import Contribution, sentence_contributions
from classifier.labels import LABEL_CHOICES, NEGATIVE, POSITIVE
from classifier.models import Prediction, ReviewClaim, Verdict
from classifier.predictor import holder
from classifier.ratings import HIGHEST, LOWEST, label_of
from classifier.review import queue
from classifier.review.similar import similar_reviewed
from classifier.review.verdicts import record_verdict, undo_verdict

UNDO = "reviewed"  # in the session: what can be undone, the last one at the end
UNDOABLE = 20
EXPLAINED_CHARS = 6000  # of a text; its sentences are left out one by one, seconds for a long one


class JudgementForm(forms.Form):
    """What a reviewer says: the model is right, it is the other way round, or a rating."""

    prediction = forms.UUIDField(widget=forms.HiddenInput)
    judgement = forms.ChoiceField(
        choices=[(name, name) for name in ("confirm", "flip", "skip")], required=False
    )
    rating = forms.IntegerField(min_value=LOWEST, max_value=HIGHEST, required=False)
    label = forms.ChoiceField(choices=LABEL_CHOICES, required=False)
    note = forms.CharField(required=False, max_length=2000)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not cleaned.get("judgement") and cleaned.get("rating") is None:
            raise forms.ValidationError(
                "A judgement is confirm, flip, skip or a rating. Found: none of them. "
                "Choose a button."
            )
        return cleaned

    def said_of(self, prediction: Prediction) -> tuple[str, int]:
        """The label and the rating that the reviewer means."""
        judgement = self.cleaned_data["judgement"]
        if judgement == "confirm":
            return prediction.label, prediction.rating
        if judgement == "flip":
            other = NEGATIVE if prediction.label == POSITIVE else POSITIVE
            return other, LOWEST + HIGHEST - prediction.rating
        rating = self.cleaned_data["rating"]
        return self.cleaned_data["label"] or label_of(rating), rating


class ReviewPages(admin.ModelAdmin):
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
                    request, "It cannot be undone: somebody else judges it now.", messages.WARNING
                )
        return redirect("admin:classifier_prediction_review")

    def context_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """What helps to judge and takes a moment: which sentences counted, and similar reviews."""
        require_reviewer(request)
        prediction = Prediction.objects.filter(pk=pk).first()
        if prediction is None:
            raise Http404
        contributions: list[Contribution] | None = []
        if len(prediction.text) <= EXPLAINED_CHARS:
            try:
                contributions = sentence_contributions(prediction.text, holder.get().classify)
            except ModelNotReady:
                contributions = None
        return TemplateResponse(
            request,
            "admin/classifier/prediction/review_context.html",
            {
                "prediction": prediction,
                "parts": _parts(prediction.text, contributions or []),
                "no_model": contributions is None,
                "too_long": len(prediction.text) > EXPLAINED_CHARS,
                "similar": similar_reviewed(prediction.text),
            },
        )

    def _take(self, request: HttpRequest, form: JudgementForm) -> None:
        pk = form.cleaned_data["prediction"]
        try:
            claim = queue.held_claim(pk, request.user)
        except queue.ReviewLost as error:
            self.message_user(request, str(error), messages.WARNING)
            return
        judgement = form.cleaned_data["judgement"] or "rating"
        if judgement == "skip":
            queue.skip(claim)
        else:
            label, rating = form.said_of(claim.prediction)
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
                "title": "Review",
                "opts": self.opts,
                "prediction": prediction,
                "why": Verdict.ChosenBy(claim.chosen_by).label if claim else "",
                "feedback": list(prediction.feedback.all()[:5]) if prediction else [],
                "ratings": range(LOWEST, HIGHEST + 1),
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


def _parts(text: str, contributions: list[Contribution]) -> list[dict[str, Any]]:
    """The text in pieces, those that were looked at with their contribution."""
    parts: list[dict[str, Any]] = []
    place = 0
    largest = max((abs(one.contribution) for one in contributions), default=0.0)
    for one in contributions:
        parts.append({"text": text[place : one.start]})
        parts.append(
            {
                "text": text[one.start : one.end],
                "contribution": one.contribution,
                "strength": round(3 * abs(one.contribution) / largest) if largest else 0,
            }
        )
        place = one.end
    return [*parts, {"text": text[place:]}]
