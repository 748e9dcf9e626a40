"""The disk is full at seeded moments of fine-tuning, and is given room again.

    python tests/chaos/fill_disk.py --points 20 --seed 0

Each run is the real `manage.py finetune` on a tiny model, in a file system of its own (tmpfs, which
needs root). At a random moment all room but a random rest is taken. The run must end by itself and
say that the disk is full, unless it needed no more room; then the room is given back, the run is
resumed, and its weights must be those of the undisturbed run, bit by bit. Exits 1 otherwise.

--plant no-checks resumes from the newest checkpoint, whole or not, as transformers does.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from tests.chaos.findings import report  # noqa: E402
from tests.chaos.kill_training import Site  # noqa: E402

SIZE = 64 * 1024 * 1024  # bytes of the file system
RUN_SECONDS = 300


@contextmanager
def small_disk(place: Path) -> Iterator[None]:
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
                os.posix_fallocate(out.fileno(), 0, free - rest)
                break
            except OSError:  # the run has written meanwhile: there is less to take
                continue
    return ballast


def training(site: Site, name: str, process: "subprocess.Popen[bytes]") -> None:
    """Wait until a run writes its first checkpoint, or ends."""
    while process.poll() is None and not site.checkpoints(name).is_dir():
        time.sleep(0.02)


def torment(site: Site, name: str, *, in_training: bool, moment: float, rest: int) -> str:
    """Fill the disk at a moment of a run; what came of it.

    Args:
        in_training: the moment counts from the first checkpoint, else from the start.
        moment: seconds.
        rest: bytes that stay free.

    Returns:
        "paused and resumed", "needed no more room", or what went wrong.
    """
    process = site.start(name)
    if in_training:
        training(site, name, process)
    time.sleep(moment)
    ballast = fill(site.directory, rest)
    try:
        status = process.wait(timeout=RUN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return "hung"
    finally:
        ballast.unlink()
    said = (site.directory / f"{name}.log").read_text(encoding="utf-8", errors="replace")
    if status == 0:
        return "needed no more room" if equal(site, name) else "other weights"
    # The log is on the same disk, and may have had no room for it.
    reason = "disk" in said.lower() or "room" in said.lower() or "Errno 28" in said
    if site.start(name).wait(timeout=RUN_SECONDS) != 0:
        return f"not resumed: {said[-300:]}"
    if not equal(site, name):
        return "other weights"
    return "paused and resumed" if reason else "paused without a reason, and resumed"


def equal(site: Site, name: str) -> bool:
    return site.weights(name) == site.weights("undisturbed")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--points", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=int, default=800)
    parser.add_argument("--plant", choices=["none", "no-checks"], default="none")
    options = parser.parse_args(arguments)
    if os.geteuid() != 0:
        sys.stdout.write("A small file system is mounted by root alone: run this as root.\n")
        return 2
    rng, outcomes = random.Random(options.seed), Counter[str]()
    plant = "trust-newest" if options.plant == "no-checks" else "none"
    with (
        tempfile.TemporaryDirectory(prefix="fill-disk-") as directory,
        small_disk(Path(directory)),
    ):
        site = Site(Path(directory), rows=options.rows, plant=plant)
        started = time.monotonic()
        if site.start("undisturbed").wait(timeout=RUN_SECONDS) != 0:
            sys.stdout.write((Path(directory) / "undisturbed.log").read_text())
            return 1
        pace = time.monotonic() - started
        for number in range(options.points):
            in_training = rng.random() < 0.8
            outcome = torment(
                site,
                f"run-{number}",
                in_training=in_training,
                moment=rng.uniform(0, pace / 4 if in_training else pace),
                rest=rng.choice([0, rng.randrange(50_000), rng.randrange(400_000)]),
            )
            outcomes[outcome] += 1
            shutil.rmtree(site.directory / "runs" / f"run-{number}")
    good = outcomes["paused and resumed"] + outcomes["needed no more room"]
    sys.stdout.write(
        report(
            "T8",
            unit="fill points",
            tried=options.points,
            failures=options.points - good,
            target="each ends by itself, says why, and resumes to equal weights",
            figures=dict(outcomes),
        )
    )
    return 0 if good == options.points else 1


if __name__ == "__main__":
    sys.exit(main())
