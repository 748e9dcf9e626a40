"""rating.json in a model's directory: how the ratings of this model are made.

    {"map": "stars", "exact_weight": 0.5, "middle": 0.05, "interval_mass": 0.72, ...}
    {"map": "probability", "rating": [9 thresholds], "low": [9], "high": [9], ...}

What else it says (on which rows it was fitted, and what was measured) is for people.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from classifier.exceptions import ModelNotReady
from classifier.model_files import RATING, STAR_HEAD
from classifier.ratings import ConfidenceMap, ProbabilityMap, RatingMap, StarRule

PROBABILITY, STARS = "probability", "stars"


def read_rating_map(directory: Path) -> RatingMap:
    """The map that the model's rating.json describes; that of its confidence where it has none.

    Raises:
        ModelNotReady: the file says something else, or asks for a star head that is not there.
    """
    file = directory / RATING
    if not file.is_file():
        return ConfidenceMap()
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        found = _map_of(content)
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise ModelNotReady(
            code="model_rating",
            rule=f"{RATING} describes a map: probability with rating, low and high, or stars with "
            "exact_weight, middle and interval_mass.",
            value=f"{directory.name}: {type(error).__name__}: {str(error)[:200]}",
            remedy="Fit it again (manage.py calibrate), or remove it to rate by confidence.",
        ) from error
    if isinstance(found, StarRule) and not (directory / STAR_HEAD).is_file():
        raise ModelNotReady(
            code="star_head_missing",
            rule=f"A map of stars needs the star head beside it, {STAR_HEAD}.",
            value=f"{directory.name} has none",
            remedy="Export or pull the model again.",
        )
    return found


def rating_content(rating_map: ProbabilityMap | StarRule, facts: Mapping[str, Any]) -> Any:
    """What rating.json says of a map, and beside it `facts` of its fitting."""
    kind = STARS if isinstance(rating_map, StarRule) else PROBABILITY
    return {"map": kind, **asdict(rating_map), **facts}


def _map_of(content: Mapping[str, Any]) -> RatingMap:
    if content["map"] == STARS:
        return StarRule(
            **{name: float(content[name]) for name in ("exact_weight", "middle", "interval_mass")}
        )
    if content["map"] == PROBABILITY:
        return ProbabilityMap(
            **{name: tuple(map(float, content[name])) for name in ("rating", "low", "high")}
        )
    raise ValueError(f"no map is called {content['map']!r}")
