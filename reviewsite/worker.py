"""gunicorn's thread worker, made fit for many kept-alive connections to few workers."""

import select
import selectors
import time
from collections import deque
from functools import partial
from itertools import takewhile
from typing import Any

from gunicorn.workers.gthread import _DEFER, ThreadWorker

from classifier.waiting import note_wait
from reviewsite.ending import ending

# Seconds that a worker with work for all its threads leaves a new connection to the others.
# Connections stay where they were accepted: a worker that took all of a burst would keep them.
PAUSE = 0.001
# Seconds that a thread waits for a client's first request, or for its next.
LINGER = 0.0003

_HANDED_ON = object()


class Worker(ThreadWorker):
    """Takes its share of the connections, and answers a busy one without asking the poller.

    Between two requests of a connection gunicorn goes from the thread to the poller in the main
    thread and back, a third of the time of an empty request. A client that asks again at once
    is answered by the same thread, or waits its turn where others wait too.
    """

    drain_seconds = 0.0  # reviewsite.gunicorn sets it
    _accepts_again_at = 0.0
    _shuts_at = 0.0

    def handle_exit(self, sig: int, frame: Any) -> None:
        """SIGTERM: /readyz says so from now on; the door is shut after `drain_seconds`.

        Till then everybody is let in, for a balancer that has not asked yet goes on sending.
        """
        ending.told = True
        if not self.drain_seconds:
            super().handle_exit(sig, frame)
        elif not self._shuts_at:
            self._shuts_at = time.monotonic() + self.drain_seconds

    def accept(self, listener: Any) -> None:
        super().accept(listener)
        if self.nr_conns >= self.cfg.threads:
            self._accepts_again_at = time.monotonic() + PAUSE
            self.set_accept_enabled(False)

    def set_accept_enabled(self, enabled: bool) -> None:
        if not (enabled and self._pause_left() > 0):
            super().set_accept_enabled(enabled)
        if not self.alive:
            self._take_who_waits()

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        left = self._pause_left()
        super().wait_for_and_dispatch_events(min(timeout, left) if left > 0 else timeout)
        if self._shuts_at and time.monotonic() >= self._shuts_at:
            self.alive = False

    def enqueue_req(self, conn: Any) -> None:
        conn.waits_since = time.monotonic()
        super().enqueue_req(conn)

    def handle(self, conn: Any) -> Any:
        note_wait(time.monotonic() - conn.waits_since)
        if not (conn.initialized or conn.data_ready or _has_data(conn.sock, LINGER)):
            return _DEFER  # the poller waits for it; gunicorn's own thread would, for 5 seconds
        kept = super().handle(conn)
        while kept is True and self._is_asked_again(conn):
            if not self.tpool._work_queue.empty():
                self.enqueue_req(conn)
                return _HANDED_ON
            note_wait(0)
            kept = super().handle(conn)
        return kept

    def _is_asked_again(self, conn: Any) -> bool:
        # What follows a body that nobody read has been taken from the socket with it: gunicorn
        # lets the poller wait for it, until the connection is closed unanswered.
        if conn.parser.unreader.buf.tell():
            return True
        return self.alive and _has_data(conn.sock, LINGER)

    def finish_request(self, conn: Any, fs: Any) -> None:
        kept = None if fs.cancelled() or fs.exception() else fs.result()
        if kept is _HANDED_ON:
            return
        if not self.alive and (kept is True or kept is _DEFER):
            self._await_last_request(conn)
        else:
            super().finish_request(conn, fs)

    def _await_last_request(self, conn: Any) -> None:
        """Keep a connection for its time, though the worker ends.

        gunicorn closes it. But its client was told that it is kept, or nothing yet, and its next
        request may be on its way; that is answered with Connection: close.
        """
        conn.sock.setblocking(False)
        conn.set_timeout()
        self.keepalived_conns.append(conn)
        self.poller.register(
            conn.sock, selectors.EVENT_READ, partial(self.on_client_socket_readable, conn)
        )

    def _take_who_waits(self) -> None:
        """Accept all who wait for it, and shut the door.

        gunicorn leaves it open until it ends: who came meanwhile was connected by the kernel, and
        would be reset then. Where it is shut a proxy asks another site.
        """
        for listener in self.sockets:
            before = -1
            while listener.fileno() >= 0 and before != self.nr_conns:
                before = self.nr_conns
                listener.setblocking(False)
                super().accept(listener)
            listener.close()

    def murder_keepalived(self) -> None:
        self._spare_who_ask(self.keepalived_conns)
        super().murder_keepalived()

    def murder_pending(self) -> None:
        self._spare_who_ask(self.pending_conns)
        super().murder_pending()

    def _spare_who_ask(self, connections: deque[Any]) -> None:
        """Keep those past their time whose request has come since the poller was asked.

        gunicorn closes them, and their clients get no answer: on a busy machine seconds may lie
        between the two.
        """
        now = time.monotonic()
        late = list(takewhile(lambda conn: conn.timeout <= now, connections))
        for conn in late:
            if _has_data(conn.sock, 0):
                conn.set_timeout()
                connections.remove(conn)
                connections.append(conn)

    def _pause_left(self) -> float:
        return self._accepts_again_at - time.monotonic()


def _has_data(sock: Any, seconds: float) -> bool:
    """Whether there is something to read, now or within `seconds`."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(seconds * 1000))
