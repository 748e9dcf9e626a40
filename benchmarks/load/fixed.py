"""A fixed amount of work, timed: for requests so long that a window of seconds would cut them."""

import http.client
import queue
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

TIMEOUT = 600  # seconds for one answer


def seconds_for(url: str, bodies: list[bytes], *, clients: int) -> float:
    """Post every body once, `clients` at a time, each on its own connection; the time of it all.

    Raises:
        RuntimeError: an answer is not 200.
    """
    address = urlsplit(url)
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    for body in bodies:
        waiting.put(body)

    def send() -> None:
        connection = http.client.HTTPConnection(address.netloc, timeout=TIMEOUT)
        try:
            while True:
                try:
                    body = waiting.get_nowait()
                except queue.Empty:
                    return
                connection.request("POST", address.path, body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                content = answer.read()
                if answer.status != 200:
                    raise RuntimeError(f"{url} answered {answer.status}: {content[:300]!r}")
        finally:
            connection.close()

    started = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        for sent in [pool.submit(send) for _ in range(clients)]:
            sent.result()
    return time.perf_counter() - started
