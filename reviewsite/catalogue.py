"""The catalogues of translations under locale/: gathered from the code, and compiled for it.

GNU gettext's programs, which Django's own commands call, are not on every machine: Babel does it.
"""

import os
import tempfile
from collections.abc import Iterator
from io import BytesIO
from itertools import takewhile
from pathlib import Path
from typing import IO, Any

from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir, extract_python
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
LOCALES = ROOT / "locale"
LANGUAGES = ("ru",)
"""Those that there is a catalogue of; the site's own is English."""

SOURCES = ("classifier", "training", "reviewsite", "templates", "docs/reference")
KEYWORDS: dict[str, Any] = DEFAULT_KEYWORDS | {
    # django.utils.translation
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext_lazy": (1, 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext_lazy": ((1, "c"), 2, 3),
    # classifier.messages
    "message": (1,),
    "counted": (1, 2),
    "option": (1,),  # training.config
}


def catalogue_of(language: str) -> Path:
    return LOCALES / language / "LC_MESSAGES" / "django.po"


def compiled(catalogue: Path) -> Path:
    return catalogue.with_suffix(".mo")


def gathered() -> Catalog:
    """Every message of the code and the templates, with the files that it is in."""
    found = Catalog(charset="utf-8")
    methods: Any = [
        ("**/migrations/**", "ignore"),
        ("**.html", templates),
        ("recipes/*.toml", descriptions),
        ("openapi.yaml", said_in_the_schema),
        ("**.py", "python"),
    ]
    for folder in SOURCES:
        rows = extract_from_dir(
            ROOT / folder,
            method_map=methods,
            keywords=KEYWORDS,
            comment_tags=("Translators:",),
            strip_comment_tags=True,
        )
        for name, _, text, comments, context in rows:
            # Without line numbers, so that a change of code alone changes no catalogue.
            place: Any = (f"{folder}/{name}", None)
            found.add(text, None, [place], auto_comments=comments, context=context)
    return found


def descriptions(
    file: IO[bytes], keywords: Any, comment_tags: Any, options: Any
) -> Iterator[tuple[Any, ...]]:
    """Babel's way into recipes: each is described at the head of its file, in comments."""
    lines = takewhile(lambda line: line.startswith("#"), file.read().decode("utf-8").splitlines())
    yield 1, "gettext", " ".join(line.removeprefix("#").strip() for line in lines), []


def said_in_the_schema(
    file: IO[bytes], keywords: Any, comment_tags: Any, options: Any
) -> Iterator[tuple[Any, ...]]:
    """Babel's way into the API's schema: what it says of itself, which /api/docs shows."""
    import yaml

    for text in dict.fromkeys(_said(yaml.safe_load(file))):
        yield 1, "gettext", text.replace("%", "%%"), []  # as {% translate %} asks for it


def _said(part: Any) -> Iterator[str]:
    if isinstance(part, list):
        for below in part:
            yield from _said(below)
    elif isinstance(part, dict):
        said = (part.get("summary"), part.get("description"))
        yield from (text for text in said if isinstance(text, str) and text)
        for name, below in part.items():
            if name not in ("info", "examples", "responses", "securitySchemes"):  # not shown
                yield from _said(below)


def templates(
    file: IO[bytes], keywords: Any, comment_tags: Any, options: Any
) -> Iterator[tuple[Any, ...]]:
    """Babel's way into Django's templates: Django itself writes them as code that gettext reads."""
    from django.utils.translation.template import templatize

    code = templatize(file.read().decode("utf-8"), origin=getattr(file, "name", ""))
    # Where a message stands in its line would be Python's indentation.
    lines = "\n".join(line.strip() for line in code.splitlines())
    yield from extract_python(BytesIO(lines.encode("utf-8")), keywords, comment_tags, options)


def read(file: Path) -> Catalog:
    with file.open("rb") as stream:
        return read_po(stream, abort_invalid=True)


def renewed(language: str) -> bytes:
    """The catalogue of a language with the messages that there are now, as its file has it.

    New ones come without a translation, and none is guessed; those that are gone are dropped.
    """
    file = catalogue_of(language)
    catalogue = read(file) if file.is_file() else Catalog(locale=language, charset="utf-8")
    catalogue.update(gathered(), no_fuzzy_matching=True, update_creation_date=False)
    catalogue.obsolete.clear()
    out = BytesIO()
    write_po(out, catalogue, width=100, sort_by_file=True, include_lineno=False)
    return out.getvalue()


def renew(language: str) -> None:
    file = catalogue_of(language)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(renewed(language))


def is_compiled(language: str) -> bool:
    """Whether what the site reads was made of the catalogue as it is."""
    file = catalogue_of(language)
    made = compiled(file)
    return made.is_file() and made.stat().st_mtime >= file.stat().st_mtime


def compile_all() -> None:
    """Write what the site reads; processes that do so at once do not disturb each other."""
    for language in LANGUAGES:
        file = catalogue_of(language)
        descriptor, draft = tempfile.mkstemp(prefix=".django.", dir=file.parent)
        with os.fdopen(descriptor, "wb") as out:
            write_mo(out, read(file))
        os.chmod(draft, 0o644)
        os.replace(draft, compiled(file))


if __name__ == "__main__":  # in the image's build, where there is no site yet
    compile_all()
