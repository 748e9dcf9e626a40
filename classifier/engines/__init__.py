"""Engines: what turns texts into logits. One small protocol, one file an engine."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from classifier.exceptions import ModelNotReady
from classifier.messages import message
from classifier.model_files import GRAPH
from classifier.windows import WindowLogits

KINDS = AUTO, ONNX, TORCH = ("auto", "onnx", "torch")
DEVICES = CPU, CUDA = ("cpu", "cuda")


class Engine(Protocol):
    """A loaded model. Threads may share it."""

    def read(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> list[WindowLogits]:
        """The logits of each text's windows, in the order of `texts`, float64.

        Those of the stars, too, where the model has a star head.

        Args:
            texts: one at least.
            pairs: the second text of each, such as a passage for a question, or None.
        """
        ...

    def count_tokens(self, text: str) -> int:
        """How many tokens the model reads of a text, the special ones left out."""
        ...


@dataclass(frozen=True)
class TokenGradients:
    """What the tokens of one window add to what the model says of it."""

    places: list[tuple[int, int]]
    """Characters of the text that each token stands for, the special tokens left out."""
    amounts: NDArray[np.float64]
    """Shape (tokens,): of the label's log odds; they sum to about `margin - margin_of_nothing`."""
    logits: NDArray[np.float64]
    """Shape (labels,): of the window."""
    tokens: int
    """In the window, the special ones included."""
    margin: float
    """Log odds of the label in this window."""
    margin_of_nothing: float
    """The same with padding in place of every token."""


@runtime_checkable
class GradientEngine(Protocol):
    """An engine whose model can be followed backwards, from what it says to its tokens."""

    def require_gradients(self) -> None:
        """
        Raises:
            ExplanationUnavailable: a library that it takes is not installed.
        """
        ...

    def gradients(self, text: str, label: int) -> list[TokenGradients]:
        """One a window, in their order.

        Args:
            label: which output is explained.

        Raises:
            ExplanationUnavailable: as `require_gradients`.
        """
        ...


def open_engine(directory: Path, revision: str, *, kind: str = AUTO, device: str = CPU) -> Engine:
    """Load the model in `directory`; imports the engine's library on first use.

    Args:
        revision: of the weights (revisions_of), which an exported graph must have been made from.
        kind: "onnx" for the exported graph, "torch" for the transformers pipeline, or "auto": the
            graph on a CPU where the model has one, else the pipeline.
        device: "cpu" or "cuda".

    Raises:
        ModelNotReady: the graph is not there or of other weights, there is no such device, or
            kind or device is none of the above.
    """
    _require_known("CLASSIFIER_ENGINE", kind, KINDS)
    _require_known("CLASSIFIER_DEVICE", device, DEVICES)
    if kind == AUTO:
        kind = ONNX if device == CPU and (directory / GRAPH).is_file() else TORCH
    if kind == ONNX:
        if device != CPU:
            raise ModelNotReady(
                code="engine_device",
                rule=message("The onnx engine runs on the CPU."),
                value=message(
                    "CLASSIFIER_ENGINE={kind} with CLASSIFIER_DEVICE={device}",
                    kind=kind,
                    device=device,
                ),
                remedy=message("Set CLASSIFIER_ENGINE to torch, or CLASSIFIER_DEVICE to cpu."),
            )
        return _open_graph(directory, revision)
    _require_device(device)
    from classifier.engines.transformers_pipeline import TransformersEngine

    return TransformersEngine(directory, device)


def _open_graph(directory: Path, revision: str) -> Engine:
    if not (directory / GRAPH).is_file():
        raise ModelNotReady(
            code="onnx_missing",
            rule=message("The onnx engine reads {graph} in the model's directory.", graph=GRAPH),
            value=message("{name} has none", name=directory.name),
            remedy=message("Write it (manage.py export_model), or set CLASSIFIER_ENGINE to auto."),
        )
    from classifier.engines.onnx_runtime import OnnxEngine

    engine = OnnxEngine(directory)
    if engine.made_from != revision:
        raise ModelNotReady(
            code="onnx_stale",
            rule=message("{graph} must have been made from the weights beside it.", graph=GRAPH),
            value=message(
                "{name} is {revision}, its graph is of {made_from}",
                name=directory.name,
                revision=revision,
                made_from=engine.made_from[:64],
            ),
            remedy=message("Write it anew (manage.py export_model), or remove it."),
        )
    return engine


def _require_device(device: str) -> None:
    if device == CPU:
        return
    import torch

    if not torch.cuda.is_available():
        raise ModelNotReady(
            code="device_missing",
            rule=message("The device that CLASSIFIER_DEVICE names must be there."),
            value=message(
                "{device}, but torch {version} finds no GPU",
                device=device,
                version=torch.__version__,
            ),
            remedy=message(
                "Install a driver and a torch with CUDA, or set CLASSIFIER_DEVICE to cpu."
            ),
        )


def _require_known(setting: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ModelNotReady(
            code="engine_unknown",
            rule=message("{setting} is one of {names}.", setting=setting, names=", ".join(known)),
            value=repr(value[:50]),
            remedy=message("Set it to one of them, or unset it for {usual}.", usual=known[0]),
        )
