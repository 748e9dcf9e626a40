"""What a page says to people, and which of it is English."""

import re
from html.parser import HTMLParser

# Code, names of files and what people typed: no language of the site's.
UNREAD = {"script", "style", "code", "pre", "kbd", "bdi", "textarea", "blockquote", "option"}
SAID = ("aria-label", "title", "placeholder", "alt")
VOID = {"br", "img", "input", "link", "meta", "hr", "col", "source", "wbr", "path", "rect", "line"}
_WORD = re.compile(r"[A-Za-z]{2,}")
_DIGEST = re.compile(r"\b[0-9a-f-]{12,}\b")
# Names that Russian keeps, of products, formats and measures.
NAMES = {
    *("Reviewsite", "Label", "Studio", "Hub", "MLflow", "Python", "README", "md", "curl", "cookie"),
    *(
        "CSV",
        "TSV",
        "JSON",
        "Lines",
        "XLSX",
        "Excel",
        "Parquet",
        "ASCII",
        "UTF",
        "SHA",
        "UTC",
        "ISO",
    ),
    *(
        "csv",
        "tsv",
        "jsonl",
        "ndjson",
        "xlsx",
        "parquet",
        "txt",
        "GB",
        "MB",
        "KB",
        "id",
        "Id",
        "API",
    ),
    *("HTTP", "HTTPS", "Idempotency", "Key", "Authorization", "Bearer", "torch", "ROC", "AUC"),
    *("POSITIVE", "NEGATIVE", "LoRA", "MixUp", "Dropout", "Seed", "Weight", "decay", "Alpha"),
    *("CLASSIFIER", "MODEL", "ENGINE", "DATASETS", "DIR", "BULK", "MAX", "BYTES", "HF", "TOKEN"),
    *("VAR", "RATE", "LIMIT", "softmax"),
}


class _Said(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.said: list[str] = []
        self._unread: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if not self._unread:
            shown = tag == "input" and given.get("type") == "submit"
            names = (*SAID, "value") if shown else SAID
            self.said += [value for name in names if (value := given.get(name))]
        other_language = given.get("lang") not in (None, "ru") or given.get("translate") == "no"
        is_icon = "material-symbols" in (given.get("class") or "")
        unread = self._unread or tag in UNREAD or other_language or is_icon
        if unread and tag not in VOID:
            self._unread.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.handle_starttag(tag, attrs)
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._unread and tag not in VOID:
            self._unread.pop()

    def handle_data(self, data: str) -> None:
        if not self._unread and data.strip():
            self.said.append(" ".join(data.split()))


def said_on(page: str) -> list[str]:
    """All that a page shows or reads aloud, in pieces."""
    reader = _Said()
    reader.feed(page)
    return reader.said


def english_on(page: str, *, names: set[str]) -> dict[str, list[str]]:
    """The English words of a page, each piece of it with those that are no names.

    Args:
        names: what this page may hold beside NAMES, such as the name of a file.
    """
    found = {}
    for said in said_on(page):
        piece = _DIGEST.sub(" ", said)
        for name in sorted(names, key=len, reverse=True):
            piece = piece.replace(name, " ")
        words = [word for word in _WORD.findall(piece) if word not in NAMES]
        if words:
            found[said] = words
    return found
