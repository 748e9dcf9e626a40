"""How the page of a comparison shows its figures."""

from django import template
from django.utils.translation import gettext

from classifier.messages import message, told
from classifier.versions.comparison import ClassMeasures, Comparison

register = template.Library()


@register.filter
def percent(share: float | None) -> str:
    """A share of 0..1 in percent; or that it is not known."""
    if share is None:
        return gettext("unknown")
    return told(message("{share:.1f} %", share=100 * share))


@register.filter
def as_percent(share: float) -> str:
    """The same for a number field."""
    return f"{100 * share:g}"


@register.filter
def by_class(compared: Comparison) -> list[tuple[str, ClassMeasures, ClassMeasures]]:
    """Each label with the measures of the version in service and of the candidate."""
    return [
        (label, measures, compared.candidate.classes[label])
        for label, measures in compared.serving.classes.items()
    ]
