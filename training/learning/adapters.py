"""Adapters that were trained before, as where a run goes on from."""

from pathlib import Path
from typing import Any

from classifier.artefact import STARTER
from classifier.messages import message
from classifier.starter import installer
from training.config import ConfigError, ModelConfig
from training.learning.bases import Base

ADAPTER = "adapter"  # folder in a run's directory
CONFIG = "adapter_config.json"


def find_adapter(name: str, *, runs_dir: Path) -> Path | None:
    """The directory of the adapter that `name` means; None for no name.

    Args:
        name: of a run, or "starter" for the bundled one.

    Raises:
        ConfigError: that run has none.
    """
    if not name:
        return None
    directory = installer.ADAPTER if name == STARTER else runs_dir / name / ADAPTER
    if not (directory / CONFIG).is_file():
        known = sorted(path.parent.parent.name for path in runs_dir.glob(f"*/{ADAPTER}/{CONFIG}"))
        raise ConfigError(
            message(
                "adapter must be 'starter' or a run with an adapter ({found}), but it is "
                "{name!r}. Check --adapter.",
                found=", ".join(known) or "there is none",
                name=name,
            )
        )
    return directory


def open_adapter(model: Any, directory: Path, base: Base, config: ModelConfig) -> Any:
    """`model` with a trained adapter on it that goes on learning.

    Args:
        model: a sequence classifier as its base is, without further outputs.

    Raises:
        ConfigError: the adapter is of another base or rank.
    """
    from peft import PeftConfig, PeftModel

    found: Any = PeftConfig.from_pretrained(str(directory))
    made_on = found.base_model_name_or_path, found.revision or ""
    if made_on != (base.name, base.revision):
        raise ConfigError(
            message(
                "An adapter goes on with the base that it was made on, {names}, but "
                "base_model is {name}@{revision}. Check --base-model and --adapter.",
                names="@".join(made_on),
                name=base.name,
                revision=base.revision,
            )
        )
    if (found.r, found.lora_alpha) != (config.lora_rank, config.lora_alpha):
        raise ConfigError(
            message(
                "An adapter keeps its lora_rank and lora_alpha, {r} and {lora_alpha:g}, but "
                "they are {lora_rank} and {lora_alpha2}. Give --lora-rank {r} --lora-alpha "
                "{lora_alpha:g}.",
                r=found.r,
                lora_alpha=found.lora_alpha,
                lora_rank=config.lora_rank,
                lora_alpha2=config.lora_alpha,
            )
        )
    found.base_model_name_or_path = base.source
    return PeftModel.from_pretrained(model, str(directory), config=found, is_trainable=True)
