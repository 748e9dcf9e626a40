"""What a run needs for its first step: rows, base model, Trainer."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.augmentation import augment_rows
from training.augmentation.excerpts import EXCERPT, EXCERPTS, add_excerpts
from training.config import FinetuningConfig
from training.data.pseudo_rows import PSEUDO_LABELLED, add_pseudo_rows, read_pseudo_rows
from training.data.splits import LabelledSplits, load_splits
from training.data.targets import SOFT_LABELS, with_targets
from training.data.tokenization import tokenize
from training.learning.adapters import find_adapter
from training.learning.bases import Base, find_base
from training.learning.distribution import from_main, is_main_process, join
from training.runs.export import write_json
from training.runs.records import CONFIG

if TYPE_CHECKING:
    import pandas as pd
    from transformers import Trainer

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Preparation:
    """All that a run needs for its first step."""

    splits: LabelledSplits
    base: Base
    rows: "pd.DataFrame"
    """The training rows with what augmentation added."""
    trainer: "Trainer"
    stars: bool
    """Whether the model's last layer has ten outputs more, one a rating."""

    def added(self) -> dict[str, int]:
        """How many training rows are excerpts, and how many of the others models have labelled."""
        rows, counts = self.rows, {}
        if EXCERPT in rows:
            counts[EXCERPTS] = int(rows[EXCERPT].sum())
            rows = rows[~rows[EXCERPT]]
        if SOFT_LABELS in rows:
            counts[PSEUDO_LABELLED] = int(rows[SOFT_LABELS].notna().sum())
        return counts


def prepare(
    config: FinetuningConfig,
    *,
    models_dir: Path,
    runs_dir: Path,
    datasets_dir: Path,
    run_dir: Path,
    pseudo_dir: Path = Path(),
) -> Preparation:
    """Read the data, open the base model, augment, tokenize, and build the Trainer.

    `run_dir` gets the parameters and the augmented rows; those that are there are read again.

    Raises:
        as run_finetuning.
    """
    splits = load_splits(config.data, datasets_dir=datasets_dir, seed=config.training.seed)
    logger.info("Rows: %s; labels: %s", splits.sizes(), ", ".join(splits.labels))

    # Here, not at the top: loading transformers takes seconds, and bad data fails before.
    from transformers import set_seed

    from training.learning.trainer import build_trainer, learns_stars, load_base, trains_on_cpu

    join(cpu=trains_on_cpu(config.training))
    base = find_base(config.model, models_dir=models_dir)
    set_seed(config.training.seed)
    stars = learns_stars(config.model, splits.train, splits.labels)
    adapter = find_adapter(config.model.adapter, runs_dir=runs_dir)
    model, tokenizer = load_base(base, config.model, splits.labels, stars=stars, adapter=adapter)
    if is_main_process():
        run_dir.mkdir(parents=True, exist_ok=True)
        write_json(run_dir / CONFIG, config.to_sections())
    rows = _training_rows(splits, config, run_dir)
    if config.distillation.pseudo_rows:
        place = pseudo_dir / config.distillation.pseudo_rows
        rows = add_pseudo_rows(rows, read_pseudo_rows(place, splits.labels), splits)
    if config.augmentation.excerpts:
        rows = add_excerpts(rows, config.augmentation.excerpts, seed=config.training.seed)
    train, validation = (
        tokenize(with_targets(frame, splits.labels, stars=stars), tokenizer, config.model)
        for frame in (rows, splits.validation)
    )
    trainer = build_trainer(
        config,
        model=model,
        tokenizer=tokenizer,
        train=train,
        validation=validation,
        labels=splits.labels,
        run_dir=run_dir,
    )
    return Preparation(splits=splits, base=base, rows=rows, trainer=trainer, stars=stars)


def _training_rows(splits: LabelledSplits, config: FinetuningConfig, run_dir: Path) -> Any:
    """The training rows with what augmentation adds; kept, so that a resumed run has the same."""
    import pandas as pd

    kept = run_dir / "training-rows.parquet"
    if config.augmentation.generate == "none" and config.augmentation.balance == "none":
        return splits.train
    if is_main_process() and not kept.is_file():
        rows = augment_rows(
            splits.train,
            config.augmentation,
            labels=splits.labels,
            seed=config.training.seed,
            device=config.training.device,
        )
        draft = kept.with_name(f".{kept.name}.draft")
        rows.to_parquet(draft)
        draft.replace(kept)  # a kill leaves no half of it
    from_main(None)  # the others wait until the file is there
    return pd.read_parquet(kept)
