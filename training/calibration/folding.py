"""A temperature, put into the weights: whoever loads the model gets calibrated probabilities.

The last layer is linear, so its weight and bias divided by T give its logits divided by T. Nothing
but these numbers changes in the file: they are overwritten where they lie.
"""

import json
import math
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier.messages import message
from training.calibration.errors import CalibrationError

# Of BERT and DistilBERT, of RoBERTa and ELECTRA, and of most others.
LAST_LAYERS = ("classifier.out_proj", "classifier", "score")
PARTS = ("weight", "bias")
NUMBERS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}


def fold(file: Path, temperature: float) -> None:
    """Divide the last linear layer in a safetensors file of a model, or of its adapter, by T.

    Args:
        file: replaced, whole or not at all.
        temperature: above 0.

    Raises:
        CalibrationError: it has no such layer, or the temperature is not above 0.
        OSError: it cannot be read or written.
    """
    _fold(file, temperature, last_layer)


def fold_star_head(file: Path, temperature: float) -> None:
    """The same with a star head's `weight` and `bias`; errors as fold."""
    _fold(file, temperature, lambda names: [name for name in PARTS if name in names])


def last_layer(names: Mapping[str, Any]) -> list[str]:
    """Those of the tensors' names that belong to the last linear layer; none where it has none."""
    for layer in LAST_LAYERS:
        # With the dot: DistilBERT has a pre_classifier, too.
        found = [
            name for name in names if any(f".{name}".endswith(f".{layer}.{part}") for part in PARTS)
        ]
        if any(name.endswith(".weight") for name in found):
            return found
    return []


def has_last_layer(file: Path) -> bool:
    """Whether `fold` knows which layer of the model is the last.

    Raises:
        OSError: the file cannot be read.
    """
    return bool(last_layer(_header(file)[0]))


def _fold(file: Path, temperature: float, chosen: Callable[[Mapping[str, Any]], list[str]]) -> None:
    if not (math.isfinite(temperature) and temperature > 0):
        raise CalibrationError(
            message(
                "A temperature is above 0, but it is {temperature!r}. Fit it on more rows.",
                temperature=temperature,
            )
        )
    tensors, start = _header(file)
    names = chosen(tensors)
    if not names:
        raise CalibrationError(
            message(
                "A temperature is folded into a last linear layer, {names}, but {name} has "
                "none. Train with --no-calibrate.",
                names=", ".join(LAST_LAYERS),
                name=file.name,
            )
        )
    draft = file.with_name(f".{file.name}.{os.getpid()}.draft")
    try:
        shutil.copyfile(file, draft)
        with draft.open("r+b") as opened:
            for name in names:
                begin, end = tensors[name]["data_offsets"]
                opened.seek(start + begin)
                kind = tensors[name]["dtype"]
                divided = _divided(opened.read(end - begin), kind, temperature, name)
                opened.seek(start + begin)
                opened.write(divided)
            opened.flush()
            os.fsync(opened.fileno())
        os.replace(draft, file)
    finally:
        draft.unlink(missing_ok=True)


def _header(file: Path) -> tuple[dict[str, Any], int]:
    """What a safetensors file says of its tensors, and where their numbers begin.

    Form: https://huggingface.co/docs/safetensors/index#format
    """
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        tensors = json.loads(opened.read(length))
    return {name: said for name, said in tensors.items() if name != "__metadata__"}, 8 + length


def _divided(numbers: bytes, kind: str, temperature: float, name: str) -> bytes:
    if kind not in NUMBERS:
        raise CalibrationError(
            message(
                "The last layer's numbers are of {names}, but {name} is of {kind}. Save the "
                "model in float32.",
                names=", ".join(NUMBERS),
                name=name,
                kind=kind,
            )
        )
    values: NDArray[Any] = np.frombuffer(numbers, dtype=NUMBERS[kind])
    if kind != "BF16":  # which numpy does not know: it is the upper half of a float32
        return (values.astype(np.float64) / temperature).astype(values.dtype).tobytes()
    wide = (values.astype(np.uint32) << 16).view(np.float32).astype(np.float64) / temperature
    bits = wide.astype(np.float32).view(np.uint32)
    rounded = bits + 0x7FFF + ((bits >> 16) & 1)  # to the nearest, halves to the even one
    return (rounded >> 16).astype("<u2").tobytes()
