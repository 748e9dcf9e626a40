"""The export: graph, outliers apart, ONNX, int8, verification, and only then its place."""

import hashlib
import json
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor

from classifier.engines.onnx_runtime import MADE_FROM, MAX_TOKENS, OUTPUTS, OnnxEngine
from classifier.engines.transformers_pipeline import TransformersEngine
from classifier.exceptions import ClassifierError
from classifier.labels import POSITIVE, labels_of
from classifier.messages import message
from classifier.model_files import (
    GRAPH,
    GRAPH_WEIGHTS,
    METRICS,
    ONNX_FACTS,
    metrics_of,
    revisions_of,
)
from classifier.onnx_export.graphs import (
    FirstTokenGraph,
    NotExportable,
    StarGraph,
    graph_of,
    reads_types,
)
from classifier.onnx_export.outliers import IN_FLOATS, set_outliers_apart
from classifier.onnx_export.sample_texts import sample_texts
from classifier.onnx_export.verification import Verification, verify

logger = logging.getLogger(__name__)

OPSET = 17
CALIBRATION_TEXTS = 34
VERIFICATION_TEXTS = 68
VERIFICATION_PAIRS = 12
SHARED_BYTES = 100_000  # tensors of so many bytes are shared by processes


class ExportRefused(ClassifierError):
    """No graph was written: none can be made, or it does not say what the model says."""


def export_model(directory: Path) -> Verification:
    """Write the int8 graph of the model in `directory`, verified; or leave things as they were.

    A star head becomes its second output.

    Returns:
        How the graph compares with the model.

    Raises:
        ExportRefused: no graph can be made of the model, or it says something else.
        ModelNotReady: its star head is damaged or of another model.
        OSError: the files cannot be read or written.
    """
    revision = revisions_of(directory).weights
    engine = TransformersEngine(directory)
    place = directory / GRAPH
    with tempfile.TemporaryDirectory(prefix=".export-", dir=directory) as folder:
        draft = Path(folder) / place.name
        with _quietly():
            _write_graph(engine, draft)
        weights = _finish(draft, {MADE_FROM: revision, MAX_TOKENS: str(engine.max_tokens)})
        texts = sample_texts(VERIFICATION_TEXTS, seed=1)
        pairs = list(zip(texts[:VERIFICATION_PAIRS], texts[VERIFICATION_PAIRS:], strict=False))
        compared = verify(
            OnnxEngine(directory, draft), engine, texts, pairs, positive=_positive(engine)
        )
        if not compared.accepted:
            raise ExportRefused(
                code="export_inexact",
                rule=message("The int8 graph must say what the model says."),
                value=message(
                    "{summary} over {texts} texts", summary=compared.summary(), texts=compared.texts
                ),
                remedy=message("Serve this model with CLASSIFIER_ENGINE=torch."),
            )
        place.parent.mkdir(exist_ok=True)
        if weights:
            os.replace(weights, place.with_name(weights.name))  # first: the graph names it
        os.replace(draft, place)
    for path in directory.glob(GRAPH_WEIGHTS):
        if weights is None or path.name != weights.name:
            path.unlink(missing_ok=True)  # who has mapped it keeps it
    return compared


def export_if_possible(directory: Path) -> dict[str, Any]:
    """Write the graph if the model has one that says the same, and either way what came of it.

    A model without a graph is served by torch.

    Returns:
        What metrics.json now has under "onnx".
    """
    try:
        facts = export_model(directory).facts()
    except ExportRefused as error:
        logger.warning("%s is served by torch. %s", directory.name, error)
        facts = {"accepted": False, "reason": str(error.finding)}
    record(directory, facts)
    return facts


def record(directory: Path, facts: dict[str, Any]) -> None:
    """Write what came of an export into the model's metrics.json, beside what it says already."""
    file = directory / METRICS
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    known = metrics_of(directory)
    content = json.dumps({**known, ONNX_FACTS: facts}, indent=2, ensure_ascii=False)
    draft.write_text(content + "\n", encoding="utf-8")
    os.replace(draft, file)


def _write_graph(engine: TransformersEngine, path: Path) -> None:
    """
    Raises:
        ExportRefused: see export_model.
    """
    plain = path.with_name("model.onnx")
    try:
        graph = graph_of(engine.model)
        inputs = _inputs(engine)
        if isinstance(graph, FirstTokenGraph):
            set_outliers_apart(graph, inputs)
        if engine.reads_stars:
            graph = StarGraph(
                graph, engine.labels
            ).eval()  # else its model is left in training mode
        names = ["input_ids", "token_type_ids"][: len(inputs[0])]
        torch.onnx.export(
            graph,
            inputs[0],
            str(plain),
            input_names=names,
            output_names=[*OUTPUTS[: 1 + engine.reads_stars]],
            dynamic_axes={name: {1: "tokens"} for name in names},
            opset_version=OPSET,
            custom_opsets={"com.microsoft": 1},
            dynamo=False,
        )
        quantize(plain, path, kept=_products_in_floats(plain))
    except (NotExportable, RuntimeError, TypeError, ValueError, KeyError) as error:
        # The tracer and its passes raise any of these for operators that they do not know.
        raise ExportRefused(
            code="export_impossible",
            rule=message("A model must be an encoder that ONNX can express."),
            value=f"{engine.model.config.model_type}: {str(error).strip().splitlines()[0][:200]}",
            remedy=message("Serve this model with CLASSIFIER_ENGINE=torch."),
        ) from error


def quantize(plain: Path, path: Path, *, kept: Sequence[str] = ()) -> None:
    """Write a float graph with the weights of its matrix products in 7 bits, one range a channel.

    With 8, processors without VNNI would either cut sums of two products off at 16 bits, which
    changes twice as many labels, or take a seventh longer.

    Args:
        kept: names of the products that stay as they are.
    """
    quantize_dynamic(
        plain,
        path,
        per_channel=True,
        weight_type=QuantType.QInt8,
        reduce_range=True,
        op_types_to_quantize=["MatMul"],
        # A Gemm becomes a MatMul of another name first.
        nodes_to_exclude=[*kept, *(f"{name}_MatMul" for name in kept)],
        # Types are not inferred behind ONNX Runtime's own attention; all there are floats.
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
    )


def _products_in_floats(path: Path) -> list[str]:
    """Names of the products that are not quantized: of outlier channels, and those of the head.

    The head is what comes behind the last norm, and gives labels and stars alike. It reads one
    vector a text, so bits saved there save no time.
    """
    nodes = list(onnx.load(path, load_external_data=False).graph.node)
    norms = [index for index, one in enumerate(nodes) if one.op_type == "LayerNormalization"]
    head = norms[-1] if norms else len(nodes)
    products = [(i, one.name) for i, one in enumerate(nodes) if one.op_type in {"Gemm", "MatMul"}]
    found = [name for index, name in products if index > head or IN_FLOATS in name]
    return found or [name for _, name in products[-1:]]


def _inputs(engine: TransformersEngine) -> list[tuple[Tensor, ...]]:
    """What a graph of this model is called with for the sample texts, pairs among them."""
    texts = sample_texts(CALIBRATION_TEXTS, seed=0)
    encoded = [
        engine.tokenizer(text, truncation=True, max_length=engine.max_tokens) for text in texts
    ]
    names = ["input_ids", "token_type_ids"] if reads_types(engine.model) else ["input_ids"]
    return [
        tuple(torch.tensor([one.get(name) or [0] * len(one["input_ids"])]) for name in names)
        for one in encoded
    ]


def _positive(engine: TransformersEngine) -> int:
    """Which output is that of POSITIVE; the last one of a model of other labels."""
    labels = labels_of(engine.model.config.id2label)
    return labels.index(POSITIVE) if POSITIVE in labels else -1


def _finish(path: Path, metadata: dict[str, str]) -> Path | None:
    """Write metadata into a graph, and its large tensors into a file beside it.

    ONNX Runtime maps that file into memory, so processes of one host share its pages. Its name has
    the digest of its content: a graph cannot be read with the tensors of another one.

    Returns:
        The file of tensors; None where all are small.
    """
    model = onnx.load(path)
    onnx.helper.set_model_props(model, metadata)
    digest = hashlib.sha256()
    large = [one for one in model.graph.initializer if len(one.raw_data) >= SHARED_BYTES]
    for one in large:
        digest.update(one.raw_data)
    weights = path.with_name(f"{path.stem}.{digest.hexdigest()[:12]}.data")
    onnx.save(
        model,
        path,
        save_as_external_data=bool(large),
        location=weights.name,
        size_threshold=SHARED_BYTES,
    )
    if not large:
        return None
    weights.chmod(0o644)  # onnx keeps other users out
    return weights


@contextmanager
def _quietly() -> Iterator[None]:
    """Tracing warns of every shape that it takes for a constant, and quantization of itself."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
