"""Outlier channels, read in floats beside the 8 bits of all others.

In BERT's kind of model a handful of channels carry values ten times as large as the others, and 8
bits over that range leave few steps for the rest. Those channels alone are multiplied as floats,
which takes little time, for they are few (LLM.int8, Dettmers et al. 2022, arXiv:2208.07339). To
divide them and multiply their weights instead (SmoothQuant) moves the trouble into the weights,
whose 7 bits then range too far.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from classifier.onnx_export.graphs import FirstTokenGraph

# One channel in so many is an outlier, of what these maps of a layer read: 8 of MiniLM's 384, and
# 16 of the 1,536 that the second map of the feed-forward network reads.
ONE_IN = {"query": 48, "key": 48, "value": 48, "widen": 48, "narrow": 96}
WORTH_IT = 1.2  # times the range of all others; below it, two products cost more than they gain
IN_FLOATS = "/in_floats/"  # in the names of the products that are not quantized


class OutliersApart(nn.Module):
    """A linear map in two products: of the outlier channels, and of the others.

    Args:
        linear: as of torch.nn.
        outliers: numbers of the channels, shape (outliers,).
    """

    def __init__(self, linear: Any, outliers: Tensor) -> None:
        super().__init__()
        others = torch.ones(linear.in_features)
        others[outliers] = 0.0
        self._others = nn.Parameter(others, requires_grad=False)
        self._outliers = nn.Parameter(outliers, requires_grad=False)
        self._linear = nn.utils.skip_init(
            nn.Linear, linear.in_features, linear.out_features, bias=linear.bias is not None
        )
        self.in_floats = nn.utils.skip_init(
            nn.Linear, len(outliers), linear.out_features, bias=False
        )
        with torch.no_grad():
            self._linear.weight.copy_(linear.weight * others)
            if linear.bias is not None:
                self._linear.bias.copy_(linear.bias)
            self.in_floats.weight.copy_(linear.weight[:, outliers])

    def forward(self, inputs: Tensor) -> Tensor:
        apart: Tensor = self.in_floats(inputs.index_select(-1, self._outliers))
        return self._linear(inputs * self._others) + apart


def set_outliers_apart(graph: FirstTokenGraph, inputs: Sequence[tuple[Tensor, ...]]) -> None:
    """Find the outlier channels of what the maps of each layer read, and part them.

    Args:
        inputs: what the graph is called with, for a few dozen texts of the kind that people write.
    """
    ranges = _channel_ranges(graph, inputs)
    for index, layer in enumerate(graph.layers):
        changed = {}
        for name, one_in in ONE_IN.items():
            found = ranges[index, name]
            ordered = found.argsort(descending=True)
            count = max(1, len(found) // one_in)
            if torch.isfinite(found).all() and (
                found[ordered[0]] >= WORTH_IT * found[ordered[count]]
            ):
                changed[name] = OutliersApart(getattr(layer, name), ordered[:count])
        graph.layers[index] = replace(layer, **changed)
        graph.apart.extend(changed.values())


def _channel_ranges(
    graph: FirstTokenGraph, inputs: Sequence[tuple[Tensor, ...]]
) -> dict[tuple[int, str], Tensor]:
    """The largest absolute value of each channel that the maps are given; shape (channels,)."""
    ranges: dict[tuple[int, str], Tensor] = {}
    hooks = []
    for index, layer in enumerate(graph.layers):
        for name in ONE_IN:

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
