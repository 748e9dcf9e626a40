"""The encoder with a head that guesses tokens, and the directory that finetune takes as its base.

The directory is what BERT's own checkpoints are: the encoder, its pooler where it has one, and the
head. AutoModelForSequenceClassification takes the first two and leaves the head.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.config import ConfigError
from training.learning.bases import Base, open_base
from training.pretraining.config import EncoderConfig
from training.runs.export import save_artefact

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Encoder:
    """What a run trains."""

    model: "PreTrainedModel"
    """With its head; its output weights are the input embeddings."""
    tokenizer: "PreTrainedTokenizerBase"
    new_head: bool
    """Whether the base had no head, so that it was made by the seed."""
    carried: "Mapping[str, torch.Tensor]"
    """Weights of the base's encoder that the objective does not use, such as a pooler; they come
    into the result as they are."""


def load_encoder(base: Base, config: EncoderConfig) -> Encoder:
    """The base as a masked language model, with an adapter on it if asked.

    Raises:
        ConfigError: there is no such model, or it does not guess masked tokens.
    """
    from transformers import AutoModel, AutoModelForMaskedLM

    source, settings, tokenizer = open_base(base, config)
    if tokenizer.mask_token is None:
        raise _no_encoder(base, "its tokenizer has no mask token")
    source |= {"config": settings, "output_loading_info": True}
    with _quietly():
        try:
            model, loaded = AutoModelForMaskedLM.from_pretrained(**source, use_safetensors=True)
        except ValueError as error:  # its class has no such head
            raise _no_encoder(base, str(error).splitlines()[0][:200]) from error
        whole, read = AutoModel.from_pretrained(**source, use_safetensors=True)
    prefix = f"{model.base_model_prefix}."
    if lost := sorted(name for name in loaded["missing_keys"] if name.startswith(prefix)):
        raise _no_encoder(base, f"its file has no {', '.join(lost)[:200]}")
    known = model.base_model.state_dict().keys() | set(read["missing_keys"])
    carried = {
        prefix + name: tensor for name, tensor in whole.state_dict().items() if name not in known
    }
    adapted = _with_adapter(model, config) if config.method == "lora" else model
    return Encoder(adapted, tokenizer, bool(loaded["missing_keys"]), carried)


@contextmanager
def _quietly() -> Iterator[None]:
    """Within, transformers does not call a checkpoint corrupted for having no head."""
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)


def _no_encoder(base: Base, said: str) -> ConfigError:
    return ConfigError(
        f"Only an encoder that can guess masked tokens is pretrained (BERT and its kin), but "
        f"{base.name} is none: {said}. Give another --base-model."
    )


def _with_adapter(model: Any, config: EncoderConfig) -> Any:
    """LoRA on every linear layer of the encoder; of the head, what is not tied is trained whole."""
    from peft import LoraConfig, get_peft_model
    from torch import nn

    prefix, tied = f"{model.base_model_prefix}.", model.get_output_embeddings()
    modules = dict(model.named_modules())
    head = [
        name
        for name, module in modules.items()
        if not name.startswith(prefix)
        and module is not tied
        and not list(module.children())
        and any(True for _ in module.parameters())
    ]
    linears = [
        name
        for name, module in modules.items()
        if name.startswith(prefix) and isinstance(module, nn.Linear)
    ]
    return get_peft_model(
        model,
        LoraConfig(
            r=config.lora_rank,
            lora_alpha=config.lora_alpha,
            lora_dropout=config.dropout,
            target_modules=linears,
            modules_to_save=head,
        ),
    )


def save_encoder(encoder: Encoder, model: Any, directory: Path) -> None:
    """Write the trained `model` with what was carried; an adapter is merged into the weights.

    Args:
        model: that of `encoder`, as the Trainer holds it.
    """
    from safetensors.torch import load_file, save_file

    save_artefact(model, encoder.tokenizer, directory)
    if encoder.carried:
        file = directory / WEIGHTS
        tensors = load_file(file) | {
            name: tensor.contiguous() for name, tensor in encoder.carried.items()
        }
        save_file(tensors, file, metadata={"format": "pt"})
