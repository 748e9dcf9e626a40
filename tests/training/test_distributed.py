"""One run by two real processes that meet over gloo."""

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.training.tiny_run import write_data
from training.checkpoints import numbered
from training.config import ConfigError
from training.distribution import from_main, is_main_process, process_count

ROOT = Path(__file__).parent.parent.parent
FINETUNE = ("manage.py", "finetune", "--name", "mine")
PARAMETERS = (
    *("--device", "cpu", "--method", "full", "--epochs", "1.5", "--learning-rate", "3e-3"),
    *("--max-length", "16", "--precision", "fp32", "--evaluations-per-epoch", "3"),
)
LAUNCHERS = {
    "torchrun": ("-m", "torch.distributed.run", "--nproc-per-node", "2"),
    "accelerate": ("-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"),
}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory, tiny_base_dir: Path) -> Path:
    return write_data(tmp_path_factory.mktemp("data"), tiny_base_dir)


def started(
    launcher: tuple[str, ...], data_dir: Path, var_dir: Path, *options: str
) -> "subprocess.Popen[str]":
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    port_option: tuple[str, ...] = ("--master-port", port) if launcher else ()
    if launcher == LAUNCHERS["accelerate"]:
        port_option = ("--main_process_port", port)
    if "--resume" not in options:
        data = ("--dataset", str(data_dir), "--base-model", str(data_dir / "base"))
        options = (*PARAMETERS, *data, *options)
    environment = {key: value for key, value in os.environ.items() if "DJANGO" not in key}
    return subprocess.Popen(
        [sys.executable, *launcher, *port_option, *FINETUNE, *options],
        cwd=ROOT,
        env=environment | {"VAR_DIR": str(var_dir), "OMP_NUM_THREADS": "1", "DEBUG": "true"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def launch(
    launcher: tuple[str, ...], data_dir: Path, var_dir: Path, *options: str
) -> tuple[str, str]:
    """What the run said on standard output and error; it must have succeeded."""
    process = started(launcher, data_dir, var_dir, *options)
    output, errors = process.communicate(timeout=900)
    assert process.returncode == 0, errors
    return output, errors


def facts(var_dir: Path) -> dict[str, float]:
    metrics: dict[str, float] = json.loads(
        (var_dir / "models" / "mine" / "metrics.json").read_text()
    )["metrics"]
    return metrics


@pytest.fixture(scope="module")
def one_process(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    var_dir = tmp_path_factory.mktemp("one")
    launch((), data_dir, var_dir, "--batch-size", "8", "--experiment", "")
    return var_dir


def test_two_processes_do_what_one_does_with_the_doubled_batch(
    data_dir: Path, one_process: Path, tmp_path: Path
) -> None:
    output, _ = launch(LAUNCHERS["torchrun"], data_dir, tmp_path, "--batch-size", "4")
    one, two = facts(one_process), facts(tmp_path)
    assert set(one) == set(two)
    for key in ("train_loss", "validation_loss"):
        assert two[key] == pytest.approx(one[key], abs=2e-3)
    assert two["validation_rows"] == one["validation_rows"] == 40
    # The main process alone writes and tracks.
    assert len(re.findall("The model is in", output)) == 1
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == ["mine"]
    newest = numbered(tmp_path / "runs" / "mine" / "checkpoints")[-1]
    assert {"rng_state_0.pth", "rng_state_1.pth"} <= set(
        json.loads((newest / "manifest.json").read_text())["files"]
    )
    with sqlite3.connect(tmp_path / "mlflow.db") as store:
        assert store.execute("select count(*) from runs").fetchone() == (1,)
        repeated = "select key, step, count(*) from metrics group by key, step having count(*) > 1"
        assert store.execute(repeated).fetchall() == []
        losses = "select count(*) from metrics where key = 'eval_loss'"
        assert store.execute(losses).fetchone() == (5,)
    store.close()


def test_accelerate_launch_starts_the_same_run(
    data_dir: Path, one_process: Path, tmp_path: Path
) -> None:
    launch(LAUNCHERS["accelerate"], data_dir, tmp_path, "--batch-size", "4", "--experiment", "")
    assert facts(tmp_path)["validation_loss"] == pytest.approx(
        facts(one_process)["validation_loss"], abs=2e-3
    )


WITH_DROPOUT = ("--batch-size", "4", "--dropout", "0.1", "--experiment", "")


@pytest.fixture(scope="module")
def never_stopped(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    var_dir = tmp_path_factory.mktemp("whole")
    launch(LAUNCHERS["torchrun"], data_dir, var_dir, *WITH_DROPOUT)
    return var_dir


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_two_processes_that_are_stopped_resume_to_the_same_weights(
    data_dir: Path, never_stopped: Path, tmp_path: Path, number: signal.Signals
) -> None:
    process = started(LAUNCHERS["torchrun"], data_dir, tmp_path, *WITH_DROPOUT)
    checkpoints = tmp_path / "runs" / "mine" / "checkpoints"
    while not numbered(checkpoints):
        assert process.poll() is None
        time.sleep(0.002)
    if number == signal.SIGKILL:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    _, errors = process.communicate(timeout=300)
    assert process.returncode != 0
    assert ("Stopped by SIGTERM; the checkpoint of step" in errors) == (number == signal.SIGTERM)
    launch(LAUNCHERS["torchrun"], data_dir, tmp_path, "--resume")
    weights = [
        (var_dir / "models" / "mine" / "model.safetensors").read_bytes()
        for var_dir in (never_stopped, tmp_path)
    ]
    assert weights[0] == weights[1]


def test_processes_that_were_asked_for_but_not_started_are_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What accelerate launch --cpu --num_processes 2 leaves in the environment of its one process.
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.setenv("ACCELERATE_USE_CPU", "True")
    monkeypatch.setenv("MASTER_PORT", "29500")
    with pytest.raises(ConfigError, match=r"WORLD_SIZE.*torchrun"):
        process_count()


def test_a_single_process_is_the_main_one() -> None:
    assert process_count() == 1
    assert is_main_process()
    assert from_main("value") == "value"
