"""The disk of a site is full at seeded moments of training runs, and is given room again.

    python tests/chaos/fill_disk.py --points 20 --seed 0

Each run is one of a site with web process, training worker, beat, Redis and PostgreSQL; its models
and runs lie in a file system of their own (tmpfs, which needs root). At a random moment of the run
all room but a random rest is taken. The run must be paused, say that there is no room, stay so
while there is none and count no lost worker, unless it needed no more room; the web process rates
all the while. Then the room is given back, nobody does anything, and the run must go on to weights
that are those of the undisturbed run, bit by bit. Exits 1 otherwise.

--plant no-looks lets paused runs go on without a look whether there is room, --plant no-pause fails
them as any other error does.
"""

import argparse
import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from tests.chaos.findings import report  # noqa: E402
from tests.chaos.kill_worker import START, prepare, state  # noqa: E402
from tests.chaos.world import World, until, world  # noqa: E402

SIZE = 128 * 1024 * 1024  # bytes of the file system
RUN_SECONDS = 600
LOOKS_SECONDS = 6.0  # in which a worker looks several times whether there is room
BETWEEN = 0.1  # seconds from one rating of the web process to the next
UNDER_WAY = ("queued", "running")
# What is started for an attempt, with the fault in it.
IN_THE_ATTEMPT = """
from training.jobs import supervision
plain = supervision.command
code = '''
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewsite.settings")
import django; django.setup()
from training.jobs import attempt
attempt.disk_full = lambda error: None
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv[1:])
'''
def command(claim):
    python, program, *rest = plain(claim)
    return [python, "-c", code, program, *rest]
supervision.command = command
"""
PLANTS = {
    "none": "",
    "no-looks": "from training.jobs import pausing\npausing.free_bytes = lambda folder: 1 << 60",
    "no-pause": IN_THE_ATTEMPT,
}


@contextmanager
def small_disk(place: Path) -> Iterator[None]:
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def fill(place: Path, rest: int) -> Path:
    """Take all room of the file system but `rest` bytes; the file to be removed."""
    ballast = place / "ballast"
    with ballast.open("wb") as out:
        while (free := os.statvfs(place).f_bavail * os.statvfs(place).f_frsize) > rest:
            try:
                os.posix_fallocate(out.fileno(), 0, os.fstat(out.fileno()).st_size + free - rest)
                break
            except OSError:  # the run has written meanwhile: there is less to take
                continue
    return ballast


@dataclass
class Tally:
    outcomes: Counter[str] = field(default_factory=Counter)
    went_on: list[float] = field(default_factory=list)
    """Seconds from the room to the attempt that goes on."""
    rated: int = 0
    """Reviews, while the disk was full."""
    failed: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    """Seconds that one of them took."""


@contextmanager
def visited(w: World, tally: Tally) -> Iterator[None]:
    """Meanwhile reviews are rated, one after the other."""
    gone = threading.Event()

    def visit() -> None:
        while not gone.wait(BETWEEN):
            started = time.monotonic()
            try:
                w.predict(f"a fine film {tally.rated}")
                tally.rated += 1
            except OSError as error:
                tally.failed[str(error)] += 1
            tally.slowest = max(tally.slowest, time.monotonic() - started)

    visitor = threading.Thread(target=visit)
    visitor.start()
    try:
        yield
    finally:
        gone.set()
        visitor.join()


def weights(w: World, name: str) -> str:
    file = w.site.var_dir / "models" / name / "model.safetensors"
    return hashlib.sha256(file.read_bytes()).hexdigest()


def equal(w: World, name: str) -> bool:
    return weights(w, name) == weights(w, "undisturbed")


def losses(w: World, pk: str) -> int:
    ((found,),) = w.rows(f"SELECT worker_losses FROM training_trainingrun WHERE id = '{pk}'")
    return int(found)


def over(w: World, pk: str, what: str) -> str:
    """The status of a run that is neither queued nor running."""
    found, _ = until(
        lambda: state(w, pk)[0] not in UNDER_WAY and state(w, pk)[0],
        seconds=RUN_SECONDS,
        what=what,
    )
    return str(found)


def torment(
    w: World, name: str, *, in_training: bool, moment: float, rest: int, tally: Tally
) -> str:
    """Fill the disk at a moment of a run; what came of it.

    Args:
        in_training: the moment counts from the first checkpoint, else from the start.
        moment: seconds.
        rest: bytes that stay free.

    Returns:
        "paused, and went on by itself", "needed no more room", or what went wrong.
    """
    pk = w.shell(START.format(name=name)).split()[-1]
    until(lambda: state(w, pk)[0] == "running", seconds=120, what=f"{name} taken up")
    checkpoints = w.site.var_dir / "runs" / name / "checkpoints"
    while in_training and state(w, pk)[0] == "running" and not any(checkpoints.glob("check*")):
        time.sleep(0.1)
    time.sleep(moment)
    ballast = fill(w.site.var_dir, rest)
    try:
        with visited(w, tally):
            status = over(w, pk, f"the end or pause of {name}")
            said, lost = state(w, pk)[3], losses(w, pk)
            if status == "paused":
                before = state(w, pk)[:2]
                time.sleep(LOOKS_SECONDS)  # several looks find no room
                if state(w, pk)[:2] != before:
                    return "went on without room"
    finally:
        ballast.unlink()
    if status == "succeeded":
        return "needed no more room" if equal(w, name) else "other weights"
    if status != "paused":
        return f"{status}: {said}"
    if "free bytes" not in said:
        return f"paused without a reason: {said}"
    if lost:
        return "counted as a lost worker"
    _, took = until(
        lambda: state(w, pk)[0] != "paused", seconds=120, what=f"{name} to go on by itself"
    )
    tally.went_on.append(took)
    status = over(w, pk, f"the end of {name} after its pause")
    if status != "succeeded":
        return f"{status} after its pause: {state(w, pk)[3]}"
    return "paused, and went on by itself" if equal(w, name) else "other weights"


def undisturbed(w: World) -> float:
    """Seconds that a run takes when it is left alone."""
    pk = w.shell(START.format(name="undisturbed")).split()[-1]
    until(lambda: state(w, pk)[0] == "running", seconds=120, what="the first run taken up")
    started = time.monotonic()
    if (status := over(w, pk, "the first run")) != "succeeded":
        raise RuntimeError(f"{status}: {state(w, pk)[3]}\n{w.log('worker-training')[-3000:]}")
    return time.monotonic() - started


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--points", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=int, default=800)
    parser.add_argument("--plant", choices=sorted(PLANTS), default="none")
    options = parser.parse_args(arguments)
    if os.geteuid() != 0:
        sys.stdout.write("A small file system is mounted by root alone: run this as root.\n")
        return 2
    rng, tally = random.Random(options.seed), Tally()
    with (
        tempfile.TemporaryDirectory(prefix="fill-disk-") as directory,
        small_disk(Path(directory) / "var"),
        world(Path(directory)) as w,
    ):
        prepare(w, options.rows)
        w.start("beat")
        w.start("worker-training", plant=PLANTS[options.plant])
        pace = undisturbed(w)
        for number in range(options.points):
            in_training, name = rng.random() < 0.8, f"run-{number}"
            try:
                outcome = torment(
                    w,
                    name,
                    in_training=in_training,
                    moment=rng.uniform(0, pace / 10 if in_training else pace),
                    rest=rng.choice([0, rng.randrange(50_000), rng.randrange(400_000)]),
                    tally=tally,
                )
            except TimeoutError as error:
                outcome = str(error)
            tally.outcomes[outcome] += 1
            for folder in ("runs", "models"):
                shutil.rmtree(w.site.var_dir / folder / name, ignore_errors=True)
        good = tally.outcomes["paused, and went on by itself"]
        good += tally.outcomes["needed no more room"]
        if good < options.points:
            sys.stdout.write(w.log("worker-training")[-3000:] + "\n")
    sys.stdout.write(
        report(
            "T8",
            unit="fill points",
            tried=options.points,
            failures=options.points - good + sum(tally.failed.values()),
            target="each is paused with the reason and goes on by itself to equal weights; "
            "no rating fails",
            figures={
                **tally.outcomes,
                "slowest to go on once there was room (s)": f"{max(tally.went_on, default=0):.1f}",
                "ratings while the disk was full": tally.rated,
                "ratings failed": dict(tally.failed) or 0,
                "slowest of them (s)": f"{tally.slowest:.2f}",
            },
        )
    )
    return 0 if good == options.points and not tally.failed else 1


if __name__ == "__main__":
    sys.exit(main())
