"""The model that a run starts from: where it is found, its settings and its tokenizer."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from classifier.artefact import STARTER, open_artefact, require_no_code
from classifier.card import card_of, languages_in
from classifier.messages import message
from classifier.starter import base as minilm
from training.config import BUNDLED, BaseConfig, ConfigError
from training.hub import HubError, require_on_hub

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

DROPOUTS = (
    *("hidden_dropout_prob", "attention_probs_dropout_prob"),  # BERT and its kin
    *("dropout", "attention_dropout", "seq_classif_dropout"),  # DistilBERT
)
_LICENCE_LINE = re.compile(r"^license:[ \t]*[\"']?([\w.-]+)[\"']?[ \t]*$", re.MULTILINE)


@dataclass(frozen=True)
class Base:
    """The model that a run starts from."""

    source: str
    """Its directory, or its Hub id."""
    name: str
    """What anyone can look up: a Hub id, or the name of a model of this site."""
    revision: str

    def facts(self) -> dict[str, str | list[str]]:
        """What metrics.json says of it; what its card does not name is empty."""
        return {
            "base_model": self.name,
            "base_revision": self.revision,
            "base_licence": licence_of(Path(self.source)),
            "base_languages": [*languages_in(card_of(Path(self.source)))],
        }


def licence_of(model_dir: Path) -> str:
    """The licence that the card of a model names, "" where it names none."""
    card = model_dir / "README.md"
    if not card.is_file():
        return ""
    # Front matter alone: the text of a card may speak of other licences.
    front = card.read_text(encoding="utf-8", errors="replace").split("---", 2)
    found = _LICENCE_LINE.search(front[1]) if len(front) == 3 and not front[0].strip() else None
    return found[1] if found else ""


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


def _require_no_code(base: Base, revision: str) -> None:
    """
    Raises:
        ModelNotReady: the settings of the model or of its tokenizer name code, or are no JSON.
        OSError: they cannot be fetched.
    """
    from transformers.utils.hub import cached_file

    for name in ("config.json", "tokenizer_config.json"):
        file = cached_file(
            base.source,
            name,
            revision=revision or None,
            _raise_exceptions_for_missing_entries=False,
        )
        if file:
            require_no_code(Path(file).parent, base.name)


def open_base(
    base: Base, config: BaseConfig, **changed: Any
) -> "tuple[dict[str, Any], PreTrainedConfig, PreTrainedTokenizerBase]":
    """What from_pretrained is told to find the model, its settings, and its tokenizer.

    Args:
        changed: settings that take the place of the base's.

    Raises:
        ConfigError: there is no such model.
        ModelNotReady: its settings would make a library run code that comes with it.
    """
    from transformers import AutoConfig, AutoTokenizer

    source: dict[str, Any] = {"pretrained_model_name_or_path": base.source}
    if config.base_revision:
        source["revision"] = config.base_revision
    try:
        require_on_hub(base.source, "model", revision=config.base_revision)
        _require_no_code(base, config.base_revision)
        settings = AutoConfig.from_pretrained(**source, **changed)
    except (HubError, OSError, ValueError) as error:
        raise ConfigError(
            message(
                "base_model must be 'minilm', 'starter', a model of this site, a model's "
                "directory, or a Hub id that can be reached, but it is {source!r} ({error}). "
                "Check the name; without a Hub, start from 'minilm'.",
                source=base.source,
                error=str(error).splitlines()[0],
            )
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
