"""Which configurations of a project are understood, and what is said of the others."""

from pathlib import Path
from typing import Any

import pytest

from classifier.api.label_studio.label_config import (
    MAX_CHARS,
    InvalidLabelConfig,
    Stars,
    read_label_config,
)
from classifier.api.label_studio.regions import rating_of, stars_of
from tests.classifier.label_studio.projects import CONFIG

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "label-studio.md"
PAIR = '<Choice value="Positive"/><Choice value="Negative"/>'
TEXT = '<Text name="review" value="$text"/>'


def documented() -> str:
    """The configuration that the documentation gives to paste."""
    return DOCUMENT.read_text(encoding="utf-8").split("```xml")[1].split("```")[0]


def choices(inside: str = PAIR, more: str = "") -> str:
    return f'<Choices name="sentiment" toName="review" {more}>{inside}</Choices>'


def view(*tags: str) -> str:
    return f"<View>{''.join(tags)}</View>"


def test_the_tags_that_concern_a_review_are_found() -> None:
    config = read_label_config(CONFIG)

    assert (config.text, config.key, config.choices) == ("review", "text", "sentiment")
    assert config.labels == {"Positive": "POSITIVE", "Negative": "NEGATIVE"}
    assert config.stars == Stars("stars", 5)


def test_the_documented_configuration_is_understood() -> None:
    config = read_label_config(documented())

    assert config.choice_of("NEGATIVE") == "Negative"
    assert config.stars == Stars("stars", 10)


@pytest.mark.parametrize(
    ("inside", "positive", "negative"),
    [
        ('<Choice value="pos"/><Choice value="neg"/>', "pos", "neg"),
        ('<Choice value="1"/><Choice value="0"/>', "1", "0"),
        (
            '<Choice value="Gut" alias="positive"/><Choice value="Schlecht" alias="negative"/>',
            "positive",
            "negative",
        ),
        ('<Choice value="Good" alias="g"/><Choice value="Bad" alias="b"/>', "g", "b"),
        ('<Choice value=" POSITIVE "/><Choice value="bad"/>', " POSITIVE ", "bad"),
        ('<Choice value="Good"/><Choice value="Positive"/><Choice value="Bad"/>', "Good", "Bad"),
        (f"<View>{PAIR}</View>", "Positive", "Negative"),
        (f'<Choice value="1" alias="bad"/>{PAIR}', "Positive", "Negative"),
    ],
)
def test_a_choice_is_called_as_an_annotation_calls_it(
    inside: str, positive: str, negative: str
) -> None:
    config = read_label_config(view(TEXT, choices(inside)))

    assert config.choice_of("POSITIVE") == positive
    assert config.choice_of("NEGATIVE") == negative


@pytest.mark.parametrize(
    "config",
    [
        view('<Text name="note" value="Read it twice."/>', TEXT, choices()),
        view('<Image name="review" value="$image"/>', TEXT, choices()),
        view(TEXT, choices('<Choice value="Sport"/>'), choices()),
        view(TEXT, choices(more='perRegion="true"'), choices()),
        view(TEXT, choices(more='peritem="True"'), choices()),
        view(TEXT, '<Choices toName="review">' + PAIR + "</Choices>", choices()),
        view(TEXT, choices()) + '<!-- {"data": {"text": "An example & more"}} -->',
        view('<TEXT NAME="review" VALUE="$text"/>', choices()),
        '<?xml version="1.0" encoding="utf-16"?>' + view(TEXT, choices()),
    ],
)
def test_what_does_not_concern_a_review_does_no_harm(config: str) -> None:
    read = read_label_config(config)

    assert (read.text, read.key, read.choices) == ("review", "text", "sentiment")
    assert read.stars is None


def test_stars_of_another_text_or_of_a_part_of_it_are_left_out() -> None:
    others = (
        '<Rating name="other" toName="title"/>',
        '<Rating name="part" toName="review" perRegion="true"/>',
        '<Rating name="stars" toName="review" maxRating="3"/>',
    )

    assert read_label_config(view(TEXT, choices(), *others)).stars == Stars("stars", 3)


@pytest.mark.parametrize(
    ("config", "code", "value"),
    [
        (None, "label_config_xml", "null"),
        ({"a": 1}, "label_config_xml", "an object"),
        ("", "label_config_xml", "an empty text"),
        ("  ", "label_config_xml", "an empty text"),
        ("<View>", "label_config_xml", "no element found"),
        ("not XML", "label_config_xml", "syntax error"),
        ("<View>&review;</View>", "label_config_xml", "undefined entity"),
        ("<View>\0</View>", "label_config_xml", "not well-formed"),
        ("<View a='\ud800'/>", "label_config_xml", "surrogates not allowed"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><View>&b;</View>', "label_config_xml", "a DOCTYPE"),
        ("<View>" + " " * MAX_CHARS + "</View>", "label_config_too_long", "200,013 characters"),
        (view(), "label_config_text", "the tags View"),
        (view('<Text name="review" value="text"/>', choices()), "label_config_text", "Text"),
        (view('<Text value="$text"/>', choices()), "label_config_text", "Text"),
        (view('<Text name="review" value="$"/>', choices()), "label_config_text", "Text"),
        (
            view('<Text name="review" value="$url" valueType="url"/>', choices()),
            "label_config_text",
            "Text",
        ),
        (
            view('<Text name="review" value="$text" encoding="base64"/>', choices()),
            "label_config_text",
            "Text",
        ),
        (view(TEXT), "label_config_choices", "no Choice"),
        (view(TEXT, choices('<Choice value="Positive"/>')), "label_config_choices", "Positive"),
        (
            view(TEXT, choices('<Choice value="Gut"/><Choice value="Schlecht"/>')),
            "label_config_choices",
            "the choices Gut, Schlecht",
        ),
        (
            view(TEXT, '<Choices name="sentiment" toName="title">' + PAIR + "</Choices>"),
            "label_config_choices",
            "Positive, Negative",
        ),
        *(
            (
                view(TEXT, choices(), f'<Rating name="s" toName="review" maxRating="{most}"/>'),
                "label_config_rating",
                most[:40],
            )
            for most in ("0", "-3", "2.5", "many", "9" * 5000, "٣")
        ),
    ],
    ids=lambda given: repr(given)[:40],
)
def test_another_configuration_is_refused(config: Any, code: str, value: str) -> None:
    with pytest.raises(InvalidLabelConfig) as refused:
        read_label_config(config)

    assert refused.value.code == code
    assert value in refused.value.value
    assert len(refused.value.value) < 2000


def test_a_deep_configuration_is_read_or_refused_at_once() -> None:
    depth = (MAX_CHARS - 300) // len("<a></a>")

    config = read_label_config(view("<a>" * depth + "</a>" * depth, TEXT, choices()))

    assert config.choices == "sentiment"


@pytest.mark.parametrize(
    ("most", "shown"),
    [
        (5, [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]),
        (10, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        (3, [1, 1, 1, 1, 2, 2, 2, 2, 3, 3]),
        (1, [1] * 10),
        (20, [2, 4, 6, 8, 10, 12, 14, 16, 18, 20]),
    ],
)
def test_a_rating_is_shown_in_the_projects_own_stars(most: int, shown: list[int]) -> None:
    assert [stars_of(rating, most) for rating in range(1, 11)] == shown


@pytest.mark.parametrize("most", [1, 2, 3, 4, 5, 7, 10])
def test_stars_are_a_rating_that_has_as_many_stars(most: int) -> None:
    assert [stars_of(rating_of(given, most), most) for given in range(1, most + 1)] == list(
        range(1, most + 1)
    )


@pytest.mark.parametrize("most", [1, 5, 10, 999])
def test_the_most_stars_are_the_best_rating(most: int) -> None:
    assert rating_of(most, most) == 10
    assert 1 <= rating_of(1, most) <= 10
