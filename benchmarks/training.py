"""Compare fine-tuning by this product with the same recipe written plainly with the Trainer.

    python benchmarks/training.py --rows 2000 --json figures.json

Three arms train the bundled all-MiniLM-L6-v2 on the same reviews of IMDB, in batches of one size:

ours        what `manage.py finetune` does by default: an adapter, 256 tokens of head and tail,
            no dropout, batches of like length, bf16 where the machine gains from it
dynamic     every weight at 2e-5, dropout 0.1, 512 tokens, batches padded to their longest row, fp32
max_length  the same with every row padded to 512 tokens, and for --max-length-steps only

They train by turns, a block of steps each, and a clock runs only in an arm's own turns: a machine
whose speed drifts treats all alike. Loading, tokenizing, evaluating and saving are not timed. Each
arm reads the validation reviews as it reads training reviews. A missed bar gives exit status 1.
"""

import argparse
import json
import math
import multiprocessing
import os
import platform
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewsite.settings")

import datasets
import numpy as np
import pandas as pd
import torch
import transformers
from django.conf import settings
from numpy.typing import NDArray
from tqdm import tqdm
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from transformers.trainer_utils import IntervalStrategy, SaveStrategy

from training.config import FinetuningConfig
from training.data.splits import draw_rows, load_splits
from training.data.tokenization import tokenize
from training.learning.bases import find_base
from training.learning.trainer import build_trainer, load_base

SPEED_BARS = {"dynamic": 2.5, "max_length": 6.0}  # ours is at least so many times as fast
POINTS_BELOW = 0.3  # accuracy of ours, at most so far below that of dynamic

NEVER: dict[str, Any] = {
    "eval_strategy": IntervalStrategy.NO,
    "save_strategy": SaveStrategy.NO,
    "logging_strategy": IntervalStrategy.NO,
}
"""The Trainer's arguments with which nothing but training takes time."""


@dataclass(frozen=True)
class Job:
    """What all arms are given alike."""

    config: FinetuningConfig
    train: pd.DataFrame
    validation: pd.DataFrame
    labels: tuple[str, ...]
    threads: int
    block_steps: int
    directory: Path
    """For what a Trainer writes; removed at the end."""

    @property
    def batch_size(self) -> int:
        return self.config.training.batch_size

    @property
    def seed(self) -> int:
        return self.config.training.seed

    def rows_through(self, step: int) -> int:
        """Rows trained on in the first `step` steps; an epoch's last batch may be a small one."""
        epochs, steps = divmod(step, math.ceil(len(self.train) / self.batch_size))
        return epochs * len(self.train) + min(steps * self.batch_size, len(self.train))


# In the process of an arm


class Turns(TrainerCallback):
    """Lets a Trainer go on for one block of steps each time the other side says so.

    Args:
        limit: the last step; 0 goes on to the end.
    """

    def __init__(self, pipe: Connection, *, block_steps: int, limit: int) -> None:
        self._pipe = pipe
        self._block_steps = block_steps
        self._limit = limit
        self._last = 0
        self._started = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._last = min(self._limit or state.max_steps, state.max_steps)
        precision = "bf16" if args.bf16 else "fp32"
        self._pipe.send(Ready(self._last, state.max_steps, precision, args.device.type))
        self._wait()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        step = state.global_step
        if step == self._last:
            control.should_training_stop = True
        if step == self._last or step % self._block_steps == 0:
            self._pipe.send((step, time.perf_counter() - self._started))
            if step < self._last:
                self._wait()

    def _wait(self) -> None:
        self._pipe.recv()
        self._started = time.perf_counter()


@dataclass(frozen=True)
class Ready:
    """What an arm says before its first step."""

    last_step: int
    total_steps: int
    """Of the learning rate's schedule."""
    precision: str
    device: str


def ours(job: Job) -> Trainer:
    """As finetuning does, but that nothing is evaluated, saved or logged on the way."""
    config = job.config
    base = find_base(config.model, models_dir=settings.MODELS_DIR)
    model, tokenizer = load_base(base, config.model, job.labels)
    train, validation = (
        tokenize(frame, tokenizer, config.model) for frame in (job.train, job.validation)
    )
    trainer = build_trainer(
        config,
        model=model,
        tokenizer=tokenizer,
        train=train,
        validation=validation,
        labels=job.labels,
        run_dir=job.directory / "ours",
    )
    for name, never in NEVER.items():
        setattr(trainer.args, name, never)
    trainer.args.load_best_model_at_end = False  # with nothing saved, there is none to load
    return trainer


def dynamic(job: Job) -> Trainer:
    return _plain(job, padding=False)


def max_length(job: Job) -> Trainer:
    return _plain(job, padding="max_length")


ARMS: dict[str, Callable[[Job], Trainer]] = {
    "ours": ours,
    "dynamic": dynamic,
    "max_length": max_length,
}


def _plain(job: Job, *, padding: bool | str) -> Trainer:
    """The usual script, with nothing of this product in it but the rows and the base model."""
    source = find_base(job.config.model, models_dir=settings.MODELS_DIR).source
    tokenizer: Any = AutoTokenizer.from_pretrained(source)
    model = AutoModelForSequenceClassification.from_pretrained(source, num_labels=len(job.labels))

    def encode(batch: dict[str, list[str]]) -> Any:
        return tokenizer(batch["text"], truncation=True, padding=padding)

    train, validation = (
        datasets.Dataset.from_pandas(frame[["text", "label"]], preserve_index=False).map(
            encode, batched=True
        )
        for frame in (job.train, job.validation)
    )
    return Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(job.directory / "plain"),
            num_train_epochs=job.config.training.epochs,
            learning_rate=2e-5,
            per_device_train_batch_size=job.batch_size,
            weight_decay=0.01,
            bf16=False,
            seed=job.seed,
            dataloader_pin_memory=False,
            report_to=[],
            **NEVER,
        ),
        train_dataset=train,
        eval_dataset=validation,
        processing_class=tokenizer,
        data_collator=DataCollatorWithPadding(tokenizer),
    )


def run_arm(name: str, job: Job, limit: int, pipe: Connection) -> None:
    """Train by turns; if the training came to its end, say which validation rows are right."""
    torch.set_num_threads(job.threads)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    warnings.filterwarnings("ignore", category=FutureWarning)  # peft's ways with transformers
    set_seed(job.seed)
    trainer = ARMS[name](job)
    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)
    trainer.add_callback(Turns(pipe, block_steps=job.block_steps, limit=limit))
    set_seed(job.seed)
    trainer.train()
    if trainer.state.global_step == trainer.state.max_steps:
        pipe.recv()
        rows: Any = trainer.eval_dataset
        prediction = trainer.predict(rows)
        pipe.send(np.argmax(prediction.predictions, axis=1) == prediction.label_ids)


# In the process that gives the turns


@dataclass(frozen=True)
class Block:
    rows: int
    seconds: float

    @property
    def speed(self) -> float:
        return self.rows / self.seconds


@dataclass
class Arm:
    """One arm, in a process of its own, and what came of it.

    Not in a thread: the arms would draw dropout from one random generator, and the accelerate
    library keeps one precision for all Trainers of a process.
    """

    name: str
    job: Job
    limit: int
    blocks: dict[int, Block] = field(default_factory=dict)
    """By the round in which they were trained."""
    right: NDArray[np.bool_] | None = None
    """Of each validation row; None where the training was cut short."""
    step: int = 0

    def start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        arguments = (self.name, self.job, self.limit, theirs)
        context.Process(target=run_arm, args=arguments, daemon=True).start()
        theirs.close()  # else the end of the process would go unnoticed here

    def wait_until_ready(self) -> None:
        self.ready: Ready = self._receive()

    def block_count(self) -> int:
        return math.ceil(self.ready.last_step / self.job.block_steps)

    def train_block(self, round_number: int) -> None:
        done = self.job.rows_through(self.step)
        self.step, seconds = self._turn()
        self.blocks[round_number] = Block(self.job.rows_through(self.step) - done, seconds)

    def evaluate(self) -> None:
        if self.ready.last_step == self.ready.total_steps:
            self.right = self._turn()

    def total(self) -> Block:
        blocks = self.blocks.values()
        return Block(sum(block.rows for block in blocks), sum(block.seconds for block in blocks))

    def accuracy(self) -> float | None:
        return None if self.right is None else float(self.right.mean())

    def _turn(self) -> Any:
        self._pipe.send(None)
        return self._receive()

    def _receive(self) -> Any:
        try:
            return self._pipe.recv()
        except EOFError:
            raise SystemExit(f"The arm {self.name} failed; its error stands above.") from None


def train_by_turns(arms: list[Arm]) -> None:
    """Every arm to its end; one with fewer blocks has them spread over the whole time."""
    for arm in arms:
        arm.start()
    for arm in arms:
        arm.wait_until_ready()
    rounds = max(arm.block_count() for arm in arms)
    due = {
        arm.name: {index * rounds // arm.block_count() for index in range(arm.block_count())}
        for arm in arms
    }
    for round_number in tqdm(range(rounds), desc="Training", unit=" rounds", leave=False):
        for arm in arms:
            if round_number in due[arm.name]:
                arm.train_block(round_number)
    for arm in tqdm(arms, desc="Evaluating", unit=" arms", leave=False):
        arm.evaluate()


def prepare_job(options: argparse.Namespace, directory: Path) -> Job:
    """Draw reviews of IMDB's train split, those of a film on one side; the rest is default."""
    config = FinetuningConfig.from_sections(
        {
            "data": {
                "dataset": "imdb",
                "group_column": "movie",
                "group_table": "movie_ids.parquet",
                "train_rows": options.rows,
            },
            "training": {name: getattr(options, name) for name in ("epochs", "batch_size", "seed")},
        }
    )
    splits = load_splits(config.data, datasets_dir=settings.DATASETS_DIR, seed=options.seed)
    return Job(
        config=config,
        train=splits.train,
        validation=draw_rows(splits.validation, options.validation_rows, seed=options.seed),
        labels=splits.labels,
        threads=options.threads,
        block_steps=options.block_steps,
        directory=directory,
    )


def machine_facts(threads: int) -> dict[str, Any]:
    return {
        "processor": processor_name(),
        "cores": os.cpu_count(),
        "threads": threads,
        "amx": torch.cpu._is_amx_tile_supported(),
        "avx512_bf16": torch.cpu._is_avx512_bf16_supported(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def processor_name() -> str:
    """As Linux calls it; elsewhere what Python knows."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text(encoding="utf-8").splitlines() if facts.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def compare_speed(first: Arm, second: Arm, bar: float) -> dict[str, Any]:
    """How many times as fast `first` is: over all rows, and in the rounds that both trained in."""
    ratio = first.total().speed / second.total().speed
    shared = first.blocks.keys() & second.blocks.keys()
    by_round = [first.blocks[number].speed / second.blocks[number].speed for number in shared]
    return {
        "ratio": ratio,
        "bar": bar,
        "met": ratio >= bar,
        "rounds": len(by_round),
        "quartiles_over_rounds": np.quantile(by_round, [0.25, 0.5, 0.75]).tolist(),
    }


def compare_accuracy(first: Arm, second: Arm, points_below: float) -> dict[str, Any]:
    """How many points `first` is above, with the standard error of a difference of paired rows."""
    assert first.right is not None  # both train to their end
    assert second.right is not None
    difference = 100 * (first.right.astype(float) - second.right.astype(float))
    return {
        "points": float(difference.mean()),
        "standard_error": float(difference.std(ddof=1) / math.sqrt(len(difference))),
        "bar": -points_below,
        "met": bool(difference.mean() >= -points_below),
    }


def collect_figures(options: argparse.Namespace, job: Job, arms: list[Arm]) -> dict[str, Any]:
    by_name = {arm.name: arm for arm in arms}
    first = by_name["ours"]
    return {
        "machine": machine_facts(options.threads),
        "options": {name: value for name, value in vars(options).items() if name != "json"},
        "rows": {"train": len(job.train), "validation": len(job.validation)},
        "arms": {
            arm.name: {
                "device": arm.ready.device,
                "precision": arm.ready.precision,
                "steps": arm.step,
                "rows": arm.total().rows,
                "seconds": arm.total().seconds,
                "reviews_per_second": arm.total().speed,
                "accuracy": arm.accuracy(),
                "reviews_per_second_by_round": {
                    number: block.speed for number, block in arm.blocks.items()
                },
            }
            for arm in arms
        },
        "speed": {
            name: compare_speed(first, by_name[name], bar) for name, bar in SPEED_BARS.items()
        },
        "accuracy": compare_accuracy(first, by_name["dynamic"], POINTS_BELOW),
    }


def print_figures(figures: dict[str, Any]) -> None:
    for section in ("machine", "rows"):
        print(
            f"{section:10} " + ", ".join(f"{key} {fact}" for key, fact in figures[section].items())
        )
    print(f"\n{'arm':10} {'device':6} {'precision':9} {'rows':>6} {'reviews/s':>9}  accuracy")
    for name, arm in figures["arms"].items():
        accuracy = "not measured" if arm["accuracy"] is None else f"{arm['accuracy']:.4f}"
        print(
            f"{name:10} {arm['device']:6} {arm['precision']:9} {arm['rows']:6} "
            f"{arm['reviews_per_second']:9.2f}  {accuracy}"
        )
    print()
    for name, speed in figures["speed"].items():
        lower, median, upper = speed["quartiles_over_rounds"]
        print(
            f"ours / {name:10} {speed['ratio']:6.2f}  bar {speed['bar']}: {_verdict(speed)}; "
            f"in {speed['rounds']} rounds median {median:.2f}, quartiles {lower:.2f}..{upper:.2f}"
        )
    accuracy = figures["accuracy"]
    print(
        f"ours - dynamic    {accuracy['points']:+6.2f}  points of accuracy, "
        f"bar {accuracy['bar']}: {_verdict(accuracy)}; "
        f"standard error {accuracy['standard_error']:.2f}"
    )


def _verdict(comparison: dict[str, Any]) -> str:
    return "met" if comparison["met"] else "MISSED"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=2000, help="reviews to train on")
    parser.add_argument("--validation-rows", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--block-steps", type=int, default=5, help="optimizer steps of one turn")
    parser.add_argument(
        "--max-length-steps",
        type=int,
        default=25,
        help="steps of the slowest arm, whose padding changes its speed alone; 0 takes all",
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of torch, in each arm")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as directory:
        job = prepare_job(options, Path(directory))
        limits = {"max_length": options.max_length_steps}
        arms = [Arm(name, job, limits.get(name, 0)) for name in ARMS]
        train_by_turns(arms)
    figures = collect_figures(options, job, arms)
    print_figures(figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    comparisons = [*figures["speed"].values(), figures["accuracy"]]
    return 0 if all(comparison["met"] for comparison in comparisons) else 1


if __name__ == "__main__":
    sys.exit(main())
