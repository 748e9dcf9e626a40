"""Texts per second of every engine inside one process, against what the processor could do.

    python benchmarks/engines.py --rounds 3

One core, one thread, one text a call: the forms that a model can be run in, by turns in one run.
The limit is that of the multiplications alone: those of the graph's 8-bit maps at the speed that
ONNX Runtime reaches with one large map of this model, and those of attention at its speed in
float32. Norms, activations and quantization are not in it, so that no engine reaches 1.

IMDB and Rotten Tomatoes are looked for in DATASETS_DIR.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before anything loads a library that reads it
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewsite.settings")

import django

django.setup()

import numpy as np
import onnx
import onnxruntime
import torch
from django.conf import settings
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from benchmarks.load.texts import Texts, draw_corpus, open_tokenizer
from classifier.artefact import open_artefact
from classifier.engines import open_engine
from classifier.engines.transformers_pipeline import TransformersEngine
from classifier.predictor import Predictor

PEAK_TOKENS = 256


@dataclass(frozen=True)
class Sizes:
    """Of an encoder of BERT's kind."""

    layers: int
    width: int
    inner: int

    def maps(self, tokens: int) -> float:
        """Operations of the 8-bit maps, the last layer for the first token alone."""
        layer = 4 * self.width**2 + 2 * self.width * self.inner
        last = 2 * tokens * self.width**2 + 2 * self.width**2 + 2 * self.width * self.inner
        return 2.0 * ((self.layers - 1) * tokens * layer + last)

    def attention(self, tokens: int) -> float:
        """Operations of attention in float32."""
        return 4.0 * self.width * ((self.layers - 1) * tokens**2 + tokens)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="starter")
    parser.add_argument("--texts", type=int, default=512, help="of each kind (default: 512)")
    parser.add_argument("--seconds", type=float, default=4.0, help="a point (default: 4)")
    parser.add_argument("--rounds", type=int, default=3, help="medians are taken (default: 3)")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    artefact = open_artefact(options.model, models_dir=settings.MODELS_DIR)
    corpus = draw_corpus(
        artefact.directory, datasets_dir=settings.DATASETS_DIR, count=options.texts, seed=0
    )
    config = json.loads((artefact.directory / "config.json").read_text(encoding="utf-8"))
    sizes = Sizes(config["num_hidden_layers"], config["hidden_size"], config["intermediate_size"])
    revision = artefact.revision()
    engines = {
        "torch float32": TransformersEngine(artefact.directory),
        "torch bfloat16": TransformersEngine(artefact.directory, dtype=torch.bfloat16),
        "onnx int8, first token": open_engine(artefact.directory, revision, kind="onnx"),
    }
    found: dict[str, list[float]] = {}
    for _ in range(options.rounds):
        for kind in corpus.kinds:
            for name, engine in engines.items():
                rate = rate_of(Predictor(artefact, revision, engine), kind, options.seconds)
                found.setdefault(f"{kind.kind}: {name}", []).append(rate)
        for name, peak in (("int8", int8_peak), ("float32", float32_peak)):
            found.setdefault(f"peak: {name}", []).append(peak(sizes))
    medians = {name: statistics.median(values) for name, values in found.items()}
    limits = {
        kind.kind: 1
        / (
            mean_over(kind, artefact.directory, sizes.maps) / medians["peak: int8"]
            + mean_over(kind, artefact.directory, sizes.attention) / medians["peak: float32"]
        )
        for kind in corpus.kinds
    }
    print(
        f"One core: {medians['peak: int8'] / 1e9:,.0f} GOP/s in int8, "
        f"{medians['peak: float32'] / 1e9:,.0f} GFLOP/s in float32.\n"
    )
    print("| engine, one text a call | texts | texts/s | of the limit | x torch float32 |")
    print("| --- | --- | ---: | ---: | ---: |")
    for kind in corpus.kinds:
        plain = medians[f"{kind.kind}: torch float32"]
        for name in engines:
            rate = medians[f"{kind.kind}: {name}"]
            share = rate / limits[kind.kind]
            print(f"| {name} | {kind.kind} | {rate:,.1f} | {share:.0%} | {rate / plain:.2f} |")
        print(f"| the multiplications alone | {kind.kind} | {limits[kind.kind]:,.1f} | | |")
    if options.json:
        options.json.write_text(json.dumps({"figures": found, "limits": limits}, indent=2) + "\n")


def rate_of(predictor: Predictor, kind: Texts, seconds: float) -> float:
    """Texts per second of this thread."""
    for text in kind.texts[:10]:
        predictor.classify([text])
    done, started = 0, time.perf_counter()
    while (taken := time.perf_counter() - started) < seconds:
        predictor.classify([kind.texts[done % len(kind.texts)]])
        done += 1
    return done / taken


def mean_over(kind: Texts, directory: Path, operations: Callable[[int], float]) -> float:
    tokenizer = open_tokenizer(directory)
    return statistics.fmean(operations(len(tokenizer.encode(text).ids)) for text in kind.texts)


def int8_peak(sizes: Sizes) -> float:
    """Operations per second of the widest map of the model, as ONNX Runtime runs it."""
    return _peak(sizes, quantized=True)


def float32_peak(sizes: Sizes) -> float:
    return _peak(sizes, quantized=False)


def _peak(sizes: Sizes, *, quantized: bool) -> float:
    weights = np.random.default_rng(0).normal(size=(sizes.width, sizes.inner)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "peak",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [PEAK_TOKENS, sizes.width])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [PEAK_TOKENS, sizes.inner])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "peak.onnx"
        onnx.save(model, path)
        if quantized:
            quantize_dynamic(path, path, per_channel=True, weight_type=QuantType.QInt8)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
    inputs: dict[str, Any] = {
        "x": np.random.default_rng(1).normal(size=(PEAK_TOKENS, sizes.width)).astype(np.float32)
    }
    times = []
    for _ in range(400):
        started = time.perf_counter()
        session.run(None, inputs)
        times.append(time.perf_counter() - started)
    return 2.0 * PEAK_TOKENS * sizes.width * sizes.inner / min(times)


if __name__ == "__main__":
    main()
