"""What a model is asked for: its labels, whether it reads pairs, and whether a rating follows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from classifier.exceptions import InvalidText
from classifier.labels import NEGATIVE, POSITIVE
from classifier.messages import message

TEXT_PAIR = "text_pair"  # key in metrics.json: true for a model that reads pairs


class WrongPair(InvalidText):
    """A second text is missing, or there is one too many."""


@dataclass(frozen=True)
class Task:
    """What a model does with a text, or with a pair of texts."""

    labels: tuple[str, ...] = (NEGATIVE, POSITIVE)
    """Names of the model's outputs, in their order."""
    pairs: bool = False
    """Whether it reads a second text beside the first, such as a passage for a question."""

    @property
    def rated(self) -> bool:
        """Whether P(POSITIVE) and a rating follow: the labels are the two sentiments."""
        return sorted(self.labels) == [NEGATIVE, POSITIVE]

    @property
    def explained(self) -> bool:
        """Whether it can be said what the parts of a text add to P(POSITIVE)."""
        return self.rated and not self.pairs

    def require_pairs(self, given: bool) -> None:
        """Hold a request to what the model reads.

        Args:
            given: whether there is a second text.

        Raises:
            WrongPair: there is one and the model reads one text, or there is none and it reads two.
        """
        if given == self.pairs:
            return
        if self.pairs:
            raise WrongPair(
                code="text_pair_missing",
                rule=message(
                    "The model that is served reads two texts, such as a question and a passage."
                ),
                value=message("one text"),
                remedy=message("Give the second one, too: text_pair beside text."),
            )
        raise WrongPair(
            code="text_pair_unread",
            rule=message("The model that is served reads one text."),
            value=message("a second one"),
            remedy=message("Leave text_pair out, or let a model be served that reads pairs."),
        )


def reads_pairs(metrics: Mapping[str, Any]) -> bool:
    """Whether a model's metrics.json says that it reads pairs.

    Models that were trained before it said so have the column of the second texts in its config.
    """
    if TEXT_PAIR in metrics:
        return metrics[TEXT_PAIR] is True
    config = metrics.get("config")
    data = config.get("data") if isinstance(config, Mapping) else None
    return bool(isinstance(data, Mapping) and data.get("text_pair_column"))
