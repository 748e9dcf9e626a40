"""Whether a graph says what the model says that it was made from."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier.engines import Engine
from classifier.ratings import star_distribution
from classifier.windows import WindowLogits, combine, softmax

# An int8 graph is accepted if no label changes that the model was sure of, and if probabilities
# move little on average and nowhere far. The sample texts contradict themselves: on one processor
# the starter's graph moved one of 80 by 0.2, which turned a label with a lead of 0.36, while the
# labels of 300 real reviews agreed as often as with 8-bit weights. The ten ratings share out the
# probabilities of the labels, so what moves those far may move one of them as far. On average one
# of ten moves more than one of two: where its label does, and where its half is shared out. With a
# head fitted on 400 reviews, the starter's moved by 0.019 (labels: 0.018) on the sample texts, and
# by 0.014 (0.003) on 100 real ones.
SURE = 0.5  # lead of the first label over the second, in probability
MAX_MEAN_DIFFERENCE = 0.03
MAX_MEAN_STAR_DIFFERENCE = 2 * MAX_MEAN_DIFFERENCE
MAX_DIFFERENCE = 0.35  # of a label's probability, and of a rating's


@dataclass(frozen=True)
class Verification:
    """A graph beside the model that it was made from, on the same texts."""

    texts: int
    label_agreement: float
    """Share of the texts with the same label, 0..1."""
    sure_labels_changed: int
    """Texts whose label changed although the model's led by more than SURE."""
    mean_probability_difference: float
    largest_probability_difference: float
    """Over all texts and labels."""
    same_tokens: bool
    """Whether both read each text in as many windows and tokens."""
    mean_star_difference: float | None = None
    largest_star_difference: float | None = None
    """Of P(rating = 1), ..., P(rating = 10): over all texts and ratings; None without stars."""

    @property
    def accepted(self) -> bool:
        return (
            self.same_tokens
            and self.sure_labels_changed == 0
            and self.mean_probability_difference <= MAX_MEAN_DIFFERENCE
            and self.largest_probability_difference <= MAX_DIFFERENCE
            and (self.mean_star_difference or 0) <= MAX_MEAN_STAR_DIFFERENCE
            and (self.largest_star_difference or 0) <= MAX_DIFFERENCE
        )

    def summary(self) -> str:
        """What decides on acceptance, in words."""
        return (
            f"{self.sure_labels_changed} clear labels changed, probabilities moved by "
            f"{self.mean_probability_difference:.3f} on average (allowed: {MAX_MEAN_DIFFERENCE}) "
            f"and {self.largest_probability_difference:.3f} at most (allowed: {MAX_DIFFERENCE})"
            + self._stars_summary()
            + ("" if self.same_tokens else ", and texts were cut into other tokens")
        )

    def _stars_summary(self) -> str:
        if self.mean_star_difference is None or self.largest_star_difference is None:
            return ""
        return (
            f", those of the ratings by {self.mean_star_difference:.3f} (allowed: "
            f"{MAX_MEAN_STAR_DIFFERENCE}) and {self.largest_star_difference:.3f}"
        )

    def facts(self) -> dict[str, Any]:
        """For metrics.json."""
        found = {name: value for name, value in asdict(self).items() if value is not None}
        return {**found, "accepted": self.accepted}


def verify(
    graph: Engine,
    model: Engine,
    texts: Sequence[str],
    pairs: Sequence[tuple[str, str]],
    *,
    positive: int = -1,
) -> Verification:
    """Read single texts and pairs of them with both engines.

    Args:
        positive: which output is that of POSITIVE, for models with stars.
    """
    read = [_read(engine, texts, pairs) for engine in (graph, model)]
    found, expected = (
        np.stack([softmax(combine(windows).logits) for windows in windowed]) for windowed in read
    )
    same = found.argmax(axis=1) == expected.argmax(axis=1)
    ranked = np.sort(expected, axis=1)
    sure = ranked[:, -1] - ranked[:, -2] > SURE
    differences = np.abs(found - expected).max(axis=1)
    stars = _star_differences(read, [said[:, positive] for said in (found, expected)])
    return Verification(
        texts=len(expected),
        label_agreement=float(same.mean()),
        sure_labels_changed=int((sure & ~same).sum()),
        mean_probability_difference=float(differences.mean()),
        largest_probability_difference=float(differences.max()),
        same_tokens=all(
            one.tokens.tolist() == other.tokens.tolist() for one, other in zip(*read, strict=True)
        ),
        mean_star_difference=None if stars is None else float(stars.mean()),
        largest_star_difference=None if stars is None else float(stars.max()),
    )


def _star_differences(
    read: Sequence[Sequence[WindowLogits]], positive: Sequence[NDArray[np.float64]]
) -> NDArray[np.float64] | None:
    """The largest difference of the ten probabilities of each text; None without stars.

    Args:
        read: of the graph and of the model.
        positive: P(POSITIVE) of each text, of both.
    """
    texts = [[combine(windows) for windows in windowed] for windowed in read]
    graph, model = (
        [
            star_distribution(float(probability), text.stars.tolist())
            for probability, text in zip(probabilities, said, strict=True)
            if text.stars is not None
        ]
        for probabilities, said in zip(positive, texts, strict=True)
    )
    if len(graph) != len(model):  # one of the two has none
        return np.ones(len(positive[0]))
    return np.abs(np.subtract(graph, model)).max(axis=1) if model else None


def _read(
    engine: Engine, texts: Sequence[str], pairs: Sequence[tuple[str, str]]
) -> list[WindowLogits]:
    first, second = zip(*pairs, strict=True)
    return engine.read(texts) + engine.read(first, second)
