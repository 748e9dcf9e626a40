"""What is done to the training rows before they are tokenized: generation, then balance.

MixUp (training.augmentation.mixup) comes later, in the batches of the Trainer.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from classifier.messages import message
from training.augmentation import p_tuning, rules
from training.augmentation.balance import resample
from training.config import AugmentationConfig, ConfigError

logger = logging.getLogger(__name__)

GENERATED_BY, SOURCE_ROW = "generated_by", "source_row"


def augment_rows(
    frame: pd.DataFrame,
    config: AugmentationConfig,
    *,
    labels: Sequence[str],
    seed: int,
    device: str = "auto",
) -> pd.DataFrame:
    """The training rows, those generated below them, then over- or undersampled.

    Args:
        frame: training rows with `text`, `label` (an id into `labels`) and, for pairs, `text_pair`.
        labels: names of the labels, for the log.
        device: where a language model writes: "cpu", "cuda", or "auto".

    Returns:
        Rows numbered anew from 0. Where rows were generated, the columns of their provenance
        are `generated_by` ("" for a row of the data) and `source_row` (position in `frame`,
        -1 where there is none), in place of a column of the data's of that name; those of
        p-tuning are described there.

    Raises:
        ConfigError: there is no such language model.
        DataError: too few different rows could be generated.
    """
    augmented = frame.reset_index(drop=True)
    if config.generate != "none":
        # What the data call so is the place of a row in another table than this one.
        augmented = augmented.drop(columns=SOURCE_ROW, errors="ignore")
        generated = _generate(augmented, config, seed=seed, device=device)
        added = generated.columns.difference(augmented.columns)
        augmented = pd.concat([augmented, generated], ignore_index=True)
        for column in added:
            numeric = pd.api.types.is_integer_dtype(generated[column])
            missing = -1 if numeric else ""
            augmented[column] = augmented[column].fillna(missing).astype(generated[column].dtype)
    if config.balance in ("oversample", "undersample"):
        how = "oversample" if config.balance == "oversample" else "undersample"
        augmented = resample(augmented, how, seed=seed)  # type: ignore[arg-type]
    if len(augmented) != len(frame):
        sizes = augmented["label"].value_counts().sort_index()
        logger.info(
            "Training rows after augmentation: %s",
            ", ".join(f"{labels[label]} {size}" for label, size in sizes.items()),
        )
    return augmented


def export_generated(frame: pd.DataFrame, path: Path, *, labels: Sequence[str] = ()) -> int:
    """Write the generated rows with their provenance to a CSV file, to be read before training.

    The file is UTF-8 with a byte order mark, by which spreadsheets know it; `dataset` reads it
    again, and it may be edited in between.

    Args:
        frame: what augment_rows returned.
        labels: names to write in place of the label ids.

    Returns:
        How many rows were written; a row that oversampling repeats is written once.

    Raises:
        ConfigError: no row was generated.
    """
    if GENERATED_BY not in frame or not (frame[GENERATED_BY] != "").any():
        raise ConfigError(
            message(
                "There must be generated rows to write, but there are none. Give --generate rules "
                "or --generate p_tuning, and data whose classes differ in size or --generated-rows."
            )
        )
    generated = frame[frame[GENERATED_BY] != ""].drop_duplicates()
    if labels:
        generated = generated.assign(label=[labels[label] for label in generated["label"]])
    path.parent.mkdir(parents=True, exist_ok=True)
    generated.to_csv(path, index=False, encoding="utf-8-sig")
    return len(generated)


def _generate(
    frame: pd.DataFrame, config: AugmentationConfig, *, seed: int, device: str
) -> pd.DataFrame:
    if config.generate == "rules":
        return rules.generate_rows(frame, rows=config.generated_rows, seed=seed)
    return p_tuning.generate_rows(
        frame,
        rows=config.generated_rows,
        seed=seed,
        model=config.generator_model,
        epochs=config.generator_epochs,
        device=device,
    )
