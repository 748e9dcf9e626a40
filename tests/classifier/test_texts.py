import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.exceptions import InvalidText
from classifier.texts import clean_review_text


def test_white_space_around_a_text_is_removed() -> None:
    assert clean_review_text(" \n\t A warm evening.\u00a0\r\n") == "A warm evening."


def test_white_space_within_a_text_stays() -> None:
    assert clean_review_text("A warm\n\n  evening.") == "A warm\n\n  evening."


def test_a_text_of_exactly_the_limit_is_accepted() -> None:
    assert clean_review_text("abcde", max_chars=5) == "abcde"


def test_without_a_limit_any_length_is_accepted() -> None:
    assert len(clean_review_text("a" * 1_000_000)) == 1_000_000


@pytest.mark.parametrize(
    ("text", "code", "rule", "value", "remedy"),
    [
        (None, "text_type", "must be a string", "null", "in quotes"),
        (True, "text_type", "must be a string", "a boolean", "in quotes"),
        (5, "text_type", "must be a string", "a number", "in quotes"),
        (0.5, "text_type", "must be a string", "a number", "in quotes"),
        (["a film"], "text_type", "must be a string", "a list", "in quotes"),
        ({"a": "film"}, "text_type", "must be a string", "an object", "in quotes"),
        (b"a film", "text_type", "must be a string", "bytes", "in quotes"),
        ("", "text_blank", "not white space", "an empty text", "the review itself"),
        (" \n\u2003", "text_blank", "not white space", "white space alone (3)", "review itself"),
        ("a film\0", "text_nul", "the NUL character", "NUL at position 6", "Remove it"),
        ("  a\0", "text_nul", "the NUL character", "NUL at position 3", "Remove it"),
        ("a \ud800", "text_surrogate", "valid Unicode", "U+D800 at position 2", "as UTF-8"),
        ("\udfff", "text_surrogate", "valid Unicode", "U+DFFF at position 0", "as UTF-8"),
        ("a" * 11, "text_too_long", "10 characters at most", "11 characters", "Shorten it"),
        (" " * 11, "text_too_long", "10 characters at most", "11 characters", "Shorten it"),
    ],
)
def test_a_text_that_breaks_a_rule_is_refused_with_rule_value_and_remedy(
    text: object, code: str, rule: str, value: str, remedy: str
) -> None:
    with pytest.raises(InvalidText) as refused:
        clean_review_text(text, max_chars=10)

    error = refused.value
    assert error.code == code
    assert rule in error.rule
    assert value in error.value
    assert remedy in error.remedy
    assert str(error) == f"{error.rule} Found: {error.value}. {error.remedy}"


@pytest.mark.parametrize("flaw", ["\0", "\ud83d", "far too long" * 20])
def test_an_error_never_repeats_the_text(flaw: str) -> None:
    with pytest.raises(InvalidText) as refused:
        clean_review_text("my secret opinion" + flaw, max_chars=100)

    assert "secret" not in str(refused.value)


def test_a_pair_of_surrogates_read_as_one_character_is_fine() -> None:
    assert clean_review_text("\U0001f600") == "\U0001f600"


@given(st.text(st.characters(exclude_categories=[])))
def test_any_text_is_either_cleaned_or_refused(text: str) -> None:
    try:
        cleaned = clean_review_text(text, max_chars=50)
    except InvalidText:
        return

    assert cleaned == cleaned.strip() != ""
    assert cleaned.encode()
    assert clean_review_text(cleaned, max_chars=50) == cleaned
