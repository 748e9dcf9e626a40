"""A pretraining run from its config to a measured encoder's directory, in order."""

import json
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from training.checkpoints import last_good_checkpoint, model_bytes, room_required
from training.config.paths import without_paths
from training.learning.bases import Base, find_base
from training.learning.distribution import from_main, is_main_process, join, process_count
from training.learning.rehearsal import rehearse
from training.learning.trainer import trains_on_cpu
from training.pretraining.card import encoder_card
from training.pretraining.config import PretrainingConfig
from training.pretraining.texts import Texts, load_texts
from training.runs.export import draft_of, publish, save_adapter, write_json
from training.runs.history import train_loss, without_timings
from training.runs.names import require_new_name
from training.runs.records import CONFIG, published_facts
from training.tracking import Tracker, tracked_run

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import Trainer

    from training.pretraining.model import Encoder

logger = logging.getLogger(__name__)

BEFORE = "before.json"  # what the encoder guessed before its first step, for a run that goes on


@dataclass(frozen=True)
class PretrainingResult:
    model_dir: Path
    """What `finetune --base-model` takes."""
    metrics: dict[str, float]
    """Measures on the held-out texts, each named `before_` or `after_`, and the training loss."""


@dataclass(frozen=True)
class Preparation:
    """All that a run needs for its first step."""

    texts: Texts
    base: Base
    encoder: "Encoder"
    trainer: "Trainer"


def run_pretraining(
    config: PretrainingConfig,
    *,
    name: str,
    models_dir: Path,
    runs_dir: Path,
    datasets_dir: Path,
    resume: bool = False,
    tracking_uri: str = "",
) -> PretrainingResult:
    """Train the encoder, measure it on held-out texts before and after, and write it.

    Started as several processes, all train and the main one alone writes. The model's directory
    appears by one renaming when all in it is measured and described.

    Args:
        name: of the run and of the model; its directories are runs_dir/name, models_dir/name.
        resume: go on from the run's last good checkpoint, or from its beginning where it has
            none; a fresh run refuses a name that is taken.
        tracking_uri: of MLflow; empty tracks nothing.

    Raises:
        ConfigError: the name is taken, there is no such base model, or a rule is broken.
        DataError: the data cannot be used.
        ModelNotReady: the base model is missing or changed.
        TrainingStopped: by SIGTERM or a full disk; resume goes on.
    """
    run_dir, model_dir = runs_dir / name, models_dir / name
    started = time.monotonic()
    main = is_main_process()
    if main and not resume:
        require_new_name(name, run_dir=run_dir, model_dir=model_dir)
    sections = config.to_sections()
    if resume and process_count() == 1 and (known := published_facts(model_dir, sections)):
        return PretrainingResult(model_dir, known["metrics"])
    prepared = prepare(config, models_dir=models_dir, datasets_dir=datasets_dir, run_dir=run_dir)
    trainer = prepared.trainer
    before = _rehearse(trainer, run_dir, resume=resume)

    from transformers import set_seed

    set_seed(config.training.seed)  # whatever was drawn before, and a resumed run draws less
    resumable = last_good_checkpoint(run_dir / "checkpoints") if main and resume else None
    checkpoint = from_main(resumable)
    experiment = config.tracking.experiment if tracking_uri and main else ""
    with tracked_run(name, config.to_sections(), run_dir, tracking_uri, experiment) as tracker:
        trainer.add_callback(tracker.callback())
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        metrics = {
            **before,
            "train_loss": train_loss(trainer.state.log_history),
            **without_timings(trainer.evaluate(metric_key_prefix="after")),
        }
        if main:
            with draft_of(model_dir) as draft:
                facts = _facts(prepared, config, metrics, seconds=time.monotonic() - started)
                _export(prepared, config, facts, run_dir, draft)
                publish(draft, model_dir)
            _track(tracker, facts, model_dir)
    return PretrainingResult(model_dir, from_main(metrics))


def prepare(
    config: PretrainingConfig, *, models_dir: Path, datasets_dir: Path, run_dir: Path
) -> Preparation:
    """Read the texts, open the base model, cut the texts into pieces, and build the Trainer.

    `run_dir` gets the parameters.

    Raises:
        as run_pretraining.
    """
    seed = config.training.seed
    texts = load_texts(config.data, datasets_dir=datasets_dir, seed=seed)

    # Here, not at the top: loading transformers takes seconds, and bad data fails before.
    from transformers import set_seed

    from training.pretraining.model import load_encoder
    from training.pretraining.pieces import pieces_of
    from training.pretraining.trainer import build_trainer

    join(cpu=trains_on_cpu(config.training))
    base = find_base(config.model, models_dir=models_dir)
    set_seed(seed)
    encoder = load_encoder(base, config.model)
    if encoder.new_head:
        logger.info("%s has no head that guesses tokens; one is made by the seed.", base.name)
    train, held_out = (
        pieces_of(
            part, encoder.tokenizer, config.model.max_length, offsets=config.masking.whole_words
        )
        for part in (texts.train, texts.held_out)
    )
    logger.info("Pieces: %d to train on, %d held out", len(train), len(held_out))
    if is_main_process():
        run_dir.mkdir(parents=True, exist_ok=True)
        write_json(run_dir / CONFIG, config.to_sections())
    trainer = build_trainer(
        config, encoder, train=train, held_out=_measured(held_out), run_dir=run_dir
    )
    return Preparation(texts, base, encoder, trainer)


def _measured(held_out: "Dataset") -> "Dataset":
    """The held-out pieces, numbered below 0, those of like length together for less padding."""
    numbered = held_out.remove_columns("row").add_column("row", range(-1, -1 - len(held_out), -1))
    return numbered.select(np.argsort(held_out["length"], kind="stable"))


def _rehearse(trainer: "Trainer", run_dir: Path, *, resume: bool) -> dict[str, float]:
    """Measure the encoder as it came and save once, so that a doomed run dies in its first minutes.

    Returns:
        Its measures on the held-out texts; those that are kept, where the run goes on.
    """
    record = run_dir / BEFORE
    kept = from_main(json.loads(record.read_text()) if resume and record.is_file() else None)
    if kept is not None:
        return dict(kept)
    measured = without_timings(rehearse(trainer, prefix="before"))
    if is_main_process():
        write_json(record, measured)
    return measured


def _facts(
    prepared: Preparation, config: PretrainingConfig, metrics: dict[str, float], *, seconds: float
) -> dict[str, Any]:
    """What metrics.json, the card and MLflow say of the run."""
    texts, trainer = prepared.texts, prepared.trainer
    pieces: dict[str, Any] = {"train": trainer.train_dataset, "held_out": trainer.eval_dataset}
    return {
        "metrics": metrics,
        "texts": {
            "read": texts.read,
            "left_out": texts.left_out,
            "train": len(texts.train),
            "held_out": len(texts.held_out),
        },
        "pieces": {name: len(rows) for name, rows in pieces.items()},
        "tokens": {name: int(sum(rows["length"])) for name, rows in pieces.items()},
        "steps": trainer.state.max_steps,
        "new_head": prepared.encoder.new_head,
        **prepared.base.facts(),
        "seconds": round(seconds),
        "config": without_paths(config.to_sections()),
    }


def _export(
    prepared: Preparation,
    config: PretrainingConfig,
    facts: dict[str, Any],
    run_dir: Path,
    draft: Path,
) -> None:
    from training.pretraining.model import save_encoder

    model: Any = prepared.trainer.model
    with room_required(draft.parent, model_bytes(model)):
        if config.model.method == "lora":
            base = prepared.base
            save_adapter(
                model, run_dir / "adapter", base_name=base.name, base_revision=base.revision
            )
        save_encoder(prepared.encoder, model, draft)
        write_json(draft / "metrics.json", facts)
        (draft / "README.md").write_text(encoder_card(draft.name, facts), encoding="utf-8")


def _track(tracker: Tracker, facts: dict[str, Any], model_dir: Path) -> None:
    tracker.tags(
        {
            "base_model": facts["base_model"],
            "base_revision": facts["base_revision"],
            "dataset": facts["config"]["data"]["dataset"],
            **{f"texts.{part}": facts["texts"][part] for part in ("train", "held_out")},
        }
    )
    tracker.metrics(facts["metrics"])
    tracker.artefact(model_dir)
