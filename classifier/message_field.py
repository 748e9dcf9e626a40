"""A column for messages, which are told in the language of whoever reads them later."""

import json
from typing import Any

from django.db import models

from classifier.messages import Message, from_data, to_data

_MARK = "\x1e"
"""What a kept message begins with: a control character that no sentence does."""


class MessageField(models.TextField):
    """A text that may be a message: kept as what it was made of, given back as it was."""

    def deconstruct(self) -> Any:
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.TextField", args, kwargs  # the column is a text's

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, Message):
            return _MARK + json.dumps(to_data(value), ensure_ascii=False)
        return super().get_prep_value(value)

    def from_db_value(self, value: str | None, *_: object) -> str | None:
        if value is None or not value.startswith(_MARK):
            return value
        return from_data(json.loads(value.removeprefix(_MARK)))
