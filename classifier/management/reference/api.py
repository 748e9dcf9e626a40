"""The API's schema and its catalogue of errors."""

import json
from pathlib import Path

import yaml

from classifier.api.catalogue import FILE as CATALOGUE
from classifier.api.catalogue import with_plain_places
from classifier.api.error_sources import ROOT, Told, collect
from classifier.api.reference import english_schema

HEAD = """# Errors of the API

Made by `manage.py reference` from the code; `GET /api/errors` has the same as JSON. `{places}`
in a sentence stand for what differs from case to case.
"""


def schema() -> str:
    """The OpenAPI schema, in YAML."""
    return yaml.safe_dump(english_schema(), sort_keys=False, allow_unicode=True, width=100)


def catalogue(page: Path) -> dict[Path, str]:
    """The catalogue that the site answers with, and the page of it."""
    errors = collect()
    return {
        CATALOGUE.relative_to(ROOT): json.dumps({"errors": errors}, indent=1) + "\n",
        page: "\n".join([HEAD, *(_section(told) for told in errors)]),
    }


def _section(told: Told) -> str:
    lines = [f"## {told['code']}", ""]
    lines.append(f"Status {', '.join(map(str, sorted(told['status'])))}.")
    for name in ("rule", "remedy"):
        said = "\n  - ".join(_plain(text) for text in told[name])
        several = f"\n  - {said}" if len(told[name]) > 1 else f" {said}"
        lines.append(f"- {name.capitalize()}:{several}")
    lines.insert(3, "")
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    return with_plain_places(text).replace("<", "&lt;")
