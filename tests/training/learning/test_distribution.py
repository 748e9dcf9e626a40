"""One run by two real processes that meet over gloo."""

import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.training import tiny_run
from training.checkpoints import numbered
from training.config import ConfigError
from training.learning.distribution import from_main, is_main_process, process_count

ROOT = Path(__file__).parents[3]
FINETUNE = ("finetune", "--name", "mine")
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
    return tiny_run.write_data(tmp_path_factory.mktemp("data"), tiny_base_dir)


def started(
    launcher: tuple[str, ...],
    data_dir: Path,
    var_dir: Path,
    *options: str,
    program: str = "manage.py",
) -> "subprocess.Popen[str]":
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    accelerate = launcher == LAUNCHERS["accelerate"]
    port_option = ("--main_process_port" if accelerate else "--master-port", port)
    if "--resume" not in options:
        data = ("--dataset", str(data_dir), "--base-model", str(data_dir / "base"))
        options = (*PARAMETERS, *data, *options)
    environment = {key: value for key, value in os.environ.items() if "DJANGO" not in key}
    return subprocess.Popen(
        [sys.executable, *launcher, *port_option, program, *FINETUNE, *options],
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


def checkpoints(var_dir: Path) -> Path:
    return var_dir / "runs" / "mine" / "checkpoints"


def facts(var_dir: Path) -> dict[str, float]:
    metrics: dict[str, float] = json.loads(
        (var_dir / "models" / "mine" / "metrics.json").read_text()
    )["metrics"]
    return metrics


def test_two_processes_do_what_one_does_with_the_doubled_batch(
    data_dir: Path, empty_mlflow_store: Path, tmp_path: Path
) -> None:
    shutil.copyfile(empty_mlflow_store, tmp_path / "mlflow.db")
    tiny_run.run(data_dir, tmp_path / "one", dropout=0.0)
    output, _ = launch(LAUNCHERS["torchrun"], data_dir, tmp_path, "--batch-size", "4")
    one, two = facts(tmp_path / "one"), facts(tmp_path)
    assert set(one) == set(two)
    for key in ("train_loss", "validation_loss"):
        assert two[key] == pytest.approx(one[key], abs=2e-3)
    assert two["validation_rows"] == one["validation_rows"] == 40
    # The main process alone writes and tracks.
    assert len(re.findall("The model is in", output)) == 1
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == ["mine"]
    newest = numbered(checkpoints(tmp_path))[-1]
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


WITH_DROPOUT = ("--batch-size", "4", "--dropout", "0.1", "--experiment", "")
# manage.py, whose processes before some step kill themselves and their launcher, or whose main
# process tells the launcher to stop them.
STOPPING = """
import os, signal, sys, time
sys.path.insert(0, {root!r})
from django.core.management import execute_from_command_line
from transformers import TrainerCallback
from training.learning import trainer

launcher = os.getppid()

class Stop(TrainerCallback):
    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step != {step}:
            return
        if {number} == signal.SIGKILL:
            if state.is_world_process_zero:
                os.kill(launcher, signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
        if not state.is_world_process_zero:
            return
        heard, handler = [], signal.getsignal(signal.SIGTERM)
        signal.signal(signal.SIGTERM, lambda *args: heard.append(handler(*args)))
        os.kill(launcher, signal.SIGTERM)
        while not heard:
            time.sleep(0.01)

build = trainer.build_trainer

def build_stopping(*args, **kwargs):
    built = build(*args, **kwargs)
    built.add_callback(Stop())
    return built

trainer.build_trainer = build_stopping
os.environ["DJANGO_SETTINGS_MODULE"] = "reviewsite.settings"
execute_from_command_line(sys.argv)
"""


def test_processes_that_are_killed_and_then_stopped_resume_to_the_same_weights(
    data_dir: Path, tmp_path: Path
) -> None:
    """As those that another launcher started, and that went on undisturbed."""
    torchrun, program = LAUNCHERS["torchrun"], tmp_path / "stopping.py"

    def stopped(number: signal.Signals, step: int, *options: str) -> str:
        program.write_text(STOPPING.format(root=str(ROOT), step=step, number=int(number)))
        process = started(torchrun, data_dir, tmp_path, *options, program=str(program))
        _, errors = process.communicate(timeout=900)
        assert process.returncode != 0
        return errors

    errors = stopped(signal.SIGKILL, 15, *WITH_DROPOUT)
    assert [path.name for path in numbered(checkpoints(tmp_path))] == ["checkpoint-10"], errors
    errors = stopped(signal.SIGTERM, 25, "--resume")
    assert "Stopped by SIGTERM; the checkpoint of step 26" in errors
    launch(torchrun, data_dir, tmp_path, "--resume")

    launch(LAUNCHERS["accelerate"], data_dir, tmp_path / "whole", *WITH_DROPOUT)
    weights = [
        (var_dir / "models" / "mine" / "model.safetensors").read_bytes()
        for var_dir in (tmp_path, tmp_path / "whole")
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
