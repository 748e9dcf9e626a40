"""Engines: what turns texts into logits. One small protocol, one file an engine."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from classifier.exceptions import ModelNotReady
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
                rule="The onnx engine runs on the CPU.",
                value=f"CLASSIFIER_ENGINE={kind} with CLASSIFIER_DEVICE={device}",
                remedy="Set CLASSIFIER_ENGINE to torch, or CLASSIFIER_DEVICE to cpu.",
            )
        return _open_graph(directory, revision)
    _require_device(device)
    from classifier.engines.transformers_pipeline import TransformersEngine

    return TransformersEngine(directory, device)


def _open_graph(directory: Path, revision: str) -> Engine:
    if not (directory / GRAPH).is_file():
        raise ModelNotReady(
            code="onnx_missing",
            rule=f"The onnx engine reads {GRAPH} in the model's directory.",
            value=f"{directory.name} has none",
            remedy="Write it (manage.py export_model), or set CLASSIFIER_ENGINE to auto.",
        )
    from classifier.engines.onnx_runtime import OnnxEngine

    engine = OnnxEngine(directory)
    if engine.made_from != revision:
        raise ModelNotReady(
            code="onnx_stale",
            rule=f"{GRAPH} must have been made from the weights beside it.",
            value=f"{directory.name} is {revision}, its graph is of {engine.made_from[:64]}",
            remedy="Write it anew (manage.py export_model), or remove it.",
        )
    return engine


def _require_device(device: str) -> None:
    if device == CPU:
        return
    import torch

    if not torch.cuda.is_available():
        raise ModelNotReady(
            code="device_missing",
            rule="The device that CLASSIFIER_DEVICE names must be there.",
            value=f"{device}, but torch {torch.__version__} finds no GPU",
            remedy="Install a driver and a torch with CUDA, or set CLASSIFIER_DEVICE to cpu.",
        )


def _require_known(setting: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ModelNotReady(
            code="engine_unknown",
            rule=f"{setting} is one of {', '.join(known)}.",
            value=repr(value[:50]),
            remedy=f"Set it to one of them, or unset it for {known[0]}.",
        )
