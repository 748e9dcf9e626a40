"""What a rule is: a row in, a changed row of the same label out."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Row:
    """What a rule sees of a row: a text, or a question and its passage."""

    text: str
    text_pair: str = ""


Rule = Callable[[Row, np.random.Generator], Row | None]
"""The changed row, or None where the rule does not apply."""
