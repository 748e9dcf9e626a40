"""docs/reference is what the code says."""

from pathlib import Path

import pytest

from classifier.management.reference import commands, reference, variables
from tests.site import ROOT


def test_what_is_committed_is_what_the_code_says() -> None:
    """If not: make reference, and look at the difference. Is it another version of the API?"""
    for path, content in reference().items():
        assert (ROOT / path).read_text(encoding="utf-8") == content, path


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ('A = env.str("A", default="")', "['A']"),
        ("#: B: nobody reads it\nA = 1", "['B']"),
        ('#: A: twice\n#: A: again\nA = env.str("A", default="")', "once"),
        ('#: A: of a machine\nA = env.str("A", default=str(1 + 1))', "The default of A is worked"),
    ],
)
def test_a_variable_that_is_not_described_is_refused(
    code: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "settings.py").write_text(code)
    monkeypatch.setattr(variables, "ROOT", tmp_path)
    monkeypatch.setattr(variables, "FILES", ("settings.py",))
    with pytest.raises(ValueError, match=told.replace("[", r"\[")):
        variables.page()


def test_a_row_has_name_default_and_meaning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "settings.py").write_text(
        '#: ## Some\n#: A: of two\n#:   lines. Default: told\nA = env.str("A", default=b)\n'
        '#: B: off or on\nB = env.bool("B", default=False)\n'
        '#: C: text\nC = os.environ.get("C", "x")\n'
    )
    monkeypatch.setattr(variables, "ROOT", tmp_path)
    monkeypatch.setattr(variables, "FILES", ("settings.py",))
    page = variables.page()
    assert "## Some" in page
    for row in (
        "| `A` | told | of two lines |",
        "| `B` | off | off or on |",
        "| `C` | `x` | text |",
    ):
        assert row in page


def test_every_option_of_a_command_is_on_its_page() -> None:
    page = commands.page()
    for words in (
        "## finetune",
        "`--learning-rate LEARNING_RATE`",
        "### api_key create",
        "`--star-head`, `--no-star-head`",
        "`{auto,onnx,torch}`"[1:-1],
    ):
        assert words in page
    assert "--traceback" not in page  # Django's own
