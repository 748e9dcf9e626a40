"""The pages of the documentation: their blocks of code, and the commands in those."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.site import ROOT

PAGES = tuple(
    path.relative_to(ROOT)
    for path in (ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md")))
)
SHELL = ("sh", "console")
_FENCE = re.compile(r"^( *)```(\S*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"(^|\s)#\s.*$", re.MULTILINE)
_KEYWORDS = {"until", "while", "if", "do", "then"}
_ASSIGNMENT = re.compile(r"([A-Z_]+)=(.*)", re.DOTALL)


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    language: str
    code: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @cached_property
    def commands(self) -> list[list[str]]:
        """The words of each command, without assignments, keywords and what is redirected."""
        return list(_commands(self.code))


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in their order; one in a list loses the indentation."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        indent, language, code = match.groups()
        line = text.count("\n", 0, match.start()) + 1
        plain = "".join(each.removeprefix(indent) for each in code.splitlines(keepends=True))
        found.append(Block(page, line, language, plain))
    return found


def shell_blocks(page: Path) -> list[Block]:
    return [block for block in blocks(page) if block.language in SHELL]


def outside_fences(page: Path) -> str:
    """The text of a page without its blocks."""
    return _FENCE.sub("", (ROOT / page).read_text(encoding="utf-8"))


def _commands(code: str) -> Iterator[list[str]]:
    known: dict[str, str] = {}
    words: list[str] = []
    redirected = False
    code = _COMMENT.sub("", code.replace("\\\n", " ")) + "\n"
    lexer = shlex.shlex(code, posix=True, punctuation_chars="();<>|&\n")
    lexer.whitespace = " \t"
    lexer.commenters = ""
    lexer.whitespace_split = True
    for word in lexer:
        if set(word) <= set("();<>|&\n"):
            if words:
                yield words
                words = []
            redirected = ">" in word or "<" in word
        elif redirected:
            redirected = False
        elif not words and (word in _KEYWORDS or word == "done"):
            continue
        elif not words and (match := _ASSIGNMENT.fullmatch(word)):
            known[match[1]] = match[2]
        elif word.startswith("$") and word[1:] in known and not known[word[1:]].startswith("$"):
            words += shlex.split(known[word[1:]])
        else:
            words.append(word)
