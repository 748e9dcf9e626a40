"""A short turn of the kill test; `make chaos` or the script itself gives the figures."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif("CHAOS" not in os.environ, reason="takes minutes: set CHAOS=1")

SCRIPT = Path(__file__).with_name("kill_training.py")


def kill_training(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, SCRIPT, "--runs", "1", "--rows", "800", *arguments],
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )


def test_a_killed_run_ends_with_the_weights_of_an_undisturbed_one() -> None:
    done = kill_training("--kills", "4", "--seed", "0")
    assert done.returncode == 0, done.stdout + done.stderr


def test_trusting_the_newest_checkpoint_is_found_out() -> None:
    done = kill_training("--kills", "12", "--seed", "0", "--plant", "trust-newest")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "runs lost                      1" in done.stdout
