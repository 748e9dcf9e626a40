"""Weights on the way from those that a run began with to those that it ended with.

Training on from a model that knows its task gains on the new rows and forgets some of the old.
Half the way often keeps both: Wortsman et al., "Robust fine-tuning of zero-shot models" (CVPR
2022, https://arxiv.org/abs/2109.01903), there called WiSE-FT.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import Trainer

logger = logging.getLogger(__name__)

SHARES = (1.0, 0.8, 0.6, 0.4, 0.2)
INTERPOLATION = "interpolation"
"""The measure of a run that says which share of the way its weights have gone."""


def trained_weights(model: Any) -> "dict[str, Tensor]":
    """Copies of the weights that training moves, in the memory of the processor."""
    return {
        name: parameter.detach().to("cpu", copy=True)
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }


def interpolate(
    trainer: "Trainer", start: "dict[str, Tensor]", check: Callable[[], None]
) -> dict[str, float]:
    """Leave the trainer's model with the weights, of those on the way, of least validation loss.

    Args:
        trainer: has trained; `eval_dataset` decides.
        start: as trained_weights before it did.
        check: called between measurements, which take as long as one validation each.

    Returns:
        The share of the way, one of SHARES, under INTERPOLATION.
    """
    model: Any = trainer.model
    end = trained_weights(model)
    rows: Any = trainer.eval_dataset
    losses = {}
    for share in SHARES:
        check()
        _move(model, start, end, share)
        measured = trainer.predict(rows, metric_key_prefix=INTERPOLATION).metrics or {}
        losses[share] = measured[f"{INTERPOLATION}_loss"]
        logger.info("%.0f %% of the way: validation loss %.4f", 100 * share, losses[share])
    best = min(losses, key=losses.__getitem__)
    _move(model, start, end, best)
    return {INTERPOLATION: best}


def _move(model: Any, start: "dict[str, Tensor]", end: "dict[str, Tensor]", share: float) -> None:
    import torch

    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, first in start.items():
            parameters[name].copy_(torch.lerp(first, end[name], share))
