"""Compare fine-tuning from a base with fine-tuning from the same base after pretraining.

    python benchmarks/pretraining.py --dataset imdb --rows 1000 4000 --seeds 0 1 2 --steps 2000

The base is pretrained once, on the texts of the data set; then it and the result are fine-tuned on
so many labelled rows with each seed, and measured on the same rows of the test split. Whatever has
ended before is kept under --var, so a stopped comparison goes on when it is started again.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewsite.settings")

import django
import numpy as np
from django.conf import settings
from scipy import stats

django.setup()

from training.config import FinetuningConfig, with_overrides
from training.finetuning.run import run_finetuning
from training.pretraining.config import PretrainingConfig
from training.pretraining.run import run_pretraining

SHOWN = ("accuracy", "f1", "f1_macro", "roc_auc", "average_precision")
READER = "reader"  # the run of pretrain


def main() -> None:
    options = arguments()
    pretrained = pretrain(options)
    print(
        f"held-out perplexity {pretrained['before_perplexity']:.1f} -> "
        f"{pretrained['after_perplexity']:.1f}, accuracy "
        f"{pretrained['before_accuracy']:.4f} -> {pretrained['after_accuracy']:.4f}"
    )
    table: dict[int, dict[str, list[dict[str, float]]]] = {}
    for rows in options.rows:
        arms = {"without": options.base_model, "with": str(options.var / "models" / READER)}
        table[rows] = {
            arm: [finetune(options, base, rows, seed, arm) for seed in options.seeds]
            for arm, base in arms.items()
        }
        print("\n".join(lines(rows, table[rows], len(options.seeds))))
    if options.json:
        facts = {"pretraining": pretrained, "finetuning": table}
        options.json.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--dataset", default="imdb")
    parser.add_argument("--base-model", default="minilm")
    parser.add_argument("--var", type=Path, required=True, help="folder of the runs and models")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    pretraining = parser.add_argument_group("pretraining")
    pretraining.add_argument("--steps", type=int, default=2000)
    pretraining.add_argument("--text-rows", type=int, default=0, help="0 takes all texts")
    pretraining.add_argument("--batch-size", type=int, default=32)
    pretraining.add_argument("--pretraining-rate", type=float, default=2e-4)
    pretraining.add_argument("--pretraining-method", choices=("full", "lora"), default="full")
    tuning = parser.add_argument_group("fine-tuning")
    tuning.add_argument("--rows", type=int, nargs="+", default=[1000], help="labelled rows")
    tuning.add_argument("--test-rows", type=int, default=2000, help="0 takes all")
    tuning.add_argument("--epochs", type=float, default=2.0)
    tuning.add_argument("--max-length", type=int, default=256)
    tuning.add_argument("--precision", default="auto")
    return parser.parse_args()


def pretrain(options: argparse.Namespace) -> dict[str, float]:
    values = {
        "dataset": options.dataset,
        "base_model": options.base_model,
        "method": options.pretraining_method,
        "steps": options.steps,
        "text_rows": options.text_rows,
        "batch_size": options.batch_size,
        "learning_rate": options.pretraining_rate,
        "precision": options.precision,
        "experiment": "",
    }
    sections = with_overrides({}, values, kinds=PretrainingConfig.kinds())
    config = PretrainingConfig.from_sections(sections)
    return run_pretraining(config, name=READER, **places(options, READER)).metrics


def finetune(
    options: argparse.Namespace, base: str, rows: int, seed: int, arm: str
) -> dict[str, float]:
    values = {
        "dataset": options.dataset,
        "base_model": base,
        "train_rows": rows,
        "test_rows": options.test_rows,
        "epochs": options.epochs,
        "max_length": options.max_length,
        "precision": options.precision,
        "seed": seed,
        "experiment": "",
    }
    config = FinetuningConfig.from_sections(with_overrides({}, values))
    name = f"{arm}-{rows}-seed{seed}"
    metrics = run_finetuning(config, name=name, **places(options, name)).metrics
    return {key: metrics[f"test_{key}"] for key in SHOWN if f"test_{key}" in metrics}


def places(options: argparse.Namespace, name: str) -> dict[str, Any]:
    """Where a run reads and writes, and whether it was begun before."""
    runs = options.var / "runs"
    return {
        "models_dir": options.var / "models",
        "runs_dir": runs,
        "datasets_dir": settings.DATASETS_DIR,
        "resume": (runs / name / "config.json").is_file(),
    }


def lines(rows: int, arms: dict[str, list[dict[str, float]]], seeds: int) -> list[str]:
    """The table of one number of rows: mean and deviation over seeds, and the paired t-test."""
    found = [
        f"\n{rows:,} labelled rows",
        "| | without | with | difference | p |",
        "|---|---|---|---|---|",
    ]
    for key in arms["without"][0]:
        without, with_it = (
            np.asarray([each[key] for each in arms[arm]]) for arm in ("without", "with")
        )
        p = stats.ttest_rel(with_it, without).pvalue if seeds > 1 else float("nan")
        found.append(
            f"| {key} | {shown(without)} | {shown(with_it)} | "
            f"{np.mean(with_it - without):+.4f} | {p:.2f} |"
        )
    return found


def shown(values: Any) -> str:
    deviation = f" ± {values.std(ddof=1):.4f}" if len(values) > 1 else ""
    return f"{values.mean():.4f}{deviation}"


if __name__ == "__main__":
    main()
