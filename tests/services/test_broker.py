"""Redis that is refused, hangs, comes back or is emptied; and the queue in a folder."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from kombu import Connection
from pytest_django import DjangoDbBlocker

from classifier.jobs.job import Status
from classifier.models import BulkJob
from reviewsite.celery import app
from tests.classifier.jobs.databases import in_use, sqlite
from tests.classifier.jobs.rows import row, submit
from tests.servers import RedisServer, own_redis
from tests.site import ROOT, STOP_SECONDS, Site, command

SECONDS = 60  # for a worker to start, or to take a job up, on a busy machine
TAKEN_UP_SECONDS = 30  # by a worker and a beat whose broker is back
REFUSED_SECONDS = 1.0
HUNG_SECONDS = 3.0

WAKE = """
import json, sys, time
import django
django.setup()
from classifier.jobs.wake import wake, wake_waiting
from classifier.models import BulkJob
from tests.classifier.jobs.tasks import hold
for line in sys.stdin:
    started = time.monotonic()
    if line.strip() == "again":
        answer = wake_waiting(hold, BulkJob, older_than=0)
    else:
        answer = wake(hold, BulkJob, line.strip())
    print(json.dumps({"answer": answer, "seconds": time.monotonic() - started}), flush=True)
"""


def until(happened: Callable[[], object], seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[RedisServer]:
    with own_redis(tmp_path) as server:
        yield server


@pytest.fixture
def site(tmp_path: Path, django_db_blocker: DjangoDbBlocker, broker: RedisServer) -> Iterator[Site]:
    """A site whose queue is in that server; this process reads and writes its rows, too."""
    prepared = Site.prepared(tmp_path, **OF_THE_TEST, REDIS_URL=broker.url)
    with django_db_blocker.unblock(), in_use(sqlite(tmp_path / "db.sqlite3")):
        yield prepared


OF_THE_TEST = {
    "DJANGO_SETTINGS_MODULE": "tests.classifier.jobs.worker_settings",
    "JOB_HEARTBEAT_SECONDS": "0.5",
}


def worker(name: str, *, queues: str = "") -> list[str]:
    """A process of the Procfile; the settings bring the test's tasks."""
    arguments = command(name)
    if queues:
        arguments[arguments.index("--queues") + 1] = queues
    return arguments


def ready(log: Path) -> None:
    until(lambda: " ready." in log.read_text())


def events(site: Site) -> Counter[str]:
    path = site.var_dir / "events"
    lines = path.read_text().splitlines() if path.exists() else []
    return Counter(line.split()[0] for line in lines)


def send(connection: Connection, task: str, **options: Any) -> None:
    app.send_task(f"tests.classifier.jobs.tasks.{task}", connection=connection, **options)


def runs(pk: UUID) -> bool:
    return row(pk).status == Status.RUNNING


def succeeded(pk: UUID) -> bool:
    return row(pk).status == Status.SUCCEEDED


class Waker:
    """A process that has the broker's settings, as a web worker has."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def __call__(self, asked: object) -> tuple[Any, float]:
        """What wake or, if asked "again", wake_waiting gives, and its seconds."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{asked}\n")
        self.process.stdin.flush()
        said = json.loads(self.process.stdout.readline())
        return said["answer"], said["seconds"]


@pytest.fixture
def waker(site: Site) -> Iterator[Waker]:
    process = subprocess.Popen(
        [sys.executable, "-c", WAKE],
        cwd=ROOT,
        env=site.environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with process:
        yield Waker(process)
        process.kill()


@contextmanager
def silent(port: int, *, full: bool) -> Iterator[None]:
    """Takes connections and never answers; if full, does not even take them."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(0 if full else 50)
        for _ in range(4 if full else 0):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        yield


def test_no_state_of_redis_holds_up_who_wakes_a_worker_for_long(
    broker: RedisServer, site: Site, waker: Waker
) -> None:
    job = submit()

    def woken(within: float) -> bool:
        answer, seconds = waker(job.pk)
        assert seconds <= within
        return bool(answer)

    assert woken(HUNG_SECONDS) is True
    sent_at = row(job.pk).woken_at
    assert sent_at is not None

    broker.freeze()  # while a connection is open
    assert woken(HUNG_SECONDS) is False
    assert woken(HUNG_SECONDS) is False  # and while none is
    broker.thaw()
    until(lambda: woken(HUNG_SECONDS))
    sent_at = row(job.pk).woken_at

    broker.stop()
    assert [woken(REFUSED_SECONDS) for _ in range(3)] == [False] * 3
    for full in (False, True):
        with silent(broker.port, full=full):
            assert woken(HUNG_SECONDS) is False
    assert (row(job.pk).status, row(job.pk).woken_at) == (Status.QUEUED, sent_at)

    broker.start()
    assert woken(HUNG_SECONDS) is True
    assert broker.client().llen("hold") == 1


def test_jobs_outlive_an_emptied_redis(broker: RedisServer, site: Site, waker: Waker) -> None:
    jobs = [submit() for _ in range(3)]
    assert [waker(job.pk)[0] for job in jobs] == [True] * 3
    assert broker.client().llen("hold") == 3

    broker.client().flushall()
    assert waker("again")[0] == 3

    assert broker.client().llen("hold") == 3
    broker.client().flushall()
    broker.freeze()
    answer, seconds = waker("again")
    broker.thaw()
    assert (answer, seconds <= HUNG_SECONDS) == (0, True)
    assert {row(job.pk).status for job in jobs} == {Status.QUEUED}


def test_workers_and_beat_outlive_whatever_happens_to_redis(
    broker: RedisServer, site: Site
) -> None:
    logs = [site.var_dir / "beat.log", site.var_dir / "worker.log"]

    def restarted() -> None:
        broker.stop()
        time.sleep(1.5)  # until after the end of the work in hand
        broker.start()

    def hung() -> None:
        broker.freeze()
        time.sleep(3.5)  # longer than what a socket waits
        broker.thaw()

    def emptied() -> None:
        broker.client().flushall()

    with (
        site.running(worker("beat"), log=logs[0]) as beat,
        site.running(worker("worker-bulk", queues="hold"), log=logs[1]) as holder,
    ):
        for log in logs:
            ready(log)
        # Nobody wakes a worker here but the reaper that beat sends for.
        first = submit(total=0)
        until(lambda: succeeded(first.pk))
        for happens in (restarted, hung, emptied):
            running = submit(total=1)
            until(partial(runs, running.pk))
            happens()
            waiting = submit(total=0)
            until(partial(succeeded, waiting.pk), TAKEN_UP_SECONDS)
            assert succeeded(running.pk)
            assert row(running.pk).attempt == 1
        assert (beat.poll(), holder.poll()) == (None, None)

        last = submit(total=600)
        until(partial(runs, last.pk))
        holder.send_signal(signal.SIGTERM)
        assert holder.wait(timeout=STOP_SECONDS) == 0
    job = row(last.pk)
    assert (job.status, job.worker_losses) == (Status.QUEUED, 0)


def test_a_job_longer_than_any_visibility_timeout_is_done_once(
    broker: RedisServer, tmp_path: Path, django_db_blocker: DjangoDbBlocker
) -> None:
    """Of Redis's message there is one; and were there more, as with a late ack, one job still."""
    short = {
        "visibility_timeout": 0.5,
        "unacked_restore_interval": 0.5,
        "unacked_restore_throttle": 1,
    }
    options = {"hold": short, "late": short | {"ack_emulation": True}}
    tasks = {"hold": "hold", "late": "hold_with_late_ack"}
    sites = {}
    with ExitStack() as stack:
        stack.enter_context(django_db_blocker.unblock())
        for number, queue in enumerate(tasks):
            folder = tmp_path / queue
            folder.mkdir()
            site = sites[queue] = Site.prepared(
                folder,
                **OF_THE_TEST,
                REDIS_URL=f"redis://127.0.0.1:{broker.port}/{number}",
                TEST_TRANSPORT_OPTIONS=json.dumps(options[queue]),
            )
            for name in ("a", "b"):
                arguments = [*worker("worker-bulk", queues=queue), "--hostname", f"{name}@%h"]
                stack.enter_context(site.running(arguments, log=folder / name))
        for queue, site in sites.items():
            for name in ("a", "b"):
                ready(site.var_dir / name)
            with in_use(sqlite(site.var_dir / "db.sqlite3")):
                submit(total=3)
            with Connection(site.environment["REDIS_URL"]) as connection:
                send(connection, tasks[queue], queue=queue)
        for site in sites.values():
            with in_use(sqlite(site.var_dir / "db.sqlite3")):
                until(lambda: BulkJob.objects.filter(status=Status.SUCCEEDED).exists())
                assert BulkJob.objects.get().attempt == 1
        time.sleep(1.5)  # in which a message would be delivered again

        once, again = (events(site) for site in sites.values())
        assert once == {"message": 1, "started": 1, "finished": 1}
        assert again["message"] >= 2
        assert (again["started"], again["finished"]) == (1, 1)

        # A planted fault, which all of the above is to find: work that a message alone begins.
        late = sites["late"]
        with Connection(late.environment["REDIS_URL"]) as connection:
            send(connection, "trust_the_message", queue="late")
        until(lambda: events(late)["started"] > again["started"] + 1)


# The queue in a folder


def connect(folder: Path) -> Connection:
    return Connection(
        "files://localhost",
        transport="reviewsite.filequeue:Transport",
        transport_options={"folder": str(folder), "polling_interval": 0.01},
    )


def test_queues_do_not_mix_whatever_their_names(tmp_path: Path) -> None:
    names = ["work", "work-1", "work.msg", "work.1", "work_1", "training@host", "the work", "wörk"]
    with connect(tmp_path) as connection, ExitStack() as stack:
        queues = {
            name: stack.enter_context(connection.SimpleQueue(name, no_ack=True)) for name in names
        }
        for round_ in range(2):
            for name, queue in queues.items():
                queue.put([name, round_])
        assert {queue.qsize() for queue in queues.values()} == {2}
        for round_ in range(2):
            for name, queue in reversed(queues.items()):
                assert queue.get(timeout=5).payload == [name, round_]
        assert {queue.qsize() for queue in queues.values()} == {0}
    assert list(tmp_path.iterdir()) == []


TAKE = """
import sys
from tests.services.test_broker import connect
from pathlib import Path
with connect(Path(sys.argv[1])) as connection:
    with connection.SimpleQueue("work", no_ack=True) as queue:
        print("ready", flush=True)
        input()
        try:
            while True:
                print(queue.get(timeout=1).payload, flush=True)
        except queue.Empty:
            pass
"""


def test_no_message_goes_to_two_processes(tmp_path: Path) -> None:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    setup = "import django; django.setup()"
    takers = [
        subprocess.Popen(
            [sys.executable, "-c", setup + TAKE, str(tmp_path)],
            cwd=ROOT,
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for _ in range(2)
    ]
    with connect(tmp_path) as connection, connection.SimpleQueue("work") as queue:
        for number in range(300):
            queue.put(number)
    for taker in takers:
        assert taker.stdout
        assert taker.stdout.readline() == "ready\n"
    for taker in takers:
        assert taker.stdin
        taker.stdin.write("go\n")
        taker.stdin.flush()
    taken = [
        [int(line) for line in taker.communicate(timeout=SECONDS)[0].split()] for taker in takers
    ]
    assert sorted(taken[0] + taken[1]) == list(range(300))
    assert all(taken)
    assert list(tmp_path.iterdir()) == []


def test_a_worker_outlives_what_is_no_message_and_does_not_do_what_has_expired(
    tmp_path: Path, django_db_blocker: DjangoDbBlocker
) -> None:
    site = Site.prepared(tmp_path, **OF_THE_TEST)
    folder = tmp_path / "queue"
    with connect(folder) as connection:
        for _ in range(5):
            send(connection, "hold", queue="hold", expires=0.001)
    assert len(list(folder.iterdir())) == 5
    expired, garbage = sorted(folder.iterdir())[0], []
    for number, content in enumerate(
        [b"", b'{"half": ', b"\xff\xfe", b"null", b"[1]", b"{}", b'{"properties": {}}']
    ):
        path = folder / f"{number:020}_{'0' * 32}.hold.msg"
        path.write_bytes(content)
        garbage.append(path.with_name(f".{path.name}"))
    assert expired.exists()

    log = tmp_path / "worker.log"
    with django_db_blocker.unblock(), in_use(sqlite(tmp_path / "db.sqlite3")):
        job = submit(total=0)
        with site.running(worker("worker-bulk", queues="hold"), log=log) as process:
            until(lambda: len(list(folder.glob("[!.]*"))) == 0)
            assert not succeeded(job.pk)
            with connect(folder) as connection:
                send(connection, "hold", queue="hold", expires=60)
            until(lambda: succeeded(job.pk))
            assert process.poll() is None
    said = log.read_text()
    assert events(site) == {"message": 1, "started": 1, "finished": 1}
    assert sorted(folder.iterdir()) == garbage
    for path in garbage:
        assert f"{path} holds no message and is set aside" in said
    assert "Traceback" not in said
