import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest

from classifier.classification import Classification
from classifier.explanation import sentence_contributions, sentences
from classifier.predictor import load_predictor


def pieces(text: str, most: int = 16) -> list[str]:
    return [text[start:end] for start, end in sentences(text, most=most)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("It cost 3.50. A lot…", ["It cost 3.50.", "A lot…"]),
        ("“Never.” He left.", ["“Never.”", "He left."]),
        ("One line\nand another", ["One line", "and another"]),
        ("  spaces . around  ", ["spaces .", "around  "]),
        ("no end", ["no end"]),
        ("", []),
        ("\n\n", []),
    ],
)
def test_a_text_falls_into_sentences(text: str, found: list[str]) -> None:
    assert pieces(text) == found


def test_neighbours_are_put_together_where_there_are_too_many() -> None:
    text = " ".join(f"Number {number}." for number in range(40))

    found = sentences(text, most=16)

    assert len(found) <= 16
    assert found[0][0] == 0
    assert found[-1][1] == len(text)
    assert all(before < after for (_, before), (after, _) in itertools.pairwise(found))


def test_a_contribution_is_what_goes_when_the_sentence_goes(tiny_model_dir: Path) -> None:
    predictor = load_predictor(tiny_model_dir, models_dir=tiny_model_dir.parent)
    text = "a good film . The worst story. Brilliant!"

    found = sentence_contributions(text, predictor.classify)

    whole, *without = predictor.classify(
        [
            text,
            "The worst story. Brilliant!",
            "a good film .  Brilliant!",
            "a good film . The worst story.",
        ]
    )
    assert [text[one.start : one.end] for one in found] == [
        "a good film .",
        "The worst story.",
        "Brilliant!",
    ]
    assert [one.contribution for one in found] == pytest.approx(
        [whole.positive_probability - one.positive_probability for one in without], abs=1e-5
    )


def test_one_sentence_costs_no_reading() -> None:
    def classify(texts: Sequence[str]) -> Sequence[Classification]:
        raise AssertionError("nothing to compare")

    assert sentence_contributions("A single sentence.", classify) == []


def test_the_number_of_texts_that_are_rated_is_bounded() -> None:
    asked: list[int] = []

    def classify(texts: Sequence[str]) -> Sequence[Classification]:
        asked.append(len(texts))
        return [Classification("POSITIVE", 0.9, 0.9, 9, 1) for _ in texts]

    sentence_contributions("A sentence. " * 500, classify, most=16)

    assert asked == [17]
