from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from classifier.exceptions import InvalidText
from classifier.services import review_text


class ReviewTextField(forms.Field):
    """A review, held to the same rules as the API's."""

    widget = forms.Textarea

    def clean(self, value: Any) -> str:
        try:
            return review_text(value or "")
        except InvalidText as error:
            raise ValidationError(str(error), code=error.code) from error


class ReviewForm(forms.Form):
    text = ReviewTextField(
        label="Your review",
        widget=forms.Textarea(
            attrs={"rows": 8, "placeholder": "Paste a review of a film, a book, a meal …"}
        ),
    )
