"""JSON Lines: one object a line."""

import io
import itertools
import json
import math
from collections.abc import Iterator
from typing import Any, BinaryIO, NoReturn

from classifier import nesting
from classifier.bulk.encoding import detect_encoding
from classifier.bulk.limits import MAX_COLUMNS, MAX_RECORD_CHARS
from classifier.bulk.table import EMPTY_ROW, LONG_ROW, Row, Table, column_names, empty_table
from classifier.bulk.view import buffered
from classifier.messages import message
from classifier.texts import json_type

SAMPLED_ROWS = 100


class _Refused(ValueError):
    """JSON that Python would read and others would not, or not alike."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        raise _Refused(message("a key that is there twice"))
    return read


def _number(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise _Refused(message("a number beyond what a double holds"))
    return value


def _constant(name: str) -> NoReturn:
    raise _Refused(name)


_decode = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_number, parse_constant=_constant
).decode


def parse_line(line: str) -> tuple[dict[str, Any], str | None]:
    """The object on a line, or an empty one and what is wrong with the line."""
    if levels := nesting.levels_beyond(line):
        return {}, message(
            "A line may have {most} levels of lists and objects, one in the other, at most. "
            "Found: {found:,}.",
            most=nesting.MOST,
            found=levels,
        )
    try:
        read = _decode(line)
    except json.JSONDecodeError as error:
        return {}, message(
            "A line must be valid JSON. Found: {error} at character {place:,}.",
            error=error.msg,
            place=error.pos + 1,
        )
    except _Refused as error:
        return {}, message("A line must be strict JSON. Found: {found}.", found=error.args[0])
    except ValueError:  # an integer of thousands of digits
        return {}, message("A line must be JSON that can be read. Found: a number too long.")
    if not isinstance(read, dict):
        return {}, message("A line must be an object. Found: {found}.", found=json_type(read))
    if len(read) > MAX_COLUMNS:
        return {}, message(
            "An object may have {most:,} keys at most. Found: {found:,}.",
            most=MAX_COLUMNS,
            found=len(read),
        )
    keys = "".join(read)
    if not keys.isascii() and any("\ud800" <= letter <= "\udfff" for letter in keys):
        return {}, message("Keys must be valid Unicode. Found: a lone surrogate.")
    return read, None


class JsonLinesTable(Table):
    """Objects, each with the keys it likes. A line that cannot be read is a row with a problem.

    Blank lines count as rows (an editor numbers them), save those at the end.
    """

    format = "jsonl"

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        encoding = detect_encoding(stream)
        self.encoding, self.bom = encoding.name, encoding.bom
        seen: dict[str, None] = {}
        row = None
        for row in itertools.islice(self.rows(), SAMPLED_ROWS):
            seen |= dict.fromkeys(row.cells)
        if row is None:
            raise empty_table(message("a file without any line"))
        # Keys are not stripped as headers are: a row is asked for exactly this key.
        column_names(seen)
        self.columns = tuple(seen)

    def _lines(self) -> Iterator[str | None]:
        """Each line, None for one that is too long."""
        with io.TextIOWrapper(buffered(self._stream), encoding=self.encoding, newline="\n") as text:
            while line := text.readline(MAX_RECORD_CHARS + 1):
                if len(line) > MAX_RECORD_CHARS:
                    while line and not line.endswith("\n"):
                        line = text.readline(MAX_RECORD_CHARS)
                    yield None
                else:
                    yield line.strip()

    def rows(self) -> Iterator[Row]:
        number = blank = 0
        for line in self._lines():
            if line == "":
                blank += 1
                continue
            for _ in range(blank):
                number += 1
                yield Row(number, {}, EMPTY_ROW)
            blank = 0
            number += 1
            if line is None:
                yield Row(number, {}, LONG_ROW)
            else:
                cells, problem = parse_line(line)
                yield Row(number, cells, problem, source="" if problem else line)
