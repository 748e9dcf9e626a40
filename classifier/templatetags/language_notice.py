from typing import Any

from django import template

from classifier.models import Prediction
from classifier.unread_language import unread_language

register = template.Library()


@register.inclusion_tag("classifier/language_notice.html")
def language_notice(prediction: Prediction) -> dict[str, Any]:
    """A notice where the review is in a language that its model does not read."""
    return {"unread": unread_language(prediction)}
