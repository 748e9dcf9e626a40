"""The masked-language-model objective, computed for the masked positions alone."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from training.pretraining.masking import RepeatableMasks

if TYPE_CHECKING:
    from transformers import Trainer

    _Trainer = Trainer
else:
    _Trainer = object

IGNORED = -100  # the label of what is not masked


def encoder_of(model: Any) -> Any:
    """The encoder of a model with a head, also inside an adapter or a distributed wrapper."""
    inner = getattr(model, "module", model)
    return (inner.get_base_model() if hasattr(inner, "peft_config") else inner).base_model


def masked_logits(model: Any, batch: Mapping[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """The logits of the masked tokens, and which tokens these are.

    The head maps each position by itself, so it is given the masked ones alone: over a vocabulary
    of tens of thousands, the logits of all positions would cost more than a small encoder.

    Args:
        batch: with `labels` of shape (rows, tokens), IGNORED where a token is not masked.

    Returns:
        Shapes (masked, vocabulary), float32, and (rows, tokens), bool.
    """
    masked = batch["labels"] != IGNORED
    inputs = {key: value for key, value in batch.items() if key != "labels"}
    with _only(encoder_of(model), masked):
        logits = model(**inputs).logits[0].float()
    return logits, masked


@contextmanager
def _only(encoder: Any, masked: torch.Tensor) -> Iterator[None]:
    """Within, the encoder gives the states of `masked` alone, as if they were one row."""

    def keep(module: Any, inputs: Any, output: Any) -> Any:
        output.last_hidden_state = output.last_hidden_state[masked].unsqueeze(0)
        return output

    handle = encoder.register_forward_hook(keep)
    try:
        yield
    finally:
        handle.remove()


def masked_loss(model: Any, batch: Mapping[str, Any]) -> torch.Tensor:
    """Mean cross entropy of the masked tokens, as the model's own loss; 0 where none is masked."""
    logits, masked = masked_logits(model, batch)
    total = functional.cross_entropy(logits, batch["labels"][masked], reduction="sum")
    return total / masked.sum().clamp(min=1)


def measures(prediction: Any) -> dict[str, float]:
    """Mean cross entropy (nats) as `loss`, its `perplexity`, and the `accuracy` of the best guess.

    Args:
        prediction: sums of each row, as MaskedLanguageModeling.prediction_step gives them.
    """
    loss, right = np.asarray(prediction.predictions, dtype=np.float64).sum(axis=0)
    count = float(np.asarray(prediction.label_ids).sum())
    mean = loss / max(count, 1.0)
    return {
        "loss": mean,
        "perplexity": float(np.exp(mean)),
        "accuracy": right / max(count, 1.0),
        "masked_tokens": count,
    }


class MaskedLanguageModeling(_Trainer):
    """Mixed in before Trainer: the loss of masked tokens, and exact measures of all of them."""

    data_collator: RepeatableMasks

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        loss = masked_loss(model, inputs)
        return (loss, {}) if return_outputs else loss

    def prediction_step(
        self, model: Any, inputs: Any, prediction_loss_only: bool, ignore_keys: Any = None
    ) -> tuple[None, torch.Tensor, torch.Tensor]:
        """Sums of each row: cross entropy and right guesses, (rows, 2), and masked tokens, (rows,).

        A mean over batches would weigh a batch of few masked tokens as one of many.
        """
        batch = self._prepare_inputs(inputs)
        with torch.no_grad(), self.compute_loss_context_manager():
            logits, masked = masked_logits(model, batch)
        truth = batch["labels"][masked]
        each = torch.stack(
            [
                functional.cross_entropy(logits, truth, reduction="none"),
                (logits.argmax(dim=-1) == truth).float(),
            ],
            dim=1,
        )
        rows = masked.nonzero()[:, 0]
        sums = each.new_zeros((len(masked), 2)).index_add_(0, rows, each)
        return None, sums, masked.sum(dim=1)

    def _run_epoch(self, *args: Any, **kwargs: Any) -> None:
        self.data_collator.epoch = kwargs["epoch"]
        super()._run_epoch(*args, **kwargs)  # type: ignore[no-untyped-call]
