"""The variables of the environment, from the comments beside the lines that read them.

A line `#: NAME: what it means` describes one, further lines are indented by two, and `Default: …`
at the end says a default that the code only works out. `#: ## Title` begins a section.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from classifier.api.error_sources import ROOT
from reviewsite.secret_files import NAMES

FILES = ("reviewsite/settings.py", "reviewsite/gunicorn.py")
HEAD = """# Settings

Made by `manage.py reference` from the comments in `reviewsite/settings.py` and
`reviewsite/gunicorn.py`. All are variables of the environment; with none set the site is safe and
for this machine alone. Setting `DATABASE_URL` or `ALLOWED_HOSTS` makes it a deployment: then
`SECRET_KEY` is demanded and HTTPS is expected. What is on or off takes `true` or `false`.

A secret may stand in a file, as containers have it mounted: `SECRET_KEY_FILE` says where that of
`SECRET_KEY` is. So may {secrets}.
The file has it as its one line, and is read when a process starts.
"""
ELSEWHERE = {
    "HF_ENDPOINT": ("the Hub", "address of another Hub"),
    "HF_TOKEN": ("none", "opens private repositories; read from here alone, and never shown"),
    "HF_HUB_OFFLINE": (
        "off",
        "`1`: no Hub is asked, and what was fetched before comes from the cache",
    ),
    "HUB_ALLOWED": (
        "any",
        "repositories of the Hub that models and data may come from, such as "
        "`our-team/*,user/name@<commit>`; one with a revision is taken at that alone",
    ),
    "MLFLOW_TRACKING_URI": (
        "files under `VAR_DIR`",
        "MLflow's server; one that is down costs a run a minute at most, at its end",
    ),
    "PYTHON": ("`python3.11`", "what `make` builds the virtual environment with"),
    "PIP_EXTRA_INDEX_URL": (
        "none",
        "a further index of packages, such as PyTorch's of builds for processors alone",
    ),
}
TABLE = ["| variable | default | means |", "|---|---|---|"]
FOOT = """
Those of `compose.yaml` (ports, passwords, limits of memory) are explained in
[deploy/env.example](../../deploy/env.example).
"""


@dataclass(frozen=True)
class Described:
    section: str
    name: str
    means: str
    default: str
    """As the comment says it; empty where the code says it."""


def page() -> str:
    """All variables, by section, in the order of the code.

    Raises:
        ValueError: a variable is read and not described, or described and not read, or its
            default is worked out and not told.
    """
    others = [f"`{name}`" for name in NAMES if name != "SECRET_KEY"]
    secrets = f"{', '.join(others[:-1])} and {others[-1]}"
    lines = [HEAD.rstrip().format(secrets=secrets)]
    section = ""
    for file in FILES:
        source = (ROOT / file).read_text(encoding="utf-8")
        read = dict(_read(source))
        described = list(_described(source))
        names = [each.name for each in described]
        if set(names) != set(read) or len(names) != len(set(names)):
            raise ValueError(
                f"Each variable that {file} reads is described there once, in a comment that "
                f"begins with #: and its name. Found: {sorted(set(names) ^ set(read))}."
            )
        for each in described:
            if each.section != section:
                section = each.section
                lines += ["", f"## {section}", "", *TABLE]
            lines.append(_row(each, read[each.name], file))
    lines += ["", "## Read by libraries and by make", "", *TABLE]
    lines += [f"| `{name}` | {default} | {means} |" for name, (default, means) in ELSEWHERE.items()]
    return "\n".join([*lines, FOOT])


def _row(each: Described, default: ast.expr | None, file: str) -> str:
    shown = each.default
    if not shown:
        try:
            value = None if default is None else ast.literal_eval(default)
        except ValueError:
            value = None
        if value is None:
            raise ValueError(
                f"The default of {each.name} is worked out in {file}, so its comment must tell it. "
                "End it with: Default: ..."
            )
        shown = "off" if value is False else "none" if value == "" else f"`{value}`"
    return f"| `{each.name}` | {shown} | {each.means} |".replace("\n", " ")


def _described(source: str) -> Iterator[Described]:
    section = ""
    comments = re.findall(r"^ *#: (\S.*(?:\n *#:   .*)*)", source, re.MULTILINE)
    for comment in comments:
        said = re.sub(r"\n *#: +", " ", comment)
        if said.startswith("## "):
            section = said.removeprefix("## ")
            continue
        name, _, means = said.partition(": ")
        means, _, default = means.partition(". Default: ")
        means, _, alone = means.partition("Default: ")  # where nothing else is said
        yield Described(section, name, means.rstrip("."), default or alone)


def _read(source: str) -> Iterator[tuple[str, ast.expr | None]]:
    """The variables that a module reads, each with the expression of its default."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="env")),
                args=[ast.Constant(value=str(name))],
                keywords=keywords,
            ):
                yield name, next((each.value for each in keywords if each.arg == "default"), None)
            case ast.Call(
                func=ast.Attribute(value=ast.Attribute(attr="environ"), attr="get"),
                args=[ast.Constant(value=str(name)), default],
            ):
                yield name, default
