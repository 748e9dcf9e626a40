import pytest

from classifier.bulk.preview import SHOWN_CHARS, preview
from tests.classifier.bulk.samples import table


@pytest.mark.parametrize(
    ("content", "column", "certain"),
    [
        ("x\n1\n", "x", True),
        ("title,Review\na very long title it is,short\n", "Review", True),
        ("имя,отзыв\nЮлия,хорошо\n", "отзыв", True),
        ("id,said\n1,a long opinion about a film\n", "said", True),
        ("pros,cons\nwarm and funny,long and very noisy\n", "cons", False),
        ("text,comment\nfine,a longer one\n", "comment", False),
        ("a,b\n", None, False),
    ],
)
def test_the_text_column_is_guessed(content: str, column: str | None, certain: bool) -> None:
    seen = preview(table(content))
    assert (seen.text_column, seen.certain) == (column, certain)


def test_the_first_rows_are_shown_as_they_are_with_what_is_wrong() -> None:
    seen = preview(table("id,text\n" + f"1,{'x' * 1000}\n2\n" + "3,fine\n" * 9), rows=3)
    assert seen.columns == ("id", "text")
    assert seen.rows == (("1", "x" * SHOWN_CHARS), ("2", ""), ("3", "fine"))
    assert [bool(problem) for problem in seen.problems] == [False, True, False]


def test_what_no_page_can_show_is_replaced() -> None:
    seen = preview(table('{"text": "a\\ud800b", "n": null}\n', "a.jsonl"))
    assert seen.rows == (("a?b", ""),)
