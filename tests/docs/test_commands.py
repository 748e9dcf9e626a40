"""Each command in the documentation exists and takes the options it is shown with."""

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from django.core.management import CommandError, get_commands, load_command_class
from django.urls import resolve

from tests.docs.not_run import COMMANDS, why_not_run
from tests.docs.not_run import PAGES as PAGES_NOT_RUN
from tests.docs.pages import PAGES, Block, blocks, outside_fences, shell_blocks
from tests.site import ROOT

BLOCKS = [block for page in PAGES for block in shell_blocks(page)]
LANGUAGES = {"sh", "console", "text", "python", "xml"}
SERVICES = set(yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"])
OF_THE_MIDDLEWARE = {"/livez", "/startupz", "/readyz", "/metrics"}
OF_THE_SYSTEM = {
    *("curl", "cp", "cut", "export", "grep", "mkdir", "openssl", "printf", "sed", "sleep", "tail"),
    *("tee", "git"),
}

Check = Callable[[list[str]], None]


def takes(command: str, arguments: list[str]) -> None:
    """Assert that a command of manage.py is there and understands these arguments."""
    assert command in get_commands(), f"manage.py has no {command}"
    parser = load_command_class(get_commands()[command], command).create_parser(
        "manage.py", command
    )
    parser.parse_args(arguments)


def python(words: list[str]) -> None:
    program, *arguments = words
    if program == "manage.py":
        takes(arguments[0], arguments[1:])
    elif program == "-m":
        assert arguments[0] == "pytest"
        assert all((ROOT / path).exists() for path in arguments[1:])
    else:
        source = (ROOT / program).read_text(encoding="utf-8")
        for flag in (word for word in arguments if word.startswith("--")):
            assert f'"{flag}"' in source, f"{program} has no {flag}"


def torchrun(words: list[str]) -> None:
    python(words[words.index("manage.py") :])


def make(words: list[str]) -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(words) <= set(targets)


def docker(words: list[str]) -> None:
    kind, *arguments = words
    if kind == "run":
        return
    assert kind == "compose"
    assert arguments[0] in {"build", "up", "ps", "exec", "run", "cp", "stop", "logs"}
    if arguments[0] == "stop":
        assert set(arguments[1:]) <= SERVICES
    if arguments[0] in {"exec", "run"}:
        at = next(index for index, word in enumerate(arguments) if word in SERVICES)
        if arguments[at + 1] == "python":
            python(arguments[at + 2 :])


def pip(words: list[str]) -> None:
    named = [file for flag, file in pairwise(words) if flag in ("-r", "-c")]
    assert words[0] == "install"
    assert all((ROOT / file).is_file() for file in named)


def curl(words: list[str]) -> None:
    for word in words:
        if word.startswith("http"):
            url = urlsplit(word)
            assert url.netloc.startswith("127.0.0.1:8000"), f"Whose address is {word}?"
            if "$" in url.netloc:
                continue  # a path that the site has told
            path = re.sub(r"\$\w+", "5d0f9b0e-3f6c-4b8e-9a53-0f2f6a1f9b11", url.path)
            if path not in OF_THE_MIDDLEWARE:
                resolve(path)


def cp(words: list[str]) -> None:
    assert (ROOT / words[0]).exists()


def kubectl(words: list[str]) -> None:
    if "apply" in words:
        assert (ROOT / words[-1] / "kustomization.yaml").is_file()


CHECKS: dict[str, Check] = {
    **{".venv/bin/python": python, "python": python, ".venv/bin/torchrun": torchrun},
    **{"make": make, "docker": docker, ".venv/bin/pip": pip, "pip": pip, "curl": curl, "cp": cp},
    "kubectl": kubectl,
}


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_each_command_exists_and_takes_its_options(block: Block) -> None:
    assert block.commands
    for program, *words in block.commands:
        if block.page == Path("docs/results.md") and program in get_commands():
            takes(program, words)  # the page says that these are manage.py's
        elif program in CHECKS:
            CHECKS[program](words)
        else:
            assert program in OF_THE_SYSTEM, f"What is {program}?"


def test_an_option_that_is_not_there_is_found() -> None:
    with pytest.raises(CommandError, match="--no-such"):
        takes("finetune", ["--no-such"])


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_all_code_is_fenced_and_says_its_language(page: Path) -> None:
    """Else a command could stand where no test looks."""
    assert {block.language for block in blocks(page)} <= LANGUAGES
    text = outside_fences(page)
    assert "```" not in text
    assert not re.findall(r"\n\n    \S.*", text)


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_is_run_or_its_commands_say_why_not(block: Block) -> None:
    """Of a block that is not run, each command has a reason of its own."""
    reasons = [why_not_run(block.page, words) for words in block.commands]
    assert all(reasons) or not any(reasons), f"{block}: split what is run from what is not"


def test_each_reason_is_needed() -> None:
    found = {
        entry[0] for block in BLOCKS for words in block.commands
        if (entry := why_not_run(block.page, words))
    }  # fmt: skip
    assert found == {*COMMANDS, *map(str, PAGES_NOT_RUN)}
