"""The star head: ten more outputs of a classifier, one a rating, on what its last layer reads.

Both are linear maps of the same features, so a model with stars is one whose last layer is wider:
first the labels, then the ratings. On the disk they lie apart, and the model's own weights stay
such that the plain transformers pipeline loads them.

Loads torch: not for the web process.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from classifier.exceptions import ModelNotReady
from classifier.messages import message
from classifier.model_files import STAR_HEAD
from classifier.ratings import RATINGS

STARS = len(RATINGS)


@dataclass(frozen=True)
class StarHead:
    """The linear map from the features to the logits of the ten ratings."""

    weight: Tensor
    """Shape (10, features), float32."""
    bias: Tensor
    """Shape (10,), float32."""


def read_star_head(directory: Path) -> StarHead | None:
    """The head beside a model's weights; None where it has none.

    Raises:
        ModelNotReady: the file is damaged or holds something else.
    """
    file = directory / STAR_HEAD
    if not file.is_file():
        return None
    try:
        tensors = load_file(file)
        head = StarHead(tensors["weight"].float(), tensors["bias"].float())
        if head.weight.ndim != 2 or len(head.weight) != STARS or head.bias.shape != (STARS,):
            raise ValueError(f"shapes {tuple(head.weight.shape)} and {tuple(head.bias.shape)}")
        if not (head.weight.isfinite().all() and head.bias.isfinite().all()):
            raise ValueError("a weight is NaN or infinite")
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise ModelNotReady(
            code="star_head_broken",
            rule=message(
                "{star_head} holds weight ({stars}, features) and bias ({stars},), all finite.",
                star_head=STAR_HEAD,
                stars=STARS,
            ),
            value=f"{directory.name}: {type(error).__name__}: {str(error)[:200]}",
            remedy=message("Export or pull the model again."),
        ) from error
    return head


def write_star_head(head: StarHead, directory: Path) -> None:
    save_file(
        {name: getattr(head, name).detach().float().contiguous() for name in ("weight", "bias")},
        directory / STAR_HEAD,
    )


def last_linear(model: nn.Module, outputs: int) -> tuple[nn.Module, str]:
    """Where the last linear layer with `outputs` outputs is: its parent and its name there.

    Raises:
        ModelNotReady: there is none.
    """
    names = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and module.out_features == outputs
    ]
    if not names:
        raise ModelNotReady(
            code="star_head_place",
            rule=message("A star head stands beside a classifier's last linear layer."),
            value=message("no linear layer has {outputs} outputs", outputs=outputs),
            remedy=message("Use a model of BERT's kind."),
        )
    parent, _, name = names[-1].rpartition(".")
    return model.get_submodule(parent), name


def widen(model: Any, head: StarHead | None = None) -> None:
    """Give the last layer ten more outputs behind those of its labels.

    Args:
        model: a sequence classifier, without an adapter yet.
        head: what those outputs begin as; None draws small numbers.

    Raises:
        ModelNotReady: the model has no such layer, or the head reads other features.
    """
    labels = model.config.num_labels
    parent, name = last_linear(model, labels)
    narrow_layer: Any = getattr(parent, name)
    features = narrow_layer.in_features
    if head is not None and head.weight.shape[1] != features:
        raise ModelNotReady(
            code="star_head_broken",
            rule=message("A star head reads the features that the model's last layer reads."),
            value=message(
                "{found} features, but the model has {features}",
                found=head.weight.shape[1],
                features=features,
            ),
            remedy=message("Export or pull the model again, with its own star head."),
        )
    wide = nn.Linear(features, labels + STARS).to(narrow_layer.weight)
    with torch.no_grad():
        nn.init.normal_(wide.weight, std=getattr(model.config, "initializer_range", 0.02))
        nn.init.zeros_(wide.bias)
        wide.weight[:labels] = narrow_layer.weight
        if narrow_layer.bias is not None:
            wide.bias[:labels] = narrow_layer.bias
        if head is not None:
            wide.weight[labels:] = head.weight.to(wide.weight)
            wide.bias[labels:] = head.bias.to(wide.bias)
    setattr(parent, name, wide)


def narrow(model: Any) -> StarHead:
    """Undo `widen`: the last layer has the labels' outputs again; what the others became.

    Args:
        model: a widened classifier, with or without an adapter around it.

    Raises:
        ModelNotReady: the model was not widened.
    """
    labels = model.config.num_labels
    heads: list[StarHead] = []
    while True:
        try:
            parent, name = last_linear(model, labels + STARS)
        except ModelNotReady:
            if not heads:
                raise
            # An adapter keeps the layer twice: as it was, and behind it as it was trained.
            return heads[0]
        wide: Any = getattr(parent, name)
        weight, bias = wide.weight.detach(), wide.bias.detach()
        slim = nn.Linear(wide.in_features, labels).to(weight)
        with torch.no_grad():
            slim.weight.copy_(weight[:labels])
            slim.bias.copy_(bias[:labels])
        heads.append(StarHead(weight[labels:].clone(), bias[labels:].clone()))
        setattr(parent, name, slim)
