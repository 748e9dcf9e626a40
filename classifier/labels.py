"""The two labels, and every other spelling of them that models and data sets use."""

from collections.abc import Mapping, Sequence

from classifier.messages import message

NEGATIVE = "NEGATIVE"
POSITIVE = "POSITIVE"

ID2LABEL = {0: NEGATIVE, 1: POSITIVE}
LABEL_NAMES = {NEGATIVE: message("negative"), POSITIVE: message("positive")}
"""In words; of a review."""

_SPELLINGS = {
    NEGATIVE: {"negative", "neg", "bad", "0", "label_0"},
    POSITIVE: {"positive", "pos", "good", "1", "label_1"},
}


def canonical_label(name: str) -> str | None:
    """NEGATIVE or POSITIVE for any known spelling of either, else None."""
    folded = name.strip().casefold()
    for label, spellings in _SPELLINGS.items():
        if folded in spellings:
            return label
    return None


def canonical_labels(names: Sequence[str]) -> tuple[str, ...]:
    """`names` spelt our way where all are spellings of the two sentiments, else as they are."""
    canonical = [label for name in names if (label := canonical_label(name))]
    if len(canonical) == len(names) and set(canonical) == {NEGATIVE, POSITIVE}:
        return tuple(canonical)
    return tuple(names)


def labels_of(id2label: Mapping[int | str, str]) -> tuple[str, ...]:
    """The label names of a model's `id2label`, in the order of its outputs.

    Raises ValueError where the ids are not 0 .. n-1.
    """
    by_id = {int(key): name for key, name in id2label.items()}
    if sorted(by_id) != list(range(len(by_id))):
        raise ValueError(
            f"id2label must number its labels 0 .. n-1, but its ids are {sorted(by_id)}. "
            "Mend id2label in the model's config.json."
        )
    return canonical_labels([by_id[index] for index in range(len(by_id))])
