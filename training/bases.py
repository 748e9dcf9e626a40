"""The model that a run starts from: where it is found, its settings and its tokenizer."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from classifier.artefact import STARTER, open_artefact
from classifier.starter import base as minilm
from training.config import BUNDLED, BaseConfig, ConfigError
from training.hub import HubError, require_on_hub

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

DROPOUTS = (
    *("hidden_dropout_prob", "attention_probs_dropout_prob"),  # BERT and its kin
    *("dropout", "attention_dropout", "seq_classif_dropout"),  # DistilBERT
)


@dataclass(frozen=True)
class Base:
    """The model that a run starts from."""

    source: str
    """Its directory, or its Hub id."""
    name: str
    """What anyone can look up: a Hub id, or the name of a model of this site."""
    revision: str


def find_base(config: BaseConfig, *, models_dir: Path) -> Base:
    """What `base_model` names: the bundled encoder, a model of this site, a directory, a Hub id.

    Raises:
        ModelNotReady: the bundled encoder or the starter is missing or changed.
    """
    if config.base_model == BUNDLED:
        return Base(str(minilm.base_directory()), minilm.NAME, minilm.REVISION)
    if config.base_model == STARTER:
        artefact = open_artefact(STARTER, models_dir=models_dir)
        return Base(str(artefact.directory), STARTER, artefact.revision())
    under_models = models_dir / config.base_model
    source = str(under_models) if under_models.is_dir() else config.base_model
    name = Path(source).name if Path(source).is_dir() else source
    return Base(source, name, config.base_revision)


def open_base(
    base: Base, config: BaseConfig, **changed: Any
) -> "tuple[dict[str, Any], PreTrainedConfig, PreTrainedTokenizerBase]":
    """What from_pretrained is told to find the model, its settings, and its tokenizer.

    Args:
        changed: settings that take the place of the base's.

    Raises:
        ConfigError: there is no such model.
    """
    from transformers import AutoConfig, AutoTokenizer

    source: dict[str, Any] = {"pretrained_model_name_or_path": base.source}
    if config.base_revision:
        source["revision"] = config.base_revision
    try:
        require_on_hub(base.source, "model", revision=config.base_revision)
        settings = AutoConfig.from_pretrained(**source, **changed)
    except (HubError, OSError, ValueError) as error:
        raise ConfigError(
            "base_model must be 'minilm', 'starter', a model of this site, a model's directory, "
            f"or a Hub id that can be reached, but it is {base.source!r} "
            f"({str(error).splitlines()[0]}). Check the name; without a Hub, start from 'minilm'."
        ) from error
    for name in DROPOUTS:
        if hasattr(settings, name):
            setattr(settings, name, config.dropout)
    tokenizer = AutoTokenizer.from_pretrained(**source)
    # Without a limit in the tokenizer, truncation does nothing and a long text breaks the model.
    tokenizer.model_max_length = min(
        int(tokenizer.model_max_length), getattr(settings, "max_position_embeddings", 512)
    )
    return source, settings, tokenizer
