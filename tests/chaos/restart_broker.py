"""Redis restarted and emptied again and again while training runs and files are carried out.

    python tests/chaos/restart_broker.py --restarts 20 --empties 5 --seed 0

At seeded moments Redis goes and comes back, or loses all that it has. Files are sent while it is
away or just before it is emptied, so that their messages are lost, and workers lose their
connection at work. Exits 1 where a run or a file does not end with success, was taken up more than
once, or its model or a row of it is not there exactly once.

--plant forget never wakes a worker again for what waits: then the last files must be left lying.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from tests.chaos.findings import report  # noqa: E402
from tests.chaos.kill_worker import START, prepare, state  # noqa: E402
from tests.chaos.world import World, csv_of, until, world  # noqa: E402

ROWS = 40  # of each file
DOWN = 1.0  # seconds that Redis is away, at most
BETWEEN = 3.0  # seconds of peace, at most
PLANTS = {
    "none": "",
    "forget": (
        "from classifier.bulk_jobs import work\nfrom training import tasks\n"
        "work.reap = lambda: None\ntasks.wake_waiting = lambda *_: 0"
    ),
}
ENDED = ("succeeded", "failed", "cancelled")


def disturb(w: World, name: str, *, emptied: bool, rng: random.Random) -> str:
    """Redis is emptied, or goes away and comes back; the job of the file sent meanwhile."""
    if not emptied:
        w.redis.stop()
    job = w.rate_file(name, csv_of(ROWS, seed=rng.randrange(1000)))["id"]
    if emptied:
        w.redis.client().flushall()
    else:
        time.sleep(rng.uniform(0, DOWN))
        w.redis.start()
    return str(job)


def job(w: World, pk: str) -> tuple[str, int, int]:
    """Status and attempt of a file's job, and how many of its rows are rated."""
    ((status, attempt, rows),) = w.rows(
        f"SELECT status, attempt, rated_rows FROM classifier_bulkjob WHERE id = '{pk}'"
    )
    return status, attempt, rows


def wrongs(w: World, runs: dict[str, str], files: list[str]) -> list[str]:
    """What was not done, or not once; a line each."""
    found = []
    for name, pk in runs.items():
        status, attempt, _, why = state(w, pk)
        if (status, attempt) != ("succeeded", 1):
            found.append(f"{name}: {status} at attempt {attempt} {why}")
    for pk in files:
        if (said := job(w, pk)) != ("succeeded", 1, ROWS):
            found.append(f"file {pk}: {said}")
    versions = dict(w.rows("SELECT name, count(*) FROM classifier_modelversion GROUP BY name"))
    found += [f"{name}: {versions.get(name, 0)} models" for name in runs if versions.get(name) != 1]
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--restarts", type=int, default=20)
    parser.add_argument("--empties", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=int, default=400, help="more make a run last longer")
    parser.add_argument("--seconds", type=float, default=300, help="for all to be done after")
    parser.add_argument("--plant", choices=sorted(PLANTS), default="none")
    options = parser.parse_args(arguments)
    rng = random.Random(options.seed)
    troubles = [False] * options.restarts + [True] * options.empties
    rng.shuffle(troubles)
    wrong: list[str] = []
    with (
        tempfile.TemporaryDirectory(prefix="restart-broker-") as directory,
        world(Path(directory)) as w,
    ):
        prepare(w, options.rows)
        for process in ("worker-bulk", "worker-training"):
            w.start(process)
        w.start("beat", plant=PLANTS[options.plant])
        runs: dict[str, str] = {}
        files: list[str] = []
        for number, emptied in enumerate(troubles):
            if number % 5 == 0:
                name = f"run-{number // 5}"
                runs[name] = w.shell(START.format(name=name)).split()[-1]
            time.sleep(rng.uniform(0, BETWEEN))
            files.append(disturb(w, f"{number}.csv", emptied=emptied, rng=rng))

        def at_their_end() -> bool:
            statuses = [state(w, pk)[0] for pk in runs.values()] + [job(w, pk)[0] for pk in files]
            return all(status in ENDED for status in statuses)

        mended = time.monotonic()
        try:
            until(
                at_their_end,
                seconds=options.seconds,
                what="all runs and files at their end",
                every=0.5,
            )
        except TimeoutError as error:
            wrong.append(str(error))
        took = time.monotonic() - mended
        wrong += wrongs(w, runs, files)
        if wrong:
            sys.stdout.write(w.log("beat")[-1500:] + w.log("worker-training")[-1500:])
    sys.stdout.write(
        report(
            "T5",
            unit="runs and files",
            tried=len(runs) + len(files),
            failures=len(wrong),
            target="each is done once: none lost, none carried out twice",
            figures={
                "restarts of Redis": options.restarts,
                "emptied": options.empties,
                "training runs": len(runs),
                "files": len(files),
                "all done after the last trouble (s)": f"{took:.1f}",
            },
        )
    )
    sys.stdout.write("".join(f"{line}\n" for line in wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
