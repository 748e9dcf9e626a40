from collections.abc import Iterable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.text import Truncator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from classifier.bulk.preview import Preview
from classifier.exceptions import InvalidText
from classifier.models.labels import label_choices
from classifier.ratings import HIGHEST, LOWEST
from classifier.services import review_text
from classifier.task import Task


class ReviewTextField(forms.Field):
    """A review, held to the same rules as the API's."""

    widget = forms.Textarea

    def to_python(self, value: Any) -> str:
        # A browser sends CR LF for each line end that was typed or pasted.
        return (value or "").replace("\r\n", "\n")

    def clean(self, value: Any) -> str:
        return _cleaned(self.to_python(value))


class ReviewsField(ReviewTextField):
    """One review or several, of which only the form knows."""

    def clean(self, value: Any) -> str:
        return self.to_python(value)


class ReviewForm(forms.Form):
    """A review; or, where each line is one, several.

    Valid, its `cleaned_data["texts"]` are ready to be rated. Those of more lines than `most` are
    as they came: they go the way of files, where each that cannot be rated says why.
    """

    text = ReviewsField(
        label=_("Your review"),
        widget=forms.Textarea(
            attrs={"rows": 9, "placeholder": _("Paste a review of a film, a book, a meal …")}
        ),
    )
    lines = forms.BooleanField(label=_("Each line is a review"), required=False)

    def __init__(
        self, data: Any = None, *, most: int = 1, task: Task | None = None, **options: Any
    ) -> None:
        super().__init__(data, **options)
        self._most = most
        self._task = task or Task()
        if not self._task.rated:
            self.fields["text"].label = _("Your text")
            self.fields["text"].widget.attrs["placeholder"] = ""
            self.fields["lines"].label = _("Each line is a text")
        if self._task.pairs:
            self.fields["text"].label = _("First text")
            self.fields["text"].widget.attrs |= {"rows": 4, "placeholder": ""}
            self.fields["text_pair"] = ReviewTextField(
                label=_("Second text"), widget=forms.Textarea(attrs={"rows": 7})
            )
            del self.fields["lines"]

    def clean(self) -> dict[str, Any]:
        text = self.cleaned_data["text"]
        if self._task.pairs:
            second = self.cleaned_data.get("text_pair")
            pairs = None if second is None else [second]
            return {**self.cleaned_data, "texts": self._texts([("", text)]), "pairs": pairs}
        numbered = enumerate(text.split("\n"), start=1)
        lines = [(number, line) for number, line in numbered if line.strip()]
        if not (self.cleaned_data["lines"] and lines):
            texts = self._texts([("", text)])
        elif len(lines) > self._most:
            texts = [line for _number, line in lines]
        else:
            texts = self._texts(
                [(_("Line {number}: ").format(number=number), line) for number, line in lines]
            )
        return {**self.cleaned_data, "texts": texts, "pairs": None}

    def _texts(self, named: Iterable[tuple[str, str]]) -> list[str]:
        texts = []
        for name, text in named:
            try:
                texts.append(_cleaned(text))
            except ValidationError as error:
                self.add_error("text", ValidationError(f"{name}{error.message}", code=error.code))
        return texts


class CompareForm(forms.Form):
    """Two reviews to be seen side by side."""

    first = ReviewTextField(label=_("First review"), widget=forms.Textarea(attrs={"rows": 7}))
    second = ReviewTextField(label=_("Second review"), widget=forms.Textarea(attrs={"rows": 7}))


def _cleaned(text: str) -> str:
    """
    Raises:
        ValidationError: it cannot be rated; with the code of the InvalidText.
    """
    try:
        return review_text(text)
    except InvalidText as error:
        raise ValidationError(error.told, code=error.code) from error


class FeedbackForm(forms.Form):
    """What a visitor says of an answer: a label of its model and, where it has one, a rating."""

    label = forms.ChoiceField(label=_("Label"), widget=forms.RadioSelect)
    rating = forms.IntegerField(label=_("Rating"), min_value=LOWEST, max_value=HIGHEST)

    def __init__(self, data: Any = None, *, task: Task, **options: Any) -> None:
        super().__init__(data, **options)
        self.fields["label"].choices = label_choices(task.labels)  # type: ignore[attr-defined]
        if not task.rated:
            del self.fields["rating"]

    def clean(self) -> dict[str, Any]:
        return {"rating": None, **self.cleaned_data}


RADIOS = 12  # columns; more are a list to choose from
NAME_CHARS = 80


class BulkForm(forms.Form):
    """Which column of a table has the reviews, and what becomes of their texts.

    Columns are sent by their place: a browser changes the line ends within a name.
    """

    keep_texts = forms.TypedChoiceField(
        label=_("What becomes of the texts?"),
        choices=[("no", _("Delete them")), ("yes", _("Keep them"))],
        coerce=lambda said: said == "yes",
        widget=forms.RadioSelect,
        initial="no",
    )

    def __init__(self, preview: Preview, data: Any = None) -> None:
        super().__init__(data)
        self._columns = preview.columns
        self.fields["text_column"] = forms.TypedChoiceField(
            label=_("Which column has the reviews?"),
            coerce=int,
            choices=[
                (place, self._shown(Truncator(name).chars(NAME_CHARS), name, preview))
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
    def _shown(shown: str, name: str, preview: Preview) -> str:
        if name != preview.text_column or len(preview.columns) == 1:
            return shown
        if preview.certain:
            return gettext("{column} (this looks like it)").format(column=shown)
        return gettext("{column} (this may be it)").format(column=shown)
