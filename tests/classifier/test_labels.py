import pytest

from classifier.labels import (
    NEGATIVE,
    POSITIVE,
    canonical_label,
    canonical_labels,
    labels_of,
)


@pytest.mark.parametrize("name", ["POSITIVE", "positive", " Pos ", "good", "1", "LABEL_1"])
def test_every_spelling_of_positive_is_known(name: str) -> None:
    assert canonical_label(name) == POSITIVE


@pytest.mark.parametrize("name", ["NEGATIVE", "negative", " Neg ", "bad", "0", "LABEL_0"])
def test_every_spelling_of_negative_is_known(name: str) -> None:
    assert canonical_label(name) == NEGATIVE


@pytest.mark.parametrize("name", ["neutral", "", "2", "LABEL_2", "positively"])
def test_another_name_is_neither(name: str) -> None:
    assert canonical_label(name) is None


def test_the_two_sentiments_are_spelt_our_way_in_their_own_order() -> None:
    assert canonical_labels(["pos", "neg"]) == (POSITIVE, NEGATIVE)


@pytest.mark.parametrize(
    "names", [("neg", "neutral", "pos"), ("joy", "anger"), ("good", "fine"), ("pos",)]
)
def test_labels_that_are_not_the_two_sentiments_stay_as_they_are(names: tuple[str, ...]) -> None:
    assert canonical_labels(names) == names


def test_labels_come_in_the_order_of_the_outputs_whatever_the_order_of_the_mapping() -> None:
    assert labels_of({"1": "POSITIVE", "0": "NEGATIVE"}) == (NEGATIVE, POSITIVE)


def test_ids_with_a_gap_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"0 \.\. n-1, but its ids are \[0, 2\]\. Mend id2label"):
        labels_of({0: "NEGATIVE", 2: "POSITIVE"})
