"""A fine-tuning run as one object: all its sections."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from classifier.messages import message
from training.config.augmentation import AugmentationConfig
from training.config.data import DataConfig
from training.config.model import ModelConfig
from training.config.optimization import TrainingConfig
from training.config.sections import Sections, option, require


@dataclass(frozen=True, kw_only=True)
class DistillationConfig:
    """What is learnt from rows that models have labelled (`manage.py pseudo_label`)."""

    pseudo_rows: str = option(
        "name of the pseudo-labelled rows that are added to those of the data; empty for none",
        default="",
    )
    temperature: float = option(
        "softens what teachers said of a row, and the student's output beside it", default=1.0
    )

    def __post_init__(self) -> None:
        require(
            self.temperature > 0,
            message("temperature must be positive"),
            self.temperature,
            message("Try 1 or 2."),
        )


@dataclass(frozen=True, kw_only=True)
class CalibrationConfig:
    """What is fitted on the validation rows after training."""

    calibrate: bool = option(
        "fit a temperature of the probabilities, ratings and the rule of windows", default=True
    )
    rating: Literal["auto", "none"] = option(
        "auto fits ratings to the stars that people gave, where the data have them; none leaves "
        "them to the model's confidence",
        default="auto",
    )
    rating_interval: float = option(
        "share of the stars that the interval about a rating shall cover", default=0.8
    )

    def __post_init__(self) -> None:
        require(
            0 < self.rating_interval < 1,
            message("rating_interval must lie between 0 and 1"),
            self.rating_interval,
            message("Try 0.8."),
        )


@dataclass(frozen=True, kw_only=True)
class PublishingConfig:
    """Where the run is tracked, and where its model goes."""

    experiment: str = option("MLflow's experiment; empty tracks nothing", default="reviewsite")
    push_to_hub: str = option("repository user/name on the Hub to push the model to", default="")
    private: bool = option("whether a repository made by pushing is private", default=True)


@dataclass(frozen=True, kw_only=True)
class FinetuningConfig(Sections):
    """One fine-tuning run."""

    data: DataConfig
    model: ModelConfig
    augmentation: AugmentationConfig
    training: TrainingConfig
    distillation: DistillationConfig
    calibration: CalibrationConfig
    publishing: PublishingConfig


SECTIONS = FinetuningConfig.kinds()


def with_overrides(
    sections: Mapping[str, Mapping[str, Any]],
    overrides: Mapping[str, Any],
    *,
    kinds: Mapping[str, type] = SECTIONS,
) -> dict[str, dict[str, Any]]:
    """`sections` with each override put into the section that has a field of its name.

    Args:
        kinds: the class of each section.
    """
    merged = {name: dict(sections.get(name, {})) for name in {*kinds, *sections}}
    for key, value in overrides.items():
        section = next(
            name for name, kind in kinds.items() if key in {item.name for item in fields(kind)}
        )
        merged[section][key] = value
    return merged
