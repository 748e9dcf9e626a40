"""What the page of the requirements names is there, and no number is left out."""

import re
from collections.abc import Iterator

import pytest

from tests.chaos.__main__ import SOAK, TURNS
from tests.docs.test_links import LINK
from tests.site import ROOT

PAGE = ROOT / "docs" / "operations" / "requirements.md"
TEXT = PAGE.read_text(encoding="utf-8")
REQUIREMENTS = [str(number) for number in range(1, 43)]
TESTS = [f"T{number}" for number in range(1, 31)]
CODE = re.compile(r"`([^`]+)`")
ONLY = re.compile(r"`python -m tests\.chaos --only (T\d+)`")


def rows(text: str) -> Iterator[tuple[str, list[str]]]:
    """The first cell of each row of a table, and the others."""
    for line in text.splitlines():
        if line.startswith("| "):
            first, *others = (cell.strip() for cell in line.strip("|").split("|"))
            if re.fullmatch(r"T?\d+", first):
                yield first, others


def named_tests(text: str) -> list[str]:
    """Files of tests, with `::` and a function where one is named."""
    return [code for code in CODE.findall(text) if code.startswith("tests/")]


def missing(name: str) -> str:
    """What of `tests/file.py::function` is not there."""
    path, _, function = name.partition("::")
    if not (ROOT / path).is_file():
        return path
    source = (ROOT / path).read_text(encoding="utf-8")
    found = re.search(rf"^def {re.escape(function)}\(", source, re.MULTILINE) if function else True
    return "" if found else name


def test_every_number_has_one_row() -> None:
    assert [number for number, _ in rows(TEXT)] == [*REQUIREMENTS, *TESTS]


def test_every_row_has_all_its_cells() -> None:
    for number, cells in rows(TEXT):
        assert len(cells) == (3 if number in TESTS else 4), number
        assert all(cells[:-1]), number


@pytest.mark.parametrize("number", REQUIREMENTS)
def test_what_a_requirement_names_is_there(number: str) -> None:
    _what, where, shown_by, lacking = dict(rows(TEXT))[number]
    files = LINK.findall(where)
    assert files
    assert all((PAGE.parent / file).resolve().is_file() for file in files)
    tests = named_tests(shown_by)
    assert tests or lacking
    assert [missing(test) for test in tests if missing(test)] == []


@pytest.mark.parametrize("number", TESTS)
def test_what_runs_a_test_is_there(number: str) -> None:
    _what, run_by, _less = dict(rows(TEXT))[number]
    assert [missing(test) for test in named_tests(run_by) if missing(test)] == []
    there = {turn.test for turn in (*TURNS, *SOAK)}
    asked_for = ONLY.findall(run_by)
    assert set(asked_for) <= there
    assert (number in asked_for) == (number in there)


def test_what_is_not_there_is_found() -> None:
    assert missing("tests/docs/test_requirements.py::test_every_number_has_one_row") == ""
    assert missing("tests/docs/test_requirements.py::test_every_number")
    assert missing("tests/docs/test_nothing.py")
    assert named_tests("| `make lint`, `tests/a.py::test_b` |") == ["tests/a.py::test_b"]
