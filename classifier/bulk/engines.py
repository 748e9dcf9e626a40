"""Engines for chunks: what rates many of them. One small protocol, one file an engine."""

from collections.abc import Iterable, Iterator
from typing import Protocol

from classifier.bulk.chunks import Chunk
from classifier.bulk.ratings import Classify, RowRating, rate_chunk


class BulkEngine(Protocol):
    def rate(self, chunks: Iterable[Chunk]) -> Iterator[list[RowRating]]:
        """The ratings of each chunk, in the order of the chunks.

        Takes chunks only as far ahead as it has hands for, in memory; `chunks` may be endless.

        Raises:
            ClassifierError: it cannot rate; what was given so far stays good.
        """
        ...


class LocalEngine:
    """Rates in this process, a chunk after the other."""

    def __init__(self, classify: Classify) -> None:
        self._classify = classify

    def rate(self, chunks: Iterable[Chunk]) -> Iterator[list[RowRating]]:
        for chunk in chunks:
            yield rate_chunk(chunk, self._classify)
