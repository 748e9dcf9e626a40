"""What a project's labelling configuration says of the sentiment of a review.

Tags and their attributes: https://labelstud.io/tags/text, /choices, /choice and /rating.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from xml.etree import ElementTree

from classifier.bulk.table import listed
from classifier.exceptions import ClassifierError
from classifier.labels import NEGATIVE, POSITIVE, canonical_label
from classifier.messages import counted, message
from classifier.texts import json_type

MAX_CHARS = 200_000  # of a configuration
MAX_RATING = 5  # of a Rating tag that does not say it
REMEDY = message("See docs/how-to/label-studio.md for a configuration to paste.")


class InvalidLabelConfig(ClassifierError):
    """A configuration in which nobody says of a text whether it is positive or negative."""


@dataclass(frozen=True)
class Stars:
    """A Rating tag."""

    name: str
    max_rating: int


@dataclass(frozen=True)
class LabelConfig:
    """The tags that concern a review."""

    text: str
    """Name of the Text tag."""
    key: str
    """Under which a task's data has the review."""
    choices: str
    """Name of the Choices tag."""
    labels: Mapping[str, str]
    """NEGATIVE or POSITIVE by what an annotation calls the choice; other choices are left out."""
    stars: Stars | None

    def choice_of(self, label: str) -> str:
        """What an annotation calls the first choice that means a label."""
        return next(choice for choice, meant in self.labels.items() if meant == label)


class _Tag(NamedTuple):
    kind: str  # in lower case, as are the names of attributes
    attributes: dict[str, str]
    element: ElementTree.Element

    @property
    def name(self) -> str:
        return self.attributes.get("name", "")

    def is_about(self, text: str) -> bool:
        """Whether it is said of a whole text and not of a part of it."""
        parts = (self.attributes.get(of, "").lower() for of in ("perregion", "peritem"))
        return bool(self.name) and self.attributes.get("toname") == text and "true" not in parts


def read_label_config(xml: object) -> LabelConfig:
    """The first Text with Choices that have both labels, and its Rating where it has one.

    Args:
        xml: the project's configuration, as Label Studio sends it.

    Raises:
        InvalidLabelConfig: it is no XML, or has no such tags.
    """
    tags = list(_tags(_root(xml)))
    texts = {tag.name: key for tag in tags if tag.name and (key := _key(tag))}
    if not texts:
        raise InvalidLabelConfig(
            code="label_config_text",
            rule=message('There must be a Text tag with a name and a value such as "$text".'),
            value=message("the tags {names}", names=listed([tag.element.tag for tag in tags])),
            remedy=REMEDY,
        )
    for tag in tags:
        text = tag.attributes.get("toname", "")
        if tag.kind != "choices" or text not in texts or not tag.is_about(text):
            continue
        labels = _labels(_tags(tag.element))
        if {*labels.values()} == {NEGATIVE, POSITIVE}:
            return LabelConfig(text, texts[text], tag.name, labels, _stars(tags, text))
    choices = [tag.attributes.get("value", "") for tag in tags if tag.kind == "choice"]
    raise InvalidLabelConfig(
        code="label_config_choices",
        rule=message(
            "A Text must have Choices with a Choice that means positive, and one that means "
            "negative."
        ),
        value=message("the choices {names}", names=listed(choices))
        if choices
        else message("no Choice"),
        remedy=message(
            "Name them so in value or alias: Positive, Negative. See docs/how-to/label-studio.md "
            "for a configuration to paste."
        ),
    )


def _root(xml: object) -> ElementTree.Element:
    if not isinstance(xml, str) or not xml.strip():
        raise _not_xml(message("an empty text") if isinstance(xml, str) else json_type(xml))
    if len(xml) > MAX_CHARS:
        raise InvalidLabelConfig(
            code="label_config_too_long",
            rule=message(
                "A labelling configuration may have {most:,} characters at most.", most=MAX_CHARS
            ),
            value=counted("{count:,} character", "{count:,} characters", count=len(xml)),
            remedy=message("Shorten it; comments count, too."),
        )
    # It alone declares entities, and those that it does not declare are not XML.
    if "<!DOCTYPE" in xml:
        raise _not_xml(message("a DOCTYPE"))
    try:
        return ElementTree.fromstring(xml)  # noqa: S314 (nothing in it can expand)  # nosec B314
    except (ElementTree.ParseError, ValueError) as error:  # ValueError: a lone surrogate
        raise _not_xml(str(error)[:200]) from error


def _not_xml(value: str) -> InvalidLabelConfig:
    return InvalidLabelConfig(
        code="label_config_xml",
        rule=message("A labelling configuration must be XML, without a DOCTYPE."),
        value=value,
        remedy=REMEDY,
    )


def _tags(root: ElementTree.Element) -> Iterable[_Tag]:
    for element in root.iter():
        attributes = {name.lower(): value for name, value in element.attrib.items()}
        yield _Tag(element.tag.lower(), attributes, element)


def _key(tag: _Tag) -> str:
    """Under which a task's data has the text that the tag shows; empty where it shows none."""
    elsewhere = tag.attributes.get("valuetype", "text").lower() == "url"
    encoded = tag.attributes.get("encoding", "none").lower() != "none"
    value = tag.attributes.get("value", "")
    if tag.kind != "text" or elsewhere or encoded or not value.startswith("$"):
        return ""
    return value[1:]


def _labels(tags: Iterable[_Tag]) -> dict[str, str]:
    labels = {}
    for tag in tags:
        names = [tag.attributes.get(name, "") for name in ("alias", "value")]
        meant = {label for name in names if (label := canonical_label(name))}
        if tag.kind == "choice" and len(meant) == 1:
            labels[names[0] or names[1]] = meant.pop()  # an alias takes the place of the value
    return labels


def _stars(tags: Iterable[_Tag], text: str) -> Stars | None:
    for tag in tags:
        if tag.kind == "rating" and tag.is_about(text):
            most = tag.attributes.get("maxrating", str(MAX_RATING))
            if not re.fullmatch("[1-9][0-9]{0,2}", most):
                raise InvalidLabelConfig(
                    code="label_config_rating",
                    rule=message("maxRating of a Rating is a whole number from 1 to 999."),
                    value=repr(most[:50]),
                    remedy=message(
                        'Write maxRating="10", or leave it out for {default}.', default=MAX_RATING
                    ),
                )
            return Stars(tag.name, int(most))
    return None
