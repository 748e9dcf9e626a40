"""Ratings as the regions of a Label Studio result, and what annotators say in such regions.

A region of a choice or of stars: https://labelstud.io/guide/export, "Raw JSON format".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from classifier.api.label_studio.label_config import LabelConfig, Stars
from classifier.models import Prediction
from classifier.ratings import HIGHEST, LOWEST


@dataclass(frozen=True)
class Said:
    """What an annotation says of its text."""

    label: str | None
    stars: int | None
    max_rating: int
    """The most stars there are."""
    prediction: UUID | None
    """The one that was shown to the annotator, where its region came back."""

    def rating_beside(self, rating: int) -> int | None:
        """The stars as a rating of 1..10; `rating` itself where that has as many."""
        if self.stars is None:
            return None
        if self.stars == stars_of(rating, self.max_rating):
            return rating
        return rating_of(self.stars, self.max_rating)


def stars_of(rating: int, max_rating: int) -> int:
    """A rating of 1..10 on a scale of 1..`max_rating`: to the nearest, halves up."""
    return max(1, (2 * rating * max_rating + HIGHEST) // (2 * HIGHEST))


def rating_of(stars: int, max_rating: int) -> int:
    """The rating of 1..10 for stars of 1..`max_rating`: to the nearest, halves up."""
    return max(LOWEST, (2 * stars * HIGHEST + max_rating) // (2 * max_rating))


def regions_of(prediction: Prediction, config: LabelConfig) -> list[dict[str, Any]]:
    """A prediction as a choice and, where the project has a Rating, as stars.

    The choice's id is the prediction's; Label Studio keeps it when an annotator takes it over.
    """
    regions = [
        {
            "id": str(prediction.pk),
            "from_name": config.choices,
            "to_name": config.text,
            "type": "choices",
            "value": {"choices": [config.choice_of(prediction.label)]},
            "score": prediction.score,
        }
    ]
    if config.stars:
        regions.append(
            {
                "id": f"{prediction.pk}-stars",
                "from_name": config.stars.name,
                "to_name": config.text,
                "type": "rating",
                "value": {"rating": stars_of(prediction.sentiment.rating, config.stars.max_rating)},
                "score": prediction.score,
            }
        )
    return regions


def said_in(result: object, config: LabelConfig) -> Said:
    """What the regions of an annotation say; None of what they do not say, or say in two ways."""
    labels, stars, predictions = set[str](), set[int](), set[UUID]()
    for region in result if isinstance(result, list) else []:
        value = region.get("value") if isinstance(region, dict) else None
        if not isinstance(value, dict) or region.get("to_name") != config.text:
            continue
        if region.get("from_name") == config.choices:
            labels |= _labels(value, config)
            predictions |= _prediction_ids(region)
        elif config.stars and region.get("from_name") == config.stars.name:
            stars |= _stars(value, config.stars)
    most = config.stars.max_rating if config.stars else 0
    return Said(_only(labels), _only(stars), most, _only(predictions))


def _labels(value: Mapping[str, Any], config: LabelConfig) -> set[str]:
    choices = value.get("choices")
    return {
        config.labels[choice]
        for choice in (choices if isinstance(choices, list) else [])
        if isinstance(choice, str) and choice in config.labels
    }


def _stars(value: Mapping[str, Any], stars: Stars) -> set[int]:
    given = value.get("rating")
    if isinstance(given, bool) or not isinstance(given, int | float):
        return set()
    return {int(given)} if given % 1 == 0 and 1 <= given <= stars.max_rating else set()


def _prediction_ids(region: Mapping[str, Any]) -> set[UUID]:
    try:
        return {UUID(str(region.get("id")))}
    except ValueError:
        return set()


def _only(values: set[Any]) -> Any:
    return next(iter(values)) if len(values) == 1 else None
