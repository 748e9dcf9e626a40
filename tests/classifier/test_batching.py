import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from classifier.batching import Batcher

WAIT = 10  # seconds, until a test that hangs is given up


class Counter:
    """Doubles numbers, one call at a time, and holds the first call until it is told to go on."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.entered = threading.Event()
        self.go = threading.Event()
        self._inside = threading.Lock()

    def __call__(self, numbers: list[int]) -> list[int]:
        assert self._inside.acquire(blocking=False), "two calls at once"
        try:
            self.calls.append(numbers)
            self.entered.set()
            assert self.go.wait(WAIT)
            if -1 in numbers:
                raise ValueError("-1 is refused")
            return [2 * number for number in numbers]
        finally:
            self._inside.release()


def ask_while_one_runs(
    counter: Counter, batcher: Batcher[int, int], asked: list[list[int]]
) -> list[Callable[[], list[int]]]:
    """Asks all but the first while the first runs; gives what waits for each answer."""
    pool = ThreadPoolExecutor(len(asked))
    first = pool.submit(batcher, asked[0])
    assert counter.entered.wait(WAIT)
    others = [pool.submit(batcher, numbers) for numbers in asked[1:]]
    while len(batcher._waiting) < len(others):
        pass
    counter.go.set()
    pool.shutdown(wait=False)
    return [lambda future=future: future.result(WAIT) for future in (first, *others)]  # type: ignore[misc]


def test_what_waits_is_one_batch() -> None:
    counter = Counter()
    asked = [[1], [2, 3], [4], [5, 6, 7]]

    answers = ask_while_one_runs(counter, Batcher(counter, together=True), asked)

    assert [answer() for answer in answers] == [[2], [4, 6], [8], [10, 12, 14]]
    assert len(counter.calls) == 2
    assert sorted(counter.calls[1]) == [2, 3, 4, 5, 6, 7]


def test_apart_each_request_is_a_call_of_its_own() -> None:
    counter = Counter()
    asked = [[1], [2, 3], [4]]

    answers = ask_while_one_runs(counter, Batcher(counter, together=False), asked)

    assert [answer() for answer in answers] == [[2], [4, 6], [8]]
    assert sorted(counter.calls) == [[1], [2, 3], [4]]


def test_the_failure_of_one_request_is_not_its_neighbours() -> None:
    counter = Counter()

    good, bad, other = ask_while_one_runs(
        counter, Batcher(counter, together=True), [[1], [-1, 5], [2]]
    )

    assert good() == [2]
    assert other() == [4]
    with pytest.raises(ValueError, match="-1 is refused"):
        bad()


def test_an_error_that_is_nobodys_own_is_everybodys_at_once() -> None:
    counter = Counter()

    answers = ask_while_one_runs(
        counter, Batcher(counter, together=True, common=(ValueError,)), [[1], [-1], [2]]
    )

    assert answers[0]() == [2]
    for answer in answers[1:]:
        with pytest.raises(ValueError, match="-1 is refused"):
            answer()
    assert len(counter.calls) == 2


def test_who_comes_alone_waits_for_nobody() -> None:
    counter = Counter()
    counter.go.set()
    batcher = Batcher(counter, together=True)

    assert [batcher([number]) for number in range(3)] == [[0], [2], [4]]
    assert counter.calls == [[0], [1], [2]]


def test_many_threads_each_get_their_own_answers() -> None:
    batcher: Batcher[int, int] = Batcher(lambda numbers: [3 * n for n in numbers], together=True)

    def ask(number: int) -> bool:
        mine = list(range(number, number + 1 + number % 4))
        return batcher(mine) == [3 * n for n in mine]

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, range(2_000)))
