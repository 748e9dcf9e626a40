"""Reviews to try the site with; our own."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class Example:
    slug: str
    title: str | Promise
    text: str
    """In English, as the starter reads it."""


EXAMPLES = (
    Example(
        "book",
        _("A book"),
        "I meant to read one chapter before bed and finished it at four in the morning. The "
        "sisters feel like people I have met, the ending is earned, and there is hardly a "
        "sentence I would cut. It is the best novel I have read in years.",
    ),
    Example(
        "restaurant",
        _("A restaurant"),
        "We waited fifty minutes for soup that arrived cold. The waiter forgot the wine, then "
        "charged us for it. The room is pretty, I will give them that, but nobody came to "
        "apologise and the bill was outrageous. Never again.",
    ),
    Example(
        "gadget",
        _("A gadget"),
        "The headphones are light, and the battery lasts a whole week. The sound is clear for "
        "the price, though the bass is a little thin. Pairing took two attempts, and since then "
        "they have simply worked.",
    ),
    Example(
        "mixed",
        _("Mixed feelings"),
        "The first half is wonderful: sharp jokes, a great cast, a town I would move to at once. "
        "Then the plot runs out of road, and the last hour is noisy, long and rather dull. I am "
        "glad that I saw it, and I would not see it twice.",
    ),
)


def example_text(slug: str) -> str:
    """The text of an example; none has this slug: an empty one."""
    return next((example.text for example in EXAMPLES if example.slug == slug), "")
