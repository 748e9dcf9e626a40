"""Engines: what turns texts into logits. One small protocol, one file an engine."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from classifier.windows import WindowLogits


class Engine(Protocol):
    """A loaded model. Not safe for concurrent calls: the predictor serves one at a time."""

    def read(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> list[WindowLogits]:
        """The logits of each text's windows, in the order of `texts`, float64.

        Args:
            pairs: the second text of each, such as a passage for a question, or None.
        """
        ...


def open_engine(directory: Path) -> Engine:
    """Load the model in `directory`; imports the engine's library on first use."""
    from classifier.engines.transformers_pipeline import TransformersEngine

    return TransformersEngine(directory)
