from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.text import Truncator

from classifier.bulk.preview import Preview
from classifier.exceptions import InvalidText
from classifier.labels import LABEL_CHOICES
from classifier.ratings import HIGHEST, LOWEST
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


class FeedbackForm(forms.Form):
    """What a visitor says of an answer."""

    label = forms.ChoiceField(choices=LABEL_CHOICES, widget=forms.RadioSelect)
    rating = forms.IntegerField(min_value=LOWEST, max_value=HIGHEST)


RADIOS = 12  # columns; more are a list to choose from
NAME_CHARS = 80


class BulkForm(forms.Form):
    """Which column of a table has the reviews, and what becomes of their texts.

    Columns are sent by their place: a browser changes the line ends within a name.
    """

    keep_texts = forms.TypedChoiceField(
        label="What becomes of the texts?",
        choices=[("no", "Delete them"), ("yes", "Keep them")],
        coerce=lambda said: said == "yes",
        widget=forms.RadioSelect,
        initial="no",
    )

    def __init__(self, preview: Preview, data: Any = None) -> None:
        super().__init__(data)
        self._columns = preview.columns
        self.fields["text_column"] = forms.TypedChoiceField(
            label="Which column has the reviews?",
            coerce=int,
            choices=[
                (place, Truncator(name).chars(NAME_CHARS) + self._guess(name, preview))
                for place, name in enumerate(preview.columns)
            ],
            widget=forms.RadioSelect if self.few_columns else forms.Select,
        )
        if preview.text_column is not None:
            self.initial["text_column"] = preview.columns.index(preview.text_column)

    @property
    def few_columns(self) -> bool:
        return len(self._columns) <= RADIOS

    def clean_text_column(self) -> str:
        place: int = self.cleaned_data["text_column"]
        return self._columns[place]

    @staticmethod
    def _guess(name: str, preview: Preview) -> str:
        if name != preview.text_column or len(preview.columns) == 1:
            return ""
        return " (this looks like it)" if preview.certain else " (this may be it)"
