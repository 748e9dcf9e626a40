"""One run by two real processes that meet over gloo."""

import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.training.tiny_run import write_data
from training.checkpoints import numbered
from training.config import ConfigError
from training.distribution import from_main, is_main_process, process_count

ROOT = Path(__file__).parent.parent.parent
RUN = (
    *("manage.py", "finetune", "--device", "cpu", "--method", "full", "--epochs", "1.5"),
    *("--learning-rate", "3e-3", "--max-length", "16", "--precision", "fp32"),
    *("--evaluations-per-epoch", "3"),
)
LAUNCHERS = {
    "torchrun": ("-m", "torch.distributed.run", "--nproc-per-node", "2"),
    "accelerate": ("-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"),
}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory, tiny_base_dir: Path) -> Path:
    return write_data(tmp_path_factory.mktemp("data"), tiny_base_dir)


def launch(
    launcher: tuple[str, ...], data_dir: Path, var_dir: Path, *options: str
) -> "subprocess.CompletedProcess[str]":
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    port_option: tuple[str, ...] = ("--master-port", port) if launcher else ()
    if launcher == LAUNCHERS["accelerate"]:
        port_option = ("--main_process_port", port)
    environment = {key: value for key, value in os.environ.items() if "DJANGO" not in key}
    return subprocess.run(
        [
            sys.executable,
            *launcher,
            *port_option,
            *RUN,
            *("--dataset", str(data_dir), "--base-model", str(data_dir / "base")),
            *("--name", "mine", *options),
        ],
        cwd=ROOT,
        env=environment | {"VAR_DIR": str(var_dir), "OMP_NUM_THREADS": "1", "DEBUG": "true"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def facts(var_dir: Path) -> dict[str, float]:
    metrics: dict[str, float] = json.loads(
        (var_dir / "models" / "mine" / "metrics.json").read_text()
    )["metrics"]
    return metrics


@pytest.fixture(scope="module")
def one_process(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    var_dir = tmp_path_factory.mktemp("one")
    done = launch((), data_dir, var_dir, "--batch-size", "8", "--experiment", "")
    assert done.returncode == 0, done.stderr
    return var_dir


def test_two_processes_do_what_one_does_with_the_doubled_batch(
    data_dir: Path, one_process: Path, tmp_path: Path
) -> None:
    done = launch(LAUNCHERS["torchrun"], data_dir, tmp_path, "--batch-size", "4")
    assert done.returncode == 0, done.stderr
    one, two = facts(one_process), facts(tmp_path)
    assert set(one) == set(two)
    for key in ("train_loss", "validation_loss"):
        assert two[key] == pytest.approx(one[key], abs=2e-3)
    assert two["validation_rows"] == one["validation_rows"] == 40
    # The main process alone writes and tracks.
    assert len(re.findall("The model is in", done.stdout)) == 1
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
    done = launch(
        LAUNCHERS["accelerate"], data_dir, tmp_path, "--batch-size", "4", "--experiment", ""
    )
    assert done.returncode == 0, done.stderr
    assert facts(tmp_path)["validation_loss"] == pytest.approx(
        facts(one_process)["validation_loss"], abs=2e-3
    )


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
