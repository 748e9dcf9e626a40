"""Rows in chunks: what one call of a model rates, one message carries and one write keeps."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from classifier.bulk.limits import CHUNK_CHARS, CHUNK_ROWS
from classifier.bulk.packing import broken, pack, unpack
from classifier.bulk.table import Row
from classifier.exceptions import InvalidText
from classifier.messages import from_data, is_data, message, to_data
from classifier.texts import clean_review_text

_VERSION = 1


class Item(NamedTuple):
    row: int
    text: str | None
    """Cleaned; None where the row cannot be rated."""
    problem: str | None
    """Why not."""


@dataclass(frozen=True)
class Chunk:
    number: int
    """1 for the first."""
    first_row: int
    items: tuple[Item, ...]
    """Rows that follow each other, good and bad."""

    def texts(self) -> list[str]:
        """What there is to rate."""
        return [item.text for item in self.items if item.text is not None]

    def to_bytes(self) -> bytes:
        """The same bytes for the same chunk; less than its texts take."""
        return pack(
            [
                _VERSION,
                self.number,
                self.first_row,
                [[i.text, to_data(i.problem)] for i in self.items],
            ]
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "Chunk":
        """Raises:
        PartsError: `to_bytes` cannot have written this.
        """
        match unpack(data):
            case [version, int(number), int(first), list(pairs)] if (
                version == _VERSION and number > 0 and first > 0 and all(map(_is_pair, pairs))
            ):
                rows = enumerate(pairs, start=first)
                items = (
                    Item(row, text, None if problem is None else from_data(problem))
                    for row, (text, problem) in rows
                )
                return cls(number, first, tuple(items))
        raise broken(message("a chunk"))


def _is_pair(pair: object) -> bool:
    match pair:
        case [str(), None]:
            return True
        case [None, problem]:
            return is_data(problem)
    return False


def chunks(
    rows: Iterable[Row],
    text_column: str,
    *,
    max_chars: int | None,
    max_rows: int = CHUNK_ROWS,
    max_chunk_chars: int = CHUNK_CHARS,
) -> Iterator[Chunk]:
    """Cut rows into chunks of at most `max_rows` rows and `max_chunk_chars` characters.

    The borders follow from rows and limits alone, so that whoever reads the table again gets the
    same chunks. A text that `clean_review_text` refuses is a bad row; the rest goes on.

    Args:
        max_chars: longest text accepted; one text is always a chunk's worth.
    """
    items: list[Item] = []
    number, size = 1, 0
    for row in rows:
        item = _item(row, text_column, max_chars)
        length = len(item.text or "")
        if items and (len(items) == max_rows or size + length > max_chunk_chars):
            yield Chunk(number, items[0].row, tuple(items))
            items, number, size = [], number + 1, 0
        items.append(item)
        size += length
    if items:
        yield Chunk(number, items[0].row, tuple(items))


def _item(row: Row, text_column: str, max_chars: int | None) -> Item:
    if row.problem is not None:
        return Item(row.number, None, row.problem)
    try:
        text = clean_review_text(row.text(text_column), max_chars=max_chars)
    except InvalidText as error:
        return Item(row.number, None, error.finding)
    return Item(row.number, text, None)
