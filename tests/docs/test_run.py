"""The tutorial and the cheap commands of the guides, run as they stand."""

import sys
from pathlib import Path

import pytest

from tests.docs.conftest import Desk
from tests.docs.not_run import TUTORIAL, why_not_run
from tests.docs.pages import PAGES, SHELL, Block, blocks
from tests.docs.shell import not_printed

RUN = {
    page: found
    for page in PAGES
    if (
        found := [
            block
            for block in blocks(page)
            if block.language in SHELL
            and not any(why_not_run(page, words) for words in block.commands)
        ]
    )
}
GUIDES = [page for page in RUN if page != TUTORIAL]
PYTHON = [block for page in PAGES for block in blocks(page) if block.language == "python"]
# Twenty frozen verdicts are too few for the gate, as the tutorial says.
STATUSES = {"compare_models better": 1}


def test_the_tutorial(desk: Desk) -> None:
    """Each command in its order, and each line of output that the page shows."""
    printed = dict(
        zip(RUN[TUTORIAL], desk.shell.run(RUN[TUTORIAL], statuses=STATUSES), strict=True)
    )
    assert len(printed) == 7
    shown = 0
    last: Block | None = None
    for block in blocks(TUTORIAL):
        if block in printed:
            last = block
        elif block.language == "text":
            assert last is not None
            assert not_printed(block.code, printed[last]) == [], f"{block}:\n{printed[last]}"
            shown += 1
    assert shown == 7
    model = desk.site.var_dir / "models" / "better"
    assert (model / "README.md").is_file()
    assert (desk.site.var_dir / "runs" / "better" / "report.html").is_file()


@pytest.mark.parametrize("page", GUIDES, ids=str)
def test_a_guide(page: Path, desk: Desk) -> None:
    desk.shell.run(RUN[page])


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_a_program(block: Block, desk: Desk) -> None:
    code = f"HF_HUB_OFFLINE=0 {sys.executable} - <<'END'\n{block.code}END\n"
    program = Block(block.page, block.line, "sh", code)
    (said,) = desk.shell.run([program])
    assert "POSITIVE" in said or "NEGATIVE" in said


def test_a_line_that_was_not_printed_is_found() -> None:
    printed = 'starter@0123456789ab is active\n{"rating":3,"interval":[1,2],"id":"x"}\n'
    assert not_printed("starter@ba9876543210 is active\n", printed) == []
    assert not_printed('{"rating":10,"interval":null,…}', printed) == []
    assert not_printed("starter@0123456789ab is retired", printed) == [
        "starter@REVISION is retired"
    ]
