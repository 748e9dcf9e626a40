"""A model card as HTML: README.md beside the weights, which may come from anybody on the Hub."""

from dataclasses import dataclass, field
from typing import Any

import nh3
import yaml
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

LONGEST = 200_000  # characters that are shown
LONGEST_FRONT = 20_000  # of the front matter; a longer one is not read
TAGS = {
    *("p", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "dl", "dt", "dd", "blockquote", "pre"),
    *("code", "em", "strong", "del", "sub", "sup", "br", "hr", "a"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
LINKS = {"http", "https", "mailto"}


@dataclass(frozen=True)
class Card:
    html: SafeString
    """Empty where there is no card."""
    front: dict[str, Any] = field(default_factory=dict)
    """The YAML that the Hub reads; empty where there is none or it is broken."""

    @property
    def licence(self) -> str:
        return self.text_of("license")

    def text_of(self, key: str) -> str:
        """What the front matter says; several things with commas between."""
        value = self.front.get(key, "")
        values = value if isinstance(value, list) else [value]
        return ", ".join(str(each) for each in values if isinstance(each, str | int | float))


def read_card(markdown: str) -> Card:
    """Render a card, without scripts, styles, pictures and forms, whatever it holds.

    Its headings go down by one, as the page has its own; pictures become what stands for them,
    since they would be fetched from elsewhere.
    """
    front, body = _parted(markdown[:LONGEST])
    tokens = _parser().parse(body)
    for place, token in enumerate(tokens):
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + 1)}"
        if token.type == "th_open" and not tokens[place + 1].content:
            token.tag = tokens[place + 2].tag = "td"  # a corner heads nothing
    rendered = _parser().renderer.render(tokens, _parser().options, {})
    safe = nh3.clean(
        rendered,
        tags=TAGS,
        attributes={"a": {"href"}},
        url_schemes=LINKS,
        link_rel="nofollow noopener noreferrer",
    )
    # nh3 has let nothing through but TAGS and addresses of LINKS.
    # nosemgrep: escaped-html
    return Card(mark_safe(safe.strip()), front)  # noqa: S308  # nosec B308 B703


def _parser() -> MarkdownIt:
    return (
        MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).disable("image")
    )


def _parted(markdown: str) -> tuple[dict[str, Any], str]:
    """The front matter, and what comes after it."""
    text = markdown.replace("\r\n", "\n").lstrip("\ufeff")
    if not text.startswith("---\n"):
        return {}, text
    front, found, body = text[4:].partition("\n---\n")
    if not found:
        return {}, text
    try:
        known = yaml.safe_load(front) if len(front) <= LONGEST_FRONT else None
    except yaml.YAMLError:
        known = None
    return (known if isinstance(known, dict) else {}), body
