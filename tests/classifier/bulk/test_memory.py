import io
import tracemalloc
from collections.abc import Iterator

import pytest

from classifier.bulk.delimited_writer import DelimitedWriter
from classifier.bulk.tables import open_table
from classifier.bulk.workbook_writer import WorkbookWriter
from classifier.bulk.writing import write_result
from tests.classifier.bulk.samples import ratings

ROWS = {"a.csv": 5_000, "a.jsonl": 5_000, "a.xlsx": 2_500}  # of nearly 2 kB each
MOST = 6 * 1024**2


class Nowhere:
    def write(self, data: bytes) -> int:
        return len(data)


def content(name: str) -> bytes:
    out = io.BytesIO()
    cells: Iterator[list[str]] = ([str(i), f"a lovely film {i} " * 80] for i in range(ROWS[name]))
    if name == "a.jsonl":
        for number, text in cells:
            out.write(f'{{"id": {number}, "text": "{text}"}}\n'.encode())
        return out.getvalue()
    writer = (
        WorkbookWriter(out, ["id", "text"])
        if name == "a.xlsx"
        else DelimitedWriter(out, ["id", "text"], delimiter=",")
    )
    for row in cells:
        writer.row(row)
    writer.close()
    return out.getvalue()


@pytest.mark.parametrize("name", list(ROWS))
def test_a_large_table_takes_as_little_memory_as_a_small_one(name: str) -> None:
    stream = io.BytesIO(content(name))
    tracemalloc.start()
    try:
        with open_table(stream, name) as table:
            summary = write_result(table, ratings(table, max_chars=2000), Nowhere())  # type: ignore[arg-type]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert summary.rated == ROWS[name]
    assert peak < MOST
