import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from kombu import Connection
from kombu.simple import SimpleQueue

MESSAGES = 150
THREADS = 4


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "not" / "made" / "yet"


def connect(folder: Path) -> Connection:
    return Connection(
        "files://localhost",
        transport="reviewsite.filequeue:Transport",
        transport_options={"folder": str(folder), "polling_interval": 0.01},
    )


@pytest.fixture
def queue(folder: Path) -> Iterator[SimpleQueue]:
    with connect(folder) as connection, connection.SimpleQueue("work", no_ack=True) as queue:
        yield queue


def test_messages_come_in_the_order_they_were_sent(queue: SimpleQueue) -> None:
    for number in range(20):
        queue.put(number)
    assert queue.qsize() == 20
    assert [queue.get(timeout=5).payload for _ in range(20)] == list(range(20))
    with pytest.raises(queue.Empty):
        queue.get_nowait()


def test_a_queue_is_emptied_without_touching_another(queue: SimpleQueue, folder: Path) -> None:
    queue.put("one")
    queue.put("two")
    with connect(folder) as connection, connection.SimpleQueue("other") as other:
        other.put("three")
        assert queue.clear() == 2
        assert (queue.qsize(), other.qsize()) == (0, 1)


def test_a_message_half_written_is_not_yet_a_message(queue: SimpleQueue, folder: Path) -> None:
    (folder / ".0_half.work.msg").touch()
    with pytest.raises(queue.Empty):
        queue.get_nowait()


def test_each_message_is_taken_once_by_one_of_many(folder: Path) -> None:
    taken: list[int] = []
    errors: list[Exception] = []

    def put(start: int) -> None:
        with connect(folder) as connection, connection.SimpleQueue("work") as queue:
            for number in range(start, start + MESSAGES):
                queue.put(number)

    def take() -> None:
        with connect(folder) as connection, connection.SimpleQueue("work", no_ack=True) as queue:
            try:
                while True:
                    taken.append(queue.get(timeout=2).payload)
            except queue.Empty:
                pass
            except Exception as error:
                errors.append(error)

    threads = [
        *(threading.Thread(target=put, args=[MESSAGES * n]) for n in range(THREADS)),
        *(threading.Thread(target=take) for _ in range(THREADS)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(taken) == list(range(MESSAGES * THREADS))
    assert list((folder).iterdir()) == []
