"""Batches across requests: the batch is whatever waits while the one before it runs; no timer."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class _Request(Generic[T, R]):
    def __init__(self, items: Sequence[T]) -> None:
        self.items = items
        self.results: list[R] | None = None
        self.error: Exception | None = None

    @property
    def over(self) -> bool:
        return self.results is not None or self.error is not None


class Batcher(Generic[T, R]):
    """Makes one call of the calls of many threads; who comes alone waits for nobody.

    Args:
        run: gives one result an item, in their order; never called by two threads at once.
        together: whether requests share a call; else they take turns.
        common: errors that are nobody's own: all that share the call get them. After any other
            error each request is run alone.
    """

    def __init__(
        self,
        run: Callable[[list[T]], Sequence[R]],
        *,
        together: bool,
        common: tuple[type[Exception], ...] = (),
    ) -> None:
        self._run = run
        self._together = together
        self._common = common
        self._running = threading.Lock()
        self._waiting: deque[_Request[T, R]] = deque()

    def __call__(self, items: Sequence[T]) -> list[R]:
        """Raises: what `run` raises for these items alone."""
        request: _Request[T, R] = _Request(items)
        self._waiting.append(request)
        with self._running:
            # Whoever had the lock before may have taken this request along.
            while not request.over:
                self._run_waiting()
        if request.error is not None:
            raise request.error
        return request.results or []

    def _run_waiting(self) -> None:
        count = len(self._waiting) if self._together else 1
        requests = [self._waiting.popleft() for _ in range(count)]
        try:
            results = self._run([item for request in requests for item in request.items])
        except Exception as error:
            if len(requests) == 1 or isinstance(error, self._common):
                for request in requests:
                    request.error = error
                return
            # One request's failure, such as too little memory, is not its neighbours'.
            for request in requests:
                try:
                    request.results = list(self._run(list(request.items)))
                except Exception as own:
                    request.error = own
            return
        start = 0
        for request in requests:
            request.results = list(results[start : start + len(request.items)])
            start += len(request.items)
