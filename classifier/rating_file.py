"""rating.json in a model's directory: how the ratings of this model are made.

    {"map": "stars", "exact_weight": 0.5, "middle": 0.05, "interval_mass": 0.72, ...}
    {"map": "probability", "rating": [9 thresholds], "low": [9], "high": [9], ...}
    {"map": "confidence", "window_rule": "mean", ...}

Each may name the rule by which the windows of a long text are combined. What else it says (on
which rows it was fitted, and what was measured) is for people.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from classifier.exceptions import ModelNotReady
from classifier.messages import message
from classifier.model_files import RATING, STAR_HEAD
from classifier.ratings import ConfidenceMap, ProbabilityMap, RatingMap, StarRule
from classifier.windows import RULE, RULES

CONFIDENCE, PROBABILITY, STARS = ("confidence", "probability", "stars")
CHOICES = OF_MODEL, BY_CONFIDENCE = ("auto", CONFIDENCE)  # of CLASSIFIER_RATING
WINDOW_RULE = "window_rule"
MAX_BYTES = 1 << 20  # a map has some hundred


@dataclass(frozen=True)
class RatingFile:
    """What rating.json settles."""

    rating_map: RatingMap = field(default_factory=ConfidenceMap)
    window_rule: str = RULE
    """One of classifier.windows.RULES."""


def read_rating_file(directory: Path, *, choice: str = OF_MODEL) -> RatingFile:
    """What the model's rating.json says; the model's confidence and the usual rule without one.

    Args:
        choice: "auto", or "confidence" for that in place of the file's map.

    Raises:
        ModelNotReady: the file says something else, or asks for a star head that is not there; or
            `choice` is neither.
    """
    if choice not in CHOICES:
        raise ModelNotReady(
            code="rating_unknown",
            rule=message("CLASSIFIER_RATING is one of {names}.", names=", ".join(CHOICES)),
            value=repr(choice[:50]),
            remedy=message("Set it to one of them, or unset it for {usual}.", usual=OF_MODEL),
        )
    file = directory / RATING
    if not file.is_file():
        return RatingFile()
    try:
        found = _file_of(_content(file))
    except (
        *(OSError, ValueError, TypeError, AttributeError),
        *(KeyError, RecursionError, OverflowError),
    ) as error:
        raise ModelNotReady(
            code="model_rating",
            rule=message(
                "{rating} describes a map: probability with rating, low and high, stars with "
                "exact_weight, middle and interval_mass, or confidence; and perhaps a "
                "{window_rule}.",
                rating=RATING,
                window_rule=WINDOW_RULE,
            ),
            value=f"{directory.name}: {type(error).__name__}: {str(error)[:200]}",
            remedy=message(
                "Fit it again (manage.py calibrate), or remove it to rate by confidence."
            ),
        ) from error
    if isinstance(found.rating_map, StarRule) and not (directory / STAR_HEAD).is_file():
        raise ModelNotReady(
            code="star_head_missing",
            rule=message(
                "A map of stars needs the star head beside it, {star_head}.", star_head=STAR_HEAD
            ),
            value=message("{name} has none", name=directory.name),
            remedy=message("Export or pull the model again."),
        )
    return found if choice == OF_MODEL else replace(found, rating_map=ConfidenceMap())


def rating_content(
    rating_map: RatingMap, facts: Mapping[str, Any], *, window_rule: str = RULE
) -> dict[str, Any]:
    """What rating.json says of a map and a rule, and beside them `facts` of their fitting.

    Args:
        rating_map: a ConfidenceMap, a ProbabilityMap or a StarRule.
    """
    numbers: Any = rating_map
    kind = {ConfidenceMap: CONFIDENCE, ProbabilityMap: PROBABILITY, StarRule: STARS}
    return {"map": kind[type(numbers)], **asdict(numbers), WINDOW_RULE: window_rule, **facts}


def _content(file: Path) -> Any:
    if (size := file.stat().st_size) > MAX_BYTES:
        raise ValueError(f"it has {size:,} bytes, more than {MAX_BYTES:,}")
    return json.loads(file.read_text(encoding="utf-8"))


def _file_of(content: Mapping[str, Any]) -> RatingFile:
    rule = content.get(WINDOW_RULE, RULE)
    if not isinstance(rule, str) or rule not in RULES:
        raise ValueError(f"{WINDOW_RULE} is {rule!r}, none of {', '.join(RULES)}")
    return RatingFile(_map_of(content), rule)


def _map_of(content: Mapping[str, Any]) -> RatingMap:
    match content["map"]:
        case "confidence":
            return ConfidenceMap()
        case "probability":
            return ProbabilityMap(
                **{name: tuple(_numbers(content[name])) for name in ("rating", "low", "high")}
            )
        case "stars":
            names = ("exact_weight", "middle", "interval_mass")
            numbers = _numbers([content[name] for name in names])
            return StarRule(**dict(zip(names, numbers, strict=True)))
    raise ValueError(f"no map is called {content['map']!r}")


def _numbers(values: Any) -> list[float]:
    if not isinstance(values, list):
        raise TypeError(f"no list of numbers: {values!r}")
    for value in values:
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
        ):
            raise ValueError(f"no finite number: {value!r}")
    return [float(value) for value in values]
