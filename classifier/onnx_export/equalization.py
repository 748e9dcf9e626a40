"""Outlier channels, made small before quantization takes them for the range of all channels.

In BERT's kind of model a handful of channels carry values ten times as large as the others, and
8 bits over that range leave few steps for the rest. Dividing those channels and multiplying their
weights by the same factor changes no output and leaves more steps (SmoothQuant, Xiao et al. 2023,
arXiv:2211.10438; here only the channels that stick out are touched).
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from classifier.onnx_export.graphs import FirstTokenGraph

QUANTILE = 0.97  # of the channels; those above it are brought down to it
WORTH_A_PASS = 1.5  # times; below it, dividing costs more time than it gains accuracy
EQUALIZED = ("widen", "narrow")


class Equalized(nn.Module):
    """A linear map that reads its inputs divided by `factors`; shape (channels,), 1 or more."""

    def __init__(self, linear: nn.Linear, factors: Tensor) -> None:
        super().__init__()
        self._linear = nn.utils.skip_init(
            nn.Linear, linear.in_features, linear.out_features, bias=linear.bias is not None
        )
        with torch.no_grad():
            self._linear.weight.copy_(linear.weight * factors)
            if linear.bias is not None:
                self._linear.bias.copy_(linear.bias)
        self._shares = nn.Parameter(1 / factors, requires_grad=False)

    def forward(self, inputs: Tensor) -> Tensor:
        return self._linear(inputs * self._shares)


def equalize(graph: FirstTokenGraph, inputs: Sequence[tuple[Tensor, ...]]) -> None:
    """Find the outlier channels of both feed-forward maps of each layer, and divide them.

    Args:
        inputs: what the graph is called with, for a few dozen texts of the kind that people write.
    """
    ranges = _channel_ranges(graph, inputs)
    for index, layer in enumerate(graph.layers):
        changed = {}
        for name in EQUALIZED:
            found = ranges[index, name]
            factors = (found / torch.quantile(found, QUANTILE)).clamp(min=1.0)
            if torch.isfinite(factors).all() and factors.max() >= WORTH_A_PASS:
                changed[name] = Equalized(getattr(layer, name), factors)
        graph.layers[index] = replace(layer, **changed)
        graph.equalized.extend(changed.values())


def _channel_ranges(
    graph: FirstTokenGraph, inputs: Sequence[tuple[Tensor, ...]]
) -> dict[tuple[int, str], Tensor]:
    """The largest absolute value of each channel that the maps are given; shape (channels,)."""
    ranges: dict[tuple[int, str], Tensor] = {}
    hooks = []
    for index, layer in enumerate(graph.layers):
        for name in EQUALIZED:

            def watch(
                _: nn.Module, given: tuple[Tensor], key: tuple[int, str] = (index, name)
            ) -> None:
                found = given[0].abs().flatten(0, -2).amax(0)
                ranges[key] = torch.maximum(ranges.get(key, found), found)

            hooks.append(getattr(layer, name).register_forward_pre_hook(watch))
    try:
        with torch.inference_mode():
            for given in inputs:
                graph(*given)
    finally:
        for hook in hooks:
            hook.remove()
    return {key: found.clone() for key, found in ranges.items()}
