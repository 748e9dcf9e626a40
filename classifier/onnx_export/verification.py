"""Whether a graph says what the model says that it was made from."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from classifier.engines import Engine
from classifier.windows import WindowLogits, combine, softmax

# An int8 graph is accepted if no label changes that the model was sure of, and if probabilities
# move little on average and nowhere far. The sample texts contradict themselves: on one processor
# the starter's graph moved one of 80 by 0.2, which turned a label with a lead of 0.36, while the
# labels of 300 real reviews agreed as often as with 8-bit weights.
SURE = 0.5  # lead of the first label over the second, in probability
MAX_MEAN_DIFFERENCE = 0.03
MAX_DIFFERENCE = 0.35


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

    @property
    def accepted(self) -> bool:
        return (
            self.same_tokens
            and self.sure_labels_changed == 0
            and self.mean_probability_difference <= MAX_MEAN_DIFFERENCE
            and self.largest_probability_difference <= MAX_DIFFERENCE
        )

    def summary(self) -> str:
        """What decides on acceptance, in words."""
        return (
            f"{self.sure_labels_changed} clear labels changed, probabilities moved by "
            f"{self.mean_probability_difference:.3f} on average (allowed: {MAX_MEAN_DIFFERENCE}) "
            f"and {self.largest_probability_difference:.3f} at most (allowed: {MAX_DIFFERENCE})"
            + ("" if self.same_tokens else ", and texts were cut into other tokens")
        )

    def facts(self) -> dict[str, Any]:
        """For metrics.json."""
        return {**asdict(self), "accepted": self.accepted}


def verify(
    graph: Engine, model: Engine, texts: Sequence[str], pairs: Sequence[tuple[str, str]]
) -> Verification:
    """Read single texts and pairs of them with both engines."""
    read = [_read(engine, texts, pairs) for engine in (graph, model)]
    found, expected = (
        np.stack([softmax(combine(windows)) for windows in windowed]) for windowed in read
    )
    same = found.argmax(axis=1) == expected.argmax(axis=1)
    ranked = np.sort(expected, axis=1)
    sure = ranked[:, -1] - ranked[:, -2] > SURE
    differences = np.abs(found - expected).max(axis=1)
    return Verification(
        texts=len(expected),
        label_agreement=float(same.mean()),
        sure_labels_changed=int((sure & ~same).sum()),
        mean_probability_difference=float(differences.mean()),
        largest_probability_difference=float(differences.max()),
        same_tokens=all(
            one.tokens.tolist() == other.tokens.tolist() for one, other in zip(*read, strict=True)
        ),
    )


def _read(
    engine: Engine, texts: Sequence[str], pairs: Sequence[tuple[str, str]]
) -> list[WindowLogits]:
    first, second = zip(*pairs, strict=True)
    return engine.read(texts) + engine.read(first, second)
