"""Labels as choices of columns and forms, named in the reader's language."""

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from classifier.labels import LABEL_NAMES
from classifier.languages import told_lazily

LABEL_CHOICES = [(label, told_lazily(name)) for label, name in LABEL_NAMES.items()]

LABEL_CHARS = 100


class LabelField(models.CharField):
    """A label: one of the two sentiments, told in words, or one of another model's own."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"max_length": LABEL_CHARS, "choices": LABEL_CHOICES, **options})

    def deconstruct(self) -> Any:
        name, _path, args, options = super().deconstruct()
        return name, "django.db.models.CharField", args, options  # what it is to the database

    def validate(self, value: Any, model_instance: Any) -> None:
        # The choices name the two; which others there are, each model knows of itself.
        if not value and not self.blank:
            raise ValidationError(self.error_messages["blank"], code="blank")


def label_choices(labels: Iterable[str]) -> list[tuple[str, Any]]:
    """The labels of a model, for a form."""
    names = dict(LABEL_CHOICES)
    return [(label, names.get(label, label)) for label in labels]
