"""How a contribution is written."""

from django import template
from django.template.defaultfilters import floatformat

register = template.Library()

MINUS = "\u2212"


@register.filter
def signed(contribution: float, digits: int) -> str:
    """With its sign and in the reader's language: "+0.31"; a nought has none."""
    amount = floatformat(abs(contribution), digits)
    if not round(abs(contribution), digits):
        return str(amount)
    return f"{'+' if contribution > 0 else MINUS}{amount}"
