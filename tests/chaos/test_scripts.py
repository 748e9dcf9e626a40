"""Short turns of the scripts, with and without a planted fault; `make chaos` has the figures."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif("CHAOS" not in os.environ, reason="takes minutes: set CHAOS=1")

SHORT = {
    "kill_training": ("--runs", "1", "--rows", "800", "--kills", "4", "--seed", "0"),
    "kill_worker": ("--kills", "2", "--seed", "0"),
    "kill_bulk": ("--rows", "4000", "--kills", "4", "--services", "files"),
    "break_broker": ("--rounds", "1", "--jobs", "2", "--seconds", "30"),
    "restart_broker": ("--restarts", "3", "--empties", "1", "--seconds", "90"),
    "restart_postgresql": ("--restarts", "3"),
    "huge_inputs": ("--rows", "200000"),
    "write_sqlite": ("--transactions", "200"),
    "fill_disk": ("--points", "4"),
    "reload_web": ("--reloads", "3", "--rounds", "2"),
    "compare_answers": ("--requests", "4000"),
    "fuzz_api": ("--cases", "500", "--bodies", "500"),
    "slow_clients": ("--seconds", "15"),
    "cold_start": ("--starts", "3"),
    "activate_models": ("--activations", "6", "--broken", "2", "--clients", "8"),
    "soak": ("--minutes", "4", "--warm-up", "1"),
}
PLANTED = {
    "kill_training": ("trust-newest", ("--kills", "12")),
    "kill_worker": ("no-reaper", ()),
    "kill_bulk": ("no-lease", ()),
    "break_broker": ("forget", ()),
    "restart_broker": ("forget", ()),
    "restart_postgresql": ("fsync-off", ()),
    "huge_inputs": ("slurp", ()),
    "write_sqlite": ("deferred", ()),
    "fill_disk": ("no-looks", ()),
    "reload_web": ("quit", ()),
    "compare_answers": ("shared", ()),
    "fuzz_api": ("careless", ()),
    "slow_clients": ("no-proxy", ()),
    "cold_start": ("hasty", ()),
    "activate_models": ("mix", ()),
    "soak": ("leak", ()),
}


def run(script: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, Path(__file__).with_name(f"{script}.py"), *SHORT[script], *arguments],
        capture_output=True,
        text=True,
        timeout=3600,
        check=False,
    )


@pytest.mark.parametrize("script", SHORT)
def test_nothing_is_lost(script: str) -> None:
    done = run(script)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("script", PLANTED)
def test_a_planted_fault_is_found_out(script: str) -> None:
    plant, arguments = PLANTED[script]
    done = run(script, "--plant", plant, *arguments)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "95 % upper bound" in done.stdout, done.stderr
