# ruff: noqa: RUF001 - the texts are Russian

import numpy as np
import pandas as pd
import pytest

from training.augmentation.rules import (
    PAIR_RULES,
    SINGLE_RULES,
    Row,
    Rule,
    generate_rows,
    sentences,
)
from training.data.reading import DataError

# Written for these tests.
PASSAGE = (
    "Ладога лежит на северо-западе. В старину её звали иначе. Рыбаки выходят рано. "
    "В озере Ладога водится сиг. Его ловят зимой. Дороги там узкие. Дома стоят редко. "
    "Летом приезжают гости."
)
NEAR = ("Ладога лежит", "В старину", "водится сиг", "ловят зимой")
FAR = ("Дороги там", "Дома стоят", "Летом приезжают")
PAIR = Row("Водится ли в Ладоге сиг?", PASSAGE)
REVIEW = Row(
    "The film starts slowly and is not bad. We liked the cast a lot. The music was fine. "
    "The evening ended late. Everybody went home with warm hearts."
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def changes(rule: Rule, row: Row, tries: int = 30) -> list[Row]:
    return [changed for seed in range(tries) if (changed := rule(row, rng(seed)))]


def frame() -> pd.DataFrame:
    words = ("дом", "лес", "мост", "сад", "пруд", "луг")
    return pd.DataFrame(
        {
            "text": [f"Стоит ли за рекой старый {word}?" for word in words],
            "text_pair": [f"За рекой стоит {word}. {PASSAGE}" for word in words],
            "label": [1, 1, 1, 1, 0, 0],
            "idx": range(6),
        }
    )


def test_sentences_end_neither_at_initials_nor_at_abbreviations() -> None:
    assert sentences("Им. А. С. Пушкина, ул. Новая. Он тут! Да?") == [
        "Им. А. С. Пушкина, ул. Новая.",
        "Он тут!",
        "Да?",
    ]
    assert sentences("Mr. Fox (see no. 5) left… Then «it» rained.") == [
        "Mr. Fox (see no. 5) left…",
        "Then «it» rained.",
    ]
    assert sentences("no end at all") == ["no end at all"]


@pytest.mark.parametrize("name", ["shorten_passage", "drop_far_sentences", "shuffle_far_sentences"])
def test_the_sentences_that_bear_on_the_question_stay_in_their_order(name: str) -> None:
    made = changes(PAIR_RULES[name], PAIR)
    assert made
    for row in made:
        assert row.text == PAIR.text
        places = [row.text_pair.find(part) for part in NEAR]
        assert -1 not in places
        assert places == sorted(places)


def test_a_shortened_passage_has_no_sentence_far_from_the_question() -> None:
    for row in changes(PAIR_RULES["shorten_passage"], PAIR):
        assert not any(part in row.text_pair for part in FAR)


def test_far_sentences_are_moved_and_none_is_lost() -> None:
    made = {row.text_pair for row in changes(PAIR_RULES["shuffle_far_sentences"], PAIR)}
    assert len(made) > 1
    assert {tuple(sorted(sentences(passage))) for passage in made} == {
        tuple(sorted(sentences(PASSAGE)))
    }


@pytest.mark.parametrize("name", ["shorten_passage", "drop_far_sentences", "shuffle_far_sentences"])
def test_a_passage_that_shares_no_word_with_the_question_is_left_whole(name: str) -> None:
    assert not changes(PAIR_RULES[name], Row("Поёт ли скворец?", PASSAGE))


@pytest.mark.parametrize(
    ("question", "ending"),
    [
        ("Водится ли сиг?", ", водится ли сиг?"),
        ("США больше Канады?", ", США больше Канады?"),
        ("Is there a lake?", ", is there a lake?"),
    ],
)
def test_an_opening_keeps_the_question_word_for_word(question: str, ending: str) -> None:
    made = changes(PAIR_RULES["open_question"], Row(question, "x"))
    assert made
    assert all(row.text.endswith(ending) for row in made)


@pytest.mark.parametrize("question", ["Чи є риба?", "Gibt es Fische?", "What is it?"])
def test_a_question_of_another_language_or_kind_gets_no_opening(question: str) -> None:
    assert not changes(PAIR_RULES["open_question"], Row(question, "x"))


@pytest.mark.parametrize("name", SINGLE_RULES)
def test_words_that_turn_the_meaning_keep_their_place(name: str) -> None:
    made = changes(SINGLE_RULES[name], REVIEW)
    assert made
    for row in made:
        said = [word for word in row.text.casefold().split() if word not in ".;?:!,"]
        assert said[said.index("not") + 1].startswith("bad")


@pytest.mark.parametrize("name", ["misspell", "drop_words", "swap_words", "join_words"])
@pytest.mark.parametrize("word", ["никогда", "нельзя", "however", "without"])
def test_no_rule_touches_a_negation(name: str, word: str) -> None:
    row = Row(f"one two {word} four five seven eight nine")
    assert all(word in changed.text.split(" ") for changed in changes(SINGLE_RULES[name], row))


def test_misspelt_words_keep_their_first_and_last_letters() -> None:
    for row in changes(SINGLE_RULES["misspell"], REVIEW):
        old, new = REVIEW.text.split(" "), row.text.split(" ")
        assert len(old) == len(new)
        assert [(word[0], word[-1]) for word in old] == [(word[0], word[-1]) for word in new]
        assert 1 <= sum(a != b for a, b in zip(old, new, strict=True)) <= 3


def test_a_text_keeps_its_first_two_sentences_and_its_last() -> None:
    whole = sentences(REVIEW.text)
    for row in changes(SINGLE_RULES["drop_sentence"], REVIEW):
        kept = sentences(row.text)
        assert len(kept) == len(whole) - 1
        assert kept[:2] + kept[-1:] == whole[:2] + whole[-1:]


def test_a_tenth_of_the_words_is_dropped_at_most() -> None:
    words = len(REVIEW.text.split())
    for row in changes(SINGLE_RULES["drop_words"], REVIEW):
        assert words * 0.9 <= len(row.text.split()) < words


def test_added_punctuation_leaves_every_word_where_it_was() -> None:
    for row in changes(SINGLE_RULES["add_punctuation"], REVIEW):
        assert [w for w in row.text.split() if w not in ".;?:!,"] == REVIEW.text.split()


@pytest.mark.parametrize("rules", [PAIR_RULES, SINGLE_RULES])
@pytest.mark.parametrize("text", ["a", "?", "да", "good film", "12 34"])
def test_a_text_of_hardly_any_words_breaks_no_rule(rules: dict[str, Rule], text: str) -> None:
    for rule in rules.values():
        for row in changes(rule, Row(text, text), tries=5):
            assert row.text.strip()
            assert row.text_pair.strip()


def test_classes_are_brought_to_the_size_of_the_largest() -> None:
    made = generate_rows(frame(), rows=0, seed=0)
    assert made["label"].tolist() == [0, 0]
    assert set(made["source_row"]) == {4, 5}


def test_rows_say_which_rules_made_them_of_what() -> None:
    rows = frame()
    made = generate_rows(rows, rows=40, seed=0)
    assert len(made) == 40
    for _, row in made.iterrows():
        source = rows.iloc[row["source_row"]]
        assert (row["label"], row["idx"]) == (source["label"], source["idx"])
        rules = row["generated_by"].removeprefix("rules:").split("+")
        assert 1 <= len(rules) <= 3
        assert set(rules) <= set(PAIR_RULES)
        assert (row["text"], row["text_pair"]) != (source["text"], source["text_pair"])
    assert not made.duplicated(["text", "text_pair"]).any()


def test_single_texts_are_changed_by_the_rules_for_single_texts() -> None:
    rows = pd.DataFrame({"text": [REVIEW.text, "An awful bore."], "label": [1, 0]})
    made = generate_rows(rows, rows=10, seed=0)
    used = {rule for by in made["generated_by"] for rule in by.removeprefix("rules:").split("+")}
    assert used <= set(SINGLE_RULES)
    assert made["label"].value_counts().tolist() == [5, 5]


def test_the_seed_decides_the_rows() -> None:
    made = [generate_rows(frame(), rows=12, seed=seed) for seed in (0, 0, 1)]
    assert made[0].equals(made[1])
    assert not made[0].equals(made[2])


def test_too_little_to_make_rows_of_is_an_error() -> None:
    rows = pd.DataFrame({"text": ["ab", "one two three"], "label": [0, 1]})
    with pytest.raises(DataError, match=r"make 30 different rows of label 0 .* they made"):
        generate_rows(rows, rows=60, seed=0)
