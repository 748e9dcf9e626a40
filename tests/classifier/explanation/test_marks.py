import pytest
from django.utils import translation

from classifier.explanation.contributions import Contribution, Contributions, of_spans
from classifier.explanation.explaining import Explanation
from classifier.explanation.marks import MarkedText, marked
from classifier.templatetags.explanation import signed

TEXT = "\U0001f600 Good one.\r\n Bad two. Three."


def explained(sentences: list[Contribution], words: list[Contribution] | None = None) -> MarkedText:
    found = Contributions(sentences, words or [], 3, True)
    return marked(TEXT, Explanation("occlusion", "tiny@0", 0.9, found))


def part(said: str, amount: float) -> Contribution:
    start = TEXT.index(said)
    return of_spans([(start, start + len(said))], [amount])[0]


def test_the_pieces_are_the_text() -> None:
    shown = explained(
        [part("\U0001f600 Good one.", 0.4), part("Bad two.", -0.1)],
        [part("Good", 0.3), part("one", 0.01), part("Three", -0.2)],
    )

    assert "".join(one.text for one in shown.sentences) == TEXT
    assert "".join(piece.text for one in shown.sentences for piece in one.pieces) == TEXT
    assert [(one.text, one.towards) for one in shown.sentences if one.strength] == [
        ("\U0001f600 Good one.", "positive"),
        ("Bad two.", "negative"),
    ]
    pieces = [piece for one in shown.sentences for piece in one.pieces if piece.strength]
    assert [(piece.text, piece.strength) for piece in pieces] == [("Good", 3), ("Three", 2)]
    assert [row.text for row in shown.words] == ["Good", "Three", "one"]


@pytest.mark.parametrize(("largest", "faint", "digits"), [(0.3, False, 2), (0.01, True, 3)])
def test_small_amounts_are_shown_as_small(largest: float, faint: bool, digits: int) -> None:
    shown = explained([part("Bad two.", -largest)])

    assert (shown.faint, shown.digits) == (faint, digits)


def test_where_nothing_adds_anything_nothing_is_marked() -> None:
    shown = explained([part("Bad two.", 0.0)])

    assert not any(one.strength for one in shown.sentences)


@pytest.mark.parametrize(
    ("amount", "written"),
    [(0.314, "+0.31"), (-0.314, "\u22120.31"), (0.004, "0.00"), (0.0, "0.00")],
)
def test_an_amount_has_its_sign(amount: float, written: str) -> None:
    assert signed(amount, 2) == written


def test_an_amount_is_written_as_the_reader_writes_it() -> None:
    with translation.override("ru"):
        assert signed(-0.314, 2) == "\u22120,31"
