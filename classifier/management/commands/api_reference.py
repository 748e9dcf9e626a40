"""manage.py api_reference: write what is generated from the code of the API."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import yaml
from django.core.management.base import BaseCommand
from django.utils import translation

from classifier.api.catalogue import FILE as CATALOGUE
from classifier.api.catalogue import with_plain_places
from classifier.api.error_sources import ROOT, Told, collect

SCHEMA = Path("docs/openapi.yaml")
ERRORS = Path("docs/errors.md")
HEAD = """# Errors of the API

Made by `manage.py api_reference` from the code; `GET /api/errors` has the same as JSON. `{places}`
in a sentence stand for what differs from case to case.
"""


class Command(BaseCommand):
    help = "Writes docs/openapi.yaml, docs/errors.md and the catalogue of errors from the code."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--root", type=Path, default=ROOT, help="The checkout to write into.")

    def handle(self, *args: Any, root: Path, **options: Any) -> None:
        for path, content in reference().items():
            (root / path).write_text(content, encoding="utf-8")
            self.stdout.write(str(path))


def reference() -> dict[Path, str]:
    """Each generated file, from the top of the checkout, and what is in it."""
    errors = collect()
    return {
        SCHEMA: _schema(),
        CATALOGUE.relative_to(ROOT): json.dumps({"errors": errors}, indent=1) + "\n",
        ERRORS: "\n".join([HEAD, *(_section(told) for told in errors)]),
    }


def _schema() -> str:
    from drf_spectacular.generators import SchemaGenerator

    with translation.override("en"):
        schema = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    plain = json.loads(json.dumps(schema, default=str))
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100)


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
