"""Files of reviews for bulk jobs, and what rating them must give."""

import csv
import hashlib
import io
import json
import random
from collections.abc import Sequence
from itertools import chain
from typing import Any

from tests import tiny

HEADER = ("id", "text", "note")


def rows(count: int, *, seed: int = 0) -> list[tuple[str, str, str]]:
    """Reviews of the tiny vocabulary, each another; every 50th cannot be rated."""
    rng = random.Random(seed)
    return [
        (
            str(number),
            "" if number % 50 == 0 else tiny.sentence(number % 2, rng, rng.randrange(4, 12)),
            f"note {number}",
        )
        for number in range(1, count + 1)
    ]


def as_bytes(table: Sequence[Sequence[str]], ending: str) -> bytes:
    """The table as a file whose name ends so."""
    if ending == ".jsonl":
        lines = (json.dumps(dict(zip(HEADER, row, strict=True))) for row in table)
        return "".join(f"{line}\n" for line in lines).encode()
    if ending == ".xlsx":
        import openpyxl

        book = openpyxl.Workbook(write_only=True)
        sheet = book.create_sheet()
        for row in chain([HEADER], table):
            sheet.append(list(row))
        out = io.BytesIO()
        book.save(out)
        return out.getvalue()
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter="\t" if ending == ".tsv" else ",")
    writer.writerow(HEADER)
    writer.writerows(table)
    return text.getvalue().encode()


def rated_here(content: bytes, filename: str, classify: Any, *, max_chars: int) -> bytes:
    """The result as classifier.bulk alone gives it, without any queue."""
    from classifier.bulk.chunks import chunks
    from classifier.bulk.ratings import rate_chunk
    from classifier.bulk.tables import open_table
    from classifier.bulk.writing import write_result

    out = io.BytesIO()
    with open_table(io.BytesIO(content), filename) as table:
        rated = (
            rate_chunk(chunk, classify)
            for chunk in chunks(table.rows(), "text", max_chars=max_chars)
        )
        write_result(table, chain.from_iterable(rated), out)
    return out.getvalue()


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
