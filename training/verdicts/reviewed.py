"""The reviewed predictions as a data set: `reviewed`, in place of a name."""

import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from django.db.models import Count

from classifier.labels import NEGATIVE, POSITIVE
from classifier.messages import listed, message
from classifier.models import Verdict
from classifier.review.split import FROZEN, TEST, TRAIN, learnable
from training.config import OF_REPLAY, REVIEWED, ConfigError, DataConfig, FinetuningConfig
from training.data.provenance import PROVENANCE, VERDICT, recorded
from training.exceptions import InvalidRun
from training.learning.distribution import from_main, is_main_process, join, process_count
from training.runs.export import write_json

LEAST = {TRAIN: 10, TEST: 1}  # verdicts of each label; of the former some choose the checkpoint
PURPOSE = {TRAIN: message("to train on"), TEST: message("to test on")}


def reviewed_count() -> int:
    """How many verdicts there are whose text is still there."""
    return Verdict.objects.with_text().on_reviews().count()


def learnable_count() -> int:
    """How many of them may be learnt from; the others are frozen."""
    return learnable().count()


def require_enough_reviewed() -> None:
    """Refuse a data set that is too small before anything waits for it.

    Raises:
        InvalidRun: a label has fewer than LEAST verdicts in a split.
    """
    counts: dict[tuple[str, str], int] = {}
    verdicts = Verdict.objects.with_text().on_reviews().values_list("label")
    for label, frozen, every in verdicts.annotate(
        frozen=Count("pk", filter=FROZEN), every=Count("pk")
    ):
        counts |= {(TEST, label): frozen, (TRAIN, label): every - frozen}
    _require_enough(counts)


def with_reviewed(
    config: FinetuningConfig, run_dir: Path, *, begun: bool | None = None
) -> FinetuningConfig:
    """`config` where its data set is `reviewed` with a folder of rows, else as it is.

    The folder lies with the run, so that one that is resumed reads the rows it began with. Of
    several processes the main one writes it.

    Args:
        begun: whether what lies there belongs to this run; by default, where its parameters are
            recorded.

    Raises:
        InvalidRun: there is not enough to train on.
        ConfigError: replay_dataset does not rate reviews, or cannot be mixed with these data.
        DataError: replay_dataset cannot be used.
    """
    data = config.data
    if data.dataset != REVIEWED:
        if data.replay_dataset and recorded(data.dataset) is None:
            raise ConfigError(
                message(
                    "replay_dataset is mixed with dataset={reviewed} alone, but the data set is "
                    "{dataset!r}. Give --dataset {reviewed}, or leave out --replay-dataset.",
                    reviewed=REVIEWED,
                    dataset=data.dataset,
                )
            )
        return config
    folder = run_dir / REVIEWED
    if process_count() > 1:
        from training.learning.trainer import trains_on_cpu

        join(cpu=trains_on_cpu(config.training))
    if is_main_process():
        if begun is None:
            begun = (run_dir / "config.json").exists()
        if begun and folder.is_dir():
            _require_same(folder, data)
        else:
            _write(folder, config)
    own = DataConfig(dataset=REVIEWED)
    data = replace(
        data,
        **{name: getattr(own, name) for name in OF_REPLAY},
        dataset=from_main(str(folder)),  # the others wait until it is there
        text_pair_column="",
        validation_split=own.validation_split,
    )
    return replace(config, data=data)


def _require_enough(counts: Mapping[tuple[str, str], int]) -> None:
    """Refuse counts, by split and label, of which one is below LEAST."""
    found = {
        (split, label): counts.get((split, label), 0)
        for split in LEAST
        for label in (NEGATIVE, POSITIVE)
    }
    if short := [key for key, count in found.items() if count < LEAST[key[0]]]:
        raise InvalidRun(
            code="reviewed_too_few",
            field="dataset",
            rule=message(
                "Training on verdicts needs {least} or more of each label to train on, and "
                "{least2} or more of each to test on; one text in five is kept for testing.",
                least=LEAST[TRAIN],
                least2=LEAST[TEST],
            ),
            value=message(
                "{train_negative} {negative} and {train_positive} {positive} to train on, "
                "{test_negative} {negative} and {test_positive} {positive} to test on; too few: "
                "{short}",
                negative=NEGATIVE,
                positive=POSITIVE,
                **{
                    f"{split}_{label.lower()}": found[split, label]
                    for split in LEAST
                    for label in (NEGATIVE, POSITIVE)
                },
                short=listed(
                    [
                        message("{label} {purpose}", label=label, purpose=PURPOSE[split])
                        for split, label in short
                    ]
                ),
            ),
            remedy=message("Review more in the admin, or give another data set."),
        )


def _require_same(folder: Path, data: DataConfig) -> None:
    from training.verdicts.mixing import replay_facts

    if (recorded(str(folder)) or {}).get("replay") != replay_facts(data):
        raise ConfigError(
            message(
                "A run keeps the rows that it began with, but {folder} was mixed with other "
                "parameters. Start it under another --name.",
                folder=folder,
            )
        )


def _write(folder: Path, config: FinetuningConfig) -> None:
    """Mix the rows into a folder that appears whole or not at all."""
    # Here, not at the top: pandas would slow the web process.
    from training.verdicts.mixing import mix, replay_facts

    require_enough_reviewed()
    mixture = mix(config.data, seed=config.training.seed)
    frames = {TRAIN: mixture.train, TEST: mixture.test}
    _require_enough(  # again: texts that differ from a frozen one by case alone were left out
        Counter(
            (split, label)
            for split, frame in frames.items()
            for label in frame["label"][frame["source"] == VERDICT]
        )
    )
    draft = folder.with_name(f".{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for split, frame in frames.items():
        frame.to_parquet(draft / f"{split}.parquet", index=False)
    facts = {"replay": replay_facts(config.data), "left_out": mixture.left_out}
    write_json(draft / PROVENANCE, facts)
    shutil.rmtree(folder, ignore_errors=True)
    draft.replace(folder)
