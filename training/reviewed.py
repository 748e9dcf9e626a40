"""The reviewed predictions as a data set: what the reviewer said of each text."""

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

from django.db.models import QuerySet

from classifier.labels import NEGATIVE, POSITIVE
from classifier.models import Verdict
from training.config import FinetuningConfig
from training.exceptions import InvalidRun
from training.sources import REVIEWED

FILE = f"{REVIEWED}.parquet"
LEAST = 10  # of each label; fewer cannot be split three ways


def reviewed_count() -> int:
    """How many predictions can be trained on."""
    return _verdicts().count()


def require_enough_reviewed() -> None:
    """Refuse a data set that is too small before anything waits for it.

    Raises:
        InvalidRun: fewer than LEAST texts of a label are reviewed.
    """
    counts = Counter(_verdicts().values_list("label", flat=True))
    if min(counts[NEGATIVE], counts[POSITIVE]) < LEAST:
        raise InvalidRun(
            code="reviewed_too_few",
            field="dataset",
            rule=f"Training on reviewed predictions needs {LEAST} or more of each label.",
            value=f"{counts[NEGATIVE]} {NEGATIVE} and {counts[POSITIVE]} {POSITIVE}",
            remedy="Review more in the admin, or give another data set.",
        )


def with_reviewed(config: FinetuningConfig, run_dir: Path) -> FinetuningConfig:
    """`config` where its data set is `reviewed` with a file of them, else as it is.

    The file lies with the run, so that one that is resumed reads the rows it began with.

    Raises:
        InvalidRun: there is not enough to train on.
    """
    if config.data.dataset != REVIEWED:
        return config
    if not (run_dir / "config.json").exists() or not (run_dir / FILE).exists():
        require_enough_reviewed()
        _write(run_dir / FILE)
    data = replace(
        config.data,
        dataset=str(run_dir / FILE),
        text_column="text",
        text_pair_column="",
        label_column="label",
        label_names="",
        group_column="",
        group_table="",
    )
    return replace(config, data=data)


def _verdicts() -> QuerySet[Verdict]:
    """Those whose text is still there, in the order of their predictions."""
    return Verdict.objects.with_text().order_by("prediction__created_at", "prediction_id")


def _write(file: Path) -> None:
    import pandas as pd

    rows = _verdicts().values_list("prediction__text", "label").iterator(chunk_size=2000)
    frame = pd.DataFrame(rows, columns=["text", "label"])
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{os.getpid()}.draft")
    frame.to_parquet(draft, index=False)
    draft.replace(file)
