"""kill -9 of a training worker and of all that it started, at seeded moments of training runs.

    python tests/chaos/kill_worker.py --kills 50 --seed 0

Training runs wait in the queue; a worker takes them up. At a random moment of a run its worker,
the training process below it and whatever else it started are killed together, and a new worker is
started, as a supervisor does. Each run is killed at most twice, for a third time without lasting
progress rightly fails. Prints how long it took until a worker was back at the killed run, and
exits 1 where that is more than the lease + 30 s, a run does not end with success, its model is not
there exactly once, or a process is left over.

--plant no-reaper never takes a job back from a lost worker: then runs must be left hanging.
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from tests import tiny  # noqa: E402
from tests.chaos.findings import report  # noqa: E402
from tests.chaos.world import LEASE, World, until, world  # noqa: E402

KILLS_PER_RUN = 2
BACK_WITHIN = LEASE + 30  # seconds
RUN_SECONDS = 300
GIVE_UP = 3  # runs lost, after which no more are started
PLANTS = {
    "none": "",
    "no-reaper": (
        "from training.models import TrainingRun\nTrainingRun.objects.__class__.reap = lambda s: []"
    ),
}
START = """
from training.services import start_run
run = start_run(
    name={name!r}, overrides=dict(
        dataset="sentences", base_model="tiny-base", device="cpu", precision="fp32", method="full",
        epochs=2.0, batch_size=8, learning_rate=1e-3, max_length=16, evaluations_per_epoch=10,
        experiment="",
    )
)
print(run.pk)
"""


def prepare(w: World, rows: int) -> None:
    """A data set and a base model that runs can name."""
    rng = random.Random(0)
    tiny.write_base_model(w.site.var_dir / "models" / "tiny-base")
    for split, count in (("train", rows), ("validation", 64), ("test", 32)):
        lines = ["text,label"]
        lines += [f"{tiny.sentence(index % 2, rng)},{index % 2}" for index in range(count)]
        file = w.site.var_dir / "datasets" / "sentences" / f"{split}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def state(w: World, pk: str) -> tuple[str, int, str, str]:
    """Status, attempt, stage and error of a run."""
    ((status, attempt, stage, error),) = w.rows(
        f"SELECT status, attempt, stage, error FROM training_trainingrun WHERE id = '{pk}'"
    )
    return status, attempt, stage, error


def leftovers(w: World) -> list[str]:
    """Training processes of this site that no worker of ours has below it."""
    ours = {process.pid for name in w.processes for process in w.tree(name)}
    found = []
    for process in psutil.process_iter(["pid", "cmdline", "environ", "status"]):
        here = (process.info["environ"] or {}).get("VAR_DIR") == str(w.site.var_dir)
        if here and process.pid not in ours and "run_training" in (process.info["cmdline"] or []):
            found.append(f"{process.pid} {process.info['status']}")
    return found


@dataclass
class Tally:
    kills: int = 0
    stages: Counter[str] = field(default_factory=Counter)
    back: list[float] = field(default_factory=list)
    orphans: int = 0
    lost: list[str] = field(default_factory=list)


def torment(
    w: World, name: str, kills: int, *, pace: float, rng: random.Random, tally: Tally
) -> None:
    """Start a run, kill its worker up to `kills` times, and see it to its end.

    Raises:
        TimeoutError: it is not taken up again, or does not end.
    """
    pk = w.shell(START.format(name=name)).split()[-1]
    for _ in range(kills):
        until(lambda: state(w, pk)[0] == "running", seconds=120, what=f"{name} taken up")
        time.sleep(rng.uniform(0, pace))
        status, attempt, stage, _ = state(w, pk)
        if status != "running":
            break  # it ended before
        tally.stages[stage] += 1
        w.kill("worker-training")
        tally.kills += 1
        killed = time.monotonic()
        time.sleep(0.3)
        tally.orphans += len(leftovers(w))
        w.start("worker-training")
        again = ("running", attempt + 1)
        until(
            partial(lambda again: state(w, pk)[:2] == again, again),
            seconds=3 * BACK_WITHIN,
            what=f"{name} taken up again",
        )
        tally.back.append(time.monotonic() - killed)
    until(
        lambda: state(w, pk)[0] not in ("queued", "running"),
        seconds=RUN_SECONDS,
        what=f"the end of {name}",
    )
    status, _, _, error = state(w, pk)
    if status != "succeeded":
        tally.lost.append(f"{name}: {status} {error}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=int, default=1200, help="more make a run last longer")
    parser.add_argument("--plant", choices=sorted(PLANTS), default="none")
    options = parser.parse_args(arguments)
    rng, tally, runs = random.Random(options.seed), Tally(), 0
    with (
        tempfile.TemporaryDirectory(prefix="kill-worker-") as directory,
        world(Path(directory), web=False) as w,
    ):
        prepare(w, options.rows)
        w.start("beat", plant=PLANTS[options.plant])
        w.start("worker-training")
        pace = undisturbed(w)
        while tally.kills < options.kills and len(tally.lost) < GIVE_UP:
            runs += 1
            kills = min(KILLS_PER_RUN, options.kills - tally.kills)
            try:
                torment(w, f"run-{runs}", kills, pace=pace, rng=rng, tally=tally)
            except TimeoutError as error:
                tally.lost.append(str(error))
        query = "SELECT name, count(*) FROM classifier_modelversion GROUP BY name"
        versions = {name: count for name, count in w.rows(query) if name.startswith("run-")}
        models = {path.name for path in (w.site.var_dir / "models").glob("run-*")}
        if tally.lost:
            sys.stdout.write(w.log("worker-training")[-3000:] + "\n")
    once = [name for name in models if versions.get(name) == 1]
    late = [took for took in tally.back if took > BACK_WITHIN]
    failures = len(tally.lost) + len(late) + tally.orphans
    failures += runs - len(once) + len(models) - len(once)
    figures = {
        "kills of the worker's whole tree": tally.kills,
        **{f"  {stage or 'starting'}": count for stage, count in sorted(tally.stages.items())},
        "runs": runs,
        "runs that ended with success": runs - len(tally.lost),
        "runs with exactly one model": len(once),
        "processes left over": tally.orphans,
        f"slowest return (s, at most {BACK_WITHIN:.0f})": f"{max(tally.back, default=0):.1f}",
        "median return (s)": f"{sorted(tally.back)[len(tally.back) // 2]:.1f}"
        if tally.back
        else "-",
        "lease (s)": LEASE,
    }
    sys.stdout.write(
        report(
            "T2",
            unit="kills of a training worker",
            tried=tally.kills,
            failures=failures,
            target="each run ends with one model; a worker is back within the lease + 30 s",
            figures=figures,
        )
    )
    sys.stdout.write("".join(f"{line}\n" for line in tally.lost))
    return 1 if failures else 0


def undisturbed(w: World) -> float:
    """Seconds that a run takes when it is left alone."""
    pk = w.shell(START.format(name="undisturbed")).split()[-1]
    until(lambda: state(w, pk)[0] == "running", seconds=120, what="the first run taken up")
    _, took = until(
        lambda: state(w, pk)[0] not in ("queued", "running"), seconds=600, what="the first run"
    )
    status, _, _, error = state(w, pk)
    if status != "succeeded":
        raise RuntimeError(f"{error}\n{w.log('worker-training')[-3000:]}")
    return took


if __name__ == "__main__":
    sys.exit(main())
