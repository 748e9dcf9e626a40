"""What training lowers: the loss of the label, hard or soft, and beside it that of the stars."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from training.data.targets import LABELS, STARS

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import Trainer

    _Trainer = Trainer
else:
    _Trainer = object  # mixed into the Trainer; loading transformers here would take seconds


@dataclass(frozen=True)
class Objective:
    """The loss of a model whose last layer has the labels' outputs and, with stars, ten more.

    Args:
        labels: how many labels there are.
        class_weights: shape (labels,), or None; for the labels that rows have, not for soft ones.
        star_weight: of the stars' loss beside the label's; 0 where there is no star head.
        temperature: softens what teachers said, and the student's outputs beside it (Hinton et
            al. 2015, arXiv:1503.02531); 1 takes both as they are.
    """

    labels: int
    class_weights: "Tensor | None" = None
    star_weight: float = 0.0
    temperature: float = 1.0

    def __call__(self, outputs: "Tensor", targets: "Targets", *, weighted: bool) -> "Tensor":
        """The mean loss of a batch, a scalar.

        Args:
            outputs: shape (rows, labels) or, with stars, (rows, labels + 10).
            weighted: whether class weights count: in training, not in evaluation.
        """
        outputs = outputs.float()
        loss = self._label_losses(outputs[:, : self.labels], targets, weighted=weighted).mean()
        if self.star_weight and targets.stars is not None:
            log_shares = log_star_distribution(outputs, self.labels)
            # A row without stars has targets of 0, and adds 0.
            loss = loss - self.star_weight * (targets.stars * log_shares).sum(dim=1).mean()
        return loss

    def _label_losses(self, logits: "Tensor", targets: "Targets", *, weighted: bool) -> "Tensor":
        import torch
        from torch.nn.functional import cross_entropy

        if self.temperature != 1:
            soft = targets.labels.amax(dim=1, keepdim=True) < 1
            softened = torch.softmax(targets.labels.clamp_min(1e-8).log() / self.temperature, dim=1)
            cooled = self.temperature**2 * cross_entropy(
                logits / self.temperature, softened, reduction="none"
            )
            hard = cross_entropy(logits, targets.labels, reduction="none")
            losses = torch.where(soft.squeeze(1), cooled, hard)
        else:
            losses = cross_entropy(logits, targets.labels, reduction="none")
        if weighted and self.class_weights is not None:
            losses = losses * (targets.labels @ self.class_weights.to(logits))
        return losses


@dataclass(frozen=True)
class Targets:
    """What the outputs of each row of a batch are to be."""

    labels: "Tensor"
    """Shape (rows, labels), each row summing to 1."""
    stars: "Tensor | None"
    """Shape (rows, 10), each row summing to 1, or to 0 where it has no stars."""

    @classmethod
    def taken(cls, inputs: dict[str, Any], labels: int) -> "Targets":
        """Those in a batch, taken out of it."""
        from torch.nn.functional import one_hot

        ids, soft = inputs.pop("labels"), inputs.pop(LABELS, None)
        return cls(one_hot(ids, labels).float() if soft is None else soft, inputs.pop(STARS, None))


def log_star_distribution(outputs: "Tensor", labels: int) -> "Tensor":
    """log P(rating = 1), ..., log P(rating = 10), shape (rows, 10).

    As classifier.ratings.star_distribution; NEGATIVE is label 0 and POSITIVE label 1.

    Args:
        outputs: shape (rows, labels + 10), where labels is 2.
    """
    import torch
    from torch.nn.functional import log_softmax

    sentiments, stars = log_softmax(outputs[:, :labels], dim=1), outputs[:, labels:]
    halves = stars.split(stars.shape[1] // 2, dim=1)
    return torch.cat(
        [log_softmax(half, dim=1) + sentiments[:, [i]] for i, half in enumerate(halves)], dim=1
    )


class Objectives(_Trainer):
    """Mixed in before Trainer: its loss is an Objective, over all targets that the rows have.

    Args:
        objective: what is lowered.
    """

    objective: Objective

    def __init__(self, *args: Any, objective: Objective, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.objective = objective
        # Ours is the mean of a forward pass, which the Trainer then divides by their number.
        self.loss_is_scaled_for_ga = False

    def compute_loss(
        self,
        model: "nn.Module",
        inputs: Mapping[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        outputs, targets = self.answered(model, dict(inputs))
        loss = self.objective(outputs.logits, targets, weighted=model.training)
        return (loss, outputs) if return_outputs else loss

    def answered(self, model: "nn.Module", inputs: dict[str, Any]) -> tuple[Any, Targets]:
        """What the model says of a batch, and what it is to say."""
        targets = Targets.taken(inputs, self.objective.labels)
        return model(**inputs), targets

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        columns: Any = self._signature_columns
        columns += [name for name in (LABELS, STARS) if name not in columns]
