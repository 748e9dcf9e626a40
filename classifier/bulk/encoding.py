"""In which encoding a text file is, and what stands between its columns."""

import codecs
import csv
import io
import itertools
import re
from dataclasses import dataclass
from typing import BinaryIO

from classifier.bulk.errors import TableError
from classifier.bulk.limits import READ_BYTES
from classifier.bulk.view import buffered
from classifier.messages import message

DELIMITERS = ",;\t|"
NO_DELIMITER = "\x1f"
"""Of a table with one column: a character that texts do not have, so that commas stay in them."""

SAMPLE_CHARS = 64 * 1024
_SNIFFED_RECORDS = 50
_CYRILLIC = ("cp1251", "koi8_r")
_FREQUENT = frozenset("оеаинтсрвл")
_PAIR = re.compile(rb"[\xc0-\xff]{2,}")
_HIGH = re.compile(rb"[\xc0-\xff]")
_ESCAPED = re.compile("[\udc80-\udcff]")
_OTHER = re.compile("[^\x00-\x7f\udc80-\udcff]")


@dataclass(frozen=True)
class Encoding:
    name: str
    """Python's name of it; reads the file without its BOM."""
    bom: bool


def detect_encoding(stream: BinaryIO) -> Encoding:
    """The encoding that reads all of `stream`, which is read through once or twice.

    UTF-8 and, with a BOM, UTF-16 are certain. Anything else is guessed from its letters: KOI8-R
    or Windows-1251 where they stand side by side as in Russian, else Windows-1252.

    Raises:
        TableError: no encoding reads it, or it is UTF-8 with damaged places.
    """
    start = buffered(stream).read(4)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        _require(stream, "utf-16")
        return Encoding("utf-16", bom=True)
    bom = start.startswith(codecs.BOM_UTF8)
    sample = _sample_that_is_not_utf8(stream, bom=bom)
    if sample is None:
        return Encoding("utf-8-sig" if bom else "utf-8", bom=bom)
    name = _guess(sample)
    _require(stream, name)
    return Encoding(name, bom=False)


def _sample_that_is_not_utf8(stream: BinaryIO, *, bom: bool) -> bytes | None:
    """The part around the first byte that UTF-8 cannot be, or None where all is UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    file = buffered(stream)
    place = lines = longer = 0  # bytes read, line ends in them, bytes beyond one a character
    while block := file.read(READ_BYTES):
        pending = len(decoder.getstate()[0])
        try:
            longer += len(block) - len(decoder.decode(block))
        except UnicodeDecodeError as error:
            broken = place - pending + error.start
            lines += block.count(b"\n", 0, max(0, broken - place))
            break
        place += len(block)
        lines += block.count(b"\n")
    else:
        if not decoder.getstate()[0]:
            return None
        broken = place - len(decoder.getstate()[0])
    file.seek(max(0, broken - 1024))
    sample = file.read(READ_BYTES)
    text = sample.decode("utf-8", errors="surrogateescape")
    if bom or longer + len(_OTHER.findall(text)) > len(_ESCAPED.findall(text)):
        raise TableError(
            code="encoding_broken",
            rule=message("A text file must be in one encoding from start to end."),
            value=message(
                "UTF-8, but not at byte {place:,} (line {line:,})",
                place=broken + 1,
                line=lines + 1,
            ),
            remedy=message("Mend that line, or save the file as UTF-8 again."),
        )
    return sample


def _guess(sample: bytes) -> str:
    high = len(_HIGH.findall(sample))
    if sum(map(len, _PAIR.findall(sample))) <= high / 2:
        return "cp1252"

    def frequent(name: str) -> int:
        return sum(map(_FREQUENT.__contains__, sample.decode(name, errors="replace").lower()))

    return max(_CYRILLIC, key=frequent)  # the first of equals


def _require(stream: BinaryIO, name: str) -> None:
    decoder = codecs.getincrementaldecoder(name)()
    file = buffered(stream)
    try:
        while block := file.read(READ_BYTES):
            if name != "utf-16" and b"\0" in block:
                raise UnicodeError
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeError:
        raise TableError(
            code="encoding_unknown",
            rule=message(
                "A text file must be in UTF-8, UTF-16 with BOM, Windows-1251 or Windows-1252."
            ),
            value=message("bytes that neither UTF-8 nor {name} has", name=name),
            remedy=message("Save it as UTF-8; a binary file is no table."),
        ) from None


def read_sample(stream: BinaryIO, encoding: Encoding) -> str:
    """The first SAMPLE_CHARS characters."""
    with io.TextIOWrapper(buffered(stream), encoding=encoding.name, newline="") as text:
        return text.read(SAMPLE_CHARS)


def detect_delimiter(sample: str, *, preferred: str = ",") -> str:
    """What stands between the columns at the start of a file; NO_DELIMITER where it has one column.

    The delimiter that cuts the header into several and the rows into as many wins.
    """
    best, best_score = NO_DELIMITER, (0.0, False, 0)
    for delimiter in DELIMITERS:
        reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
        records = [cells for cells in itertools.islice(reader, _SNIFFED_RECORDS) if cells]
        if len(sample) == SAMPLE_CHARS and len(records) > 1:
            records.pop()  # cut off in the middle
        if not records or len(records[0]) == 1:
            continue
        width = len(records[0])
        share = sum(len(cells) == width for cells in records[1:]) / max(1, len(records) - 1)
        if (score := (share, delimiter == preferred, width)) > best_score:
            best, best_score = delimiter, score
    return best
