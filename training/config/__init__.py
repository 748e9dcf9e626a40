"""Every parameter of a fine-tuning run, validated; one object for command, run and card.

The sections are the tables of a recipe file and, field by field, the flags of
`manage.py finetune`: `learning_rate` is `--learning-rate`.
"""

from training.config.augmentation import AugmentationConfig
from training.config.data import AUTO, OF_REPLAY, REVIEWED, DataConfig, stars_range
from training.config.finetuning import (
    SECTIONS,
    CalibrationConfig,
    DistillationConfig,
    FinetuningConfig,
    PublishingConfig,
    with_overrides,
)
from training.config.model import BUNDLED, BaseConfig, ModelConfig
from training.config.optimization import OptimizationConfig, TrainingConfig
from training.config.sections import ConfigError, Sections

__all__ = [
    "AUTO",
    "BUNDLED",
    "OF_REPLAY",
    "REVIEWED",
    "SECTIONS",
    "AugmentationConfig",
    "BaseConfig",
    "CalibrationConfig",
    "ConfigError",
    "DataConfig",
    "DistillationConfig",
    "FinetuningConfig",
    "ModelConfig",
    "OptimizationConfig",
    "PublishingConfig",
    "Sections",
    "TrainingConfig",
    "stars_range",
    "with_overrides",
]
