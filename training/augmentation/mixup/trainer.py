"""The mixin for the Trainer: training batches are mixed, those of an evaluation are not."""

from typing import TYPE_CHECKING, Any

import numpy as np

from training.augmentation.mixup.pairs import (
    LAM,
    PARTNER,
    SECOND,
    PairCollator,
    Pairs,
    draw_lam,
)
from training.augmentation.mixup.places import Place, check_place, mixed_outputs
from training.config import AugmentationConfig, ConfigError
from training.learning.objectives import Objectives, Targets

if TYPE_CHECKING:
    from torch import nn


class Mixup(Objectives):
    """Mixed in before Trainer: its training batches are mixed, its evaluation is not.

    With `mixup_pairs` the batches hold the pairs that add_pairs made, and PairCollator brings;
    without, every row of a batch is mixed with another, or by chance with itself. Permutation
    and weights are drawn from (seed, step, forward pass of the step, process) alone, so a resumed
    run draws what an undisturbed one would have.

    Args:
        augmentation: of which `mixup` is not "none".

    Raises:
        ConfigError: the model has no such place.
    """

    def __init__(self, *args: Any, augmentation: AugmentationConfig, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if augmentation.mixup == "none" or self.compute_loss_func or self.label_smoother:
            raise ConfigError(
                "The Mixup trainer needs a place to mix and has its own loss, but mixup is "
                f"{augmentation.mixup!r}, or a loss function or label smoothing was given. "
                "Leave them out, or use the plain Trainer."
            )
        self._place: Place = augmentation.mixup
        self._augmentation = augmentation
        self._forward_pass = (-1, 0)  # optimizer step, forward pass within it
        check_place(self.model, place=self._place, layer=augmentation.mixup_layer)
        self.data_collator = PairCollator(self.data_collator)

    def answered(self, model: "nn.Module", inputs: dict[str, Any]) -> tuple[Any, Targets]:
        """What the model says of a batch, mixed in training, and the targets, mixed alike."""
        if not model.training:
            if LAM in inputs:
                raise ValueError(
                    "Evaluation takes rows as they are, but these hold pairs to mix. "
                    "Give the rows that add_pairs was given."
                )
            return super().answered(model, inputs)
        pairs = self._pairs(inputs)
        own = Targets.taken(inputs, self.objective.labels)
        mixed = Targets(pairs.mix(own.labels), None if own.stars is None else pairs.mix(own.stars))
        outputs = mixed_outputs(
            model, inputs, pairs, place=self._place, layer=self._augmentation.mixup_layer
        )
        return outputs, mixed

    def _pairs(self, inputs: dict[str, Any]) -> Pairs:
        import torch

        rows, device = len(inputs["labels"]), inputs["labels"].device
        if self._augmentation.mixup_pairs:
            second = inputs.pop(SECOND, torch.arange(rows, device=device))
            return Pairs(second, inputs.pop(LAM, torch.ones(rows, device=device)))
        step, number = self._forward_pass
        number = number + 1 if step == self.state.global_step else 0
        self._forward_pass = (self.state.global_step, number)
        rng = np.random.default_rng(
            (self.args.seed, self.state.global_step, number, self.args.process_index)
        )
        second = torch.from_numpy(rng.permutation(rows))
        lam = torch.from_numpy(draw_lam(rows, alpha=self._augmentation.mixup_alpha, rng=rng))
        return Pairs(second.to(device), lam.to(device))

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        columns: Any = self._signature_columns
        if LAM not in columns:  # else the Trainer would drop the partners before they are collated
            columns += [PARTNER + name for name in columns] + [LAM]
