"""Kills fine-tuning with SIGKILL at seeded moments and resumes it, until it ends.

    python tests/chaos/kill_training.py --runs 5 --kills 50 --seed 0

Each run is the real `manage.py finetune` on a tiny model, one process after another. A kill comes
at any moment of the process, at one of its training, or inside a checkpoint's writing (at least a
fifth of all). After a third of the kills the newest checkpoint is torn besides, as a power cut or a
bad disk does. Prints what was lost and exits 1 if anything was: a run that could not go on, or
final weights that are not those of the undisturbed run, bit by bit.

--plant trust-newest resumes from the highest number unread, as transformers' get_last_checkpoint
does; the figures must then be red.
"""

import argparse
import hashlib
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from tests import tiny  # noqa: E402
from tests.chaos.findings import report  # noqa: E402
from training.checkpoints import STAGING, fault_of, numbered  # noqa: E402

MOMENTS = ("inside a save", "in training", "at any moment")
SHARES = (0.4, 0.4, 0.2)
TEAR_EACH = 3  # kills; the second of them is followed by a torn checkpoint
TORN = ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json")
FINETUNE = (
    *("--device", "cpu", "--precision", "fp32", "--method", "full", "--epochs", "3"),
    *("--batch-size", "8", "--learning-rate", "1e-3", "--max-length", "16", "--dropout", "0.1"),
    *("--evaluations-per-epoch", "10", "--experiment", ""),
)
PLANTS = {
    "none": "",
    "trust-newest": """
from pathlib import Path
from transformers.trainer_utils import get_last_checkpoint
from training import checkpoints
from training.finetuning import run as finetuning
def newest(directory):
    found = directory.is_dir() and get_last_checkpoint(str(directory))
    return Path(found) if found else None
checkpoints.last_good_checkpoint = finetuning.last_good_checkpoint = newest
""",
}


@dataclass
class Tally:
    kills: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    resumed: int = 0
    saves_torn: int = 0
    checkpoints_torn: int = 0
    equal: int = 0
    lost: list[str] = field(default_factory=list)


class Site:
    """A folder with data and base model, and the fine-tuning that runs on it."""

    def __init__(self, directory: Path, *, rows: int, plant: str) -> None:
        self.directory = directory
        self.plant = PLANTS[plant]
        tiny.write_base_model(directory / "base")
        rng = random.Random(0)
        for split, count in (("train", rows), ("validation", 64), ("test", 32)):
            lines = ["text,label"]
            for index in range(count):
                lines.append(f"{tiny.sentence(index % 2, rng, rng.randrange(4, 14))},{index % 2}")
            file = directory / "data" / f"{split}.csv"
            file.parent.mkdir(exist_ok=True)
            file.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def start(self, name: str) -> "subprocess.Popen[bytes]":
        """Begin the run `name`, or go on with it where it has begun."""
        if (self.directory / "runs" / name / "config.json").exists():
            arguments = ["finetune", "--name", name, "--resume"]
        else:
            data, base = self.directory / "data", self.directory / "base"
            arguments = ["finetune", "--name", name, "--dataset", str(data)]
            arguments += ["--base-model", str(base), *FINETUNE]
        code = (
            "import os, sys\n"
            "os.environ['DJANGO_SETTINGS_MODULE'] = 'reviewsite.settings'\n"
            f"{self.plant}"
            "from django.core.management import execute_from_command_line\n"
            "execute_from_command_line(['manage.py', *sys.argv[1:]])\n"
        )
        with (self.directory / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-c", code, *arguments],
                cwd=ROOT,
                env=os.environ
                | {"VAR_DIR": str(self.directory), "OMP_NUM_THREADS": "1", "DEBUG": "true"}
                | {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"},
                stdout=log,
                stderr=log,
            )

    def checkpoints(self, name: str) -> Path:
        return self.directory / "runs" / name / "checkpoints"

    def weights(self, name: str) -> str:
        file = self.directory / "models" / name / "model.safetensors"
        return hashlib.sha256(file.read_bytes()).hexdigest()


def saving(checkpoints: Path) -> bool:
    return any(checkpoints.glob(f"{STAGING}*"))


@dataclass(frozen=True)
class Pace:
    """Seconds that an undisturbed process takes until its first checkpoint, and from there on."""

    before: float
    after: float

    def share(self, kills: int) -> "Pace":
        """What may pass before one of `kills`, so that the run lives to see them all."""
        return Pace(self.before, self.after / (kills + 1))


def measured_pace(site: Site) -> Pace | None:
    """That of a run without kills, or None where it fails."""
    started = time.monotonic()
    process = site.start("undisturbed")
    while process.poll() is None and not numbered(site.checkpoints("undisturbed")):
        time.sleep(0.005)
    before = time.monotonic() - started
    return None if process.wait() else Pace(before, time.monotonic() - started - before)


def wait_and_kill(
    process: "subprocess.Popen[bytes]",
    moment: str,
    checkpoints: Path,
    rng: random.Random,
    pace: Pace,
) -> bool:
    """Kill at the moment; whether the process still lived then."""
    old = {path.name for path in numbered(checkpoints)}
    if moment == "at any moment":
        delay = rng.uniform(0, pace.before + pace.after)
    elif moment == "in training":
        # The first new checkpoint shows that training has begun (again).
        while process.poll() is None and not {path.name for path in numbered(checkpoints)} - old:
            time.sleep(0.005)
        delay = rng.uniform(0, pace.after)
    else:
        saves = rng.randrange(1, 3)
        while process.poll() is None and saves:
            while process.poll() is None and not saving(checkpoints):
                time.sleep(0.0005)
            saves -= 1
            while saves and process.poll() is None and saving(checkpoints):
                time.sleep(0.0005)
        delay = rng.uniform(0, 0.03)
    deadline = time.monotonic() + delay
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    if process.poll() is not None:
        return False
    process.send_signal(signal.SIGKILL)
    process.wait()
    return True


def tear(checkpoints: Path, rng: random.Random) -> bool:
    """Cut a file of the newest checkpoint, as a power cut may; whether there was one."""
    found = numbered(checkpoints)
    if not found or fault_of(found[-1]):
        return False
    file = found[-1] / rng.choice(TORN)
    os.truncate(file, rng.randrange(file.stat().st_size))
    return True


def torment(
    site: Site, name: str, kills: int, rng: random.Random, pace: Pace, tally: Tally
) -> None:
    """Kill a run `kills` times, or until it ends, and compare its weights."""
    checkpoints, killed = site.checkpoints(name), 0
    process = site.start(name)
    while killed < kills:
        (moment,) = rng.choices(MOMENTS, SHARES)
        if not wait_and_kill(process, moment, checkpoints, rng, pace.share(kills)):
            break  # it ended before
        killed += 1
        inside = saving(checkpoints)
        tally.kills["inside a save" if inside else moment] += 1
        tally.saves_torn += inside
        if killed % TEAR_EACH == 2:
            tally.checkpoints_torn += tear(checkpoints, rng)
        process = site.start(name)
    tally.runs += 1
    if process.wait():
        tally.lost.append(f"{name}: exit {process.returncode} after {killed} kills")
        tally.resumed += max(0, killed - 1)
        return
    tally.resumed += killed
    if site.weights(name) == site.weights("undisturbed"):
        tally.equal += 1
    else:
        tally.lost.append(f"{name}: other weights")


def said(tally: Tally) -> str:
    kills = sum(tally.kills.values())
    inside = tally.kills["inside a save"]
    return report(
        "T1",
        unit="kills of a training run",
        tried=kills,
        failures=len(tally.lost),
        target="each run ends with the weights of the undisturbed one, bit by bit",
        figures={
            "inside a save": f"{inside} ({inside / max(kills, 1):.0%})",
            "in training": tally.kills["in training"],
            "at any moment": tally.kills["at any moment"],
            "resumed": tally.resumed,
            "saves torn by a kill": tally.saves_torn,
            "checkpoints torn besides": tally.checkpoints_torn,
            "runs": tally.runs,
            "weights equal (sha256)": tally.equal,
            "runs lost": len(tally.lost),
        },
    ) + "".join(f"{line}\n" for line in tally.lost)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--kills", type=int, default=50, help="of all runs together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=int, default=2400, help="more make a run last longer")
    parser.add_argument("--plant", choices=sorted(PLANTS), default="none")
    options = parser.parse_args(arguments)
    rng, tally = random.Random(options.seed), Tally()
    with tempfile.TemporaryDirectory(prefix="kill-training-") as directory:
        site = Site(Path(directory), rows=options.rows, plant=options.plant)
        pace = measured_pace(site)
        if pace is None:
            log = Path(directory) / "undisturbed.log"
            sys.stdout.write(log.read_text(encoding="utf-8"))
            return 1
        while (
            left := options.kills - sum(tally.kills.values())
        ) > 0 and tally.runs < 2 * options.runs:
            kills = math.ceil(left / max(1, options.runs - tally.runs))
            torment(site, f"run-{tally.runs}", kills, rng, pace, tally)
        for name in tally.lost:
            log = Path(directory) / f"{name.partition(':')[0]}.log"
            sys.stdout.write(log.read_text(encoding="utf-8", errors="replace")[-2000:] + "\n")
    sys.stdout.write(said(tally))
    return 1 if tally.lost else 0


if __name__ == "__main__":
    sys.exit(main())
