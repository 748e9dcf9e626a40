"""What a model's card, the README.md beside its weights, says for programs."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

CARD = "README.md"


def card_of(directory: Path) -> str:
    """The card in a model's directory, "" where there is none."""
    file = directory / CARD
    return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""


@lru_cache(maxsize=8)  # a page asks with every rating, and YAML takes as long as the model
def languages_in(card: str) -> tuple[str, ...]:
    """The languages that a card says its model reads, as ISO 639 codes; none where it says none."""
    said = _front_matter(card).get("language")
    codes = [said] if isinstance(said, str) else said if isinstance(said, list) else []
    return tuple(code.lower().partition("-")[0] for code in codes if isinstance(code, str))


def _front_matter(card: str) -> Mapping[str, Any]:
    parts = card.split("---", 2)
    if len(parts) < 3 or parts[0].strip():
        return {}
    import yaml

    try:
        front = yaml.safe_load(parts[1])
    except yaml.YAMLError:
        return {}  # whoever wrote it wrote no YAML: it says nothing for programs
    return front if isinstance(front, dict) else {}
