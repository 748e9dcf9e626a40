import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import transformers
from django.core.management import CommandError, call_command

from classifier.engines import open_engine
from classifier.engines.onnx_runtime import session_options
from classifier.exceptions import ModelNotReady
from classifier.model_files import GRAPH, GRAPH_WEIGHTS, METRICS, revision_of
from classifier.onnx_export import ExportRefused, export_model, exporting
from classifier.onnx_export.exporting import quantize
from classifier.onnx_export.graphs import (
    FirstTokenGraph,
    StarGraph,
    WholeGraph,
    graph_of,
    reads_types,
)
from classifier.onnx_export.outliers import IN_FLOATS, set_outliers_apart
from classifier.onnx_export.sample_texts import sample_texts
from classifier.onnx_export.verification import Verification, verify
from classifier.predictor import load_predictor
from classifier.star_head import StarHead, widen
from classifier.windows import WindowLogits
from tests import tiny

SIZES = {
    "vocab_size": 60,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 40,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "Bert": {},
    "Roberta": {"pad_token_id": 1, "type_vocab_size": 1},
    "XLMRoberta": {"pad_token_id": 1, "type_vocab_size": 1},
    "Camembert": {"pad_token_id": 1, "type_vocab_size": 1},
    "Electra": {"embedding_size": 16},
    "DistilBert": {"dim": 32, "n_layers": 3, "n_heads": 4, "hidden_dim": 48},
}


def classifier_of(family: str, **extra: Any) -> Any:
    torch.manual_seed(3)
    config = getattr(transformers, f"{family}Config")(**SIZES | FAMILIES.get(family, {}) | extra)
    model = getattr(transformers, f"{family}ForSequenceClassification")(config).eval()
    with torch.no_grad():
        # As it is made, a head gives nearly nothing, and anything would equal it.
        for name, parameter in model.named_parameters():
            if "classifier" in name or "bias" in name:
                parameter.normal_()
            if "word_embeddings" in name:
                parameter.copy_(parameter.half())  # as the graph keeps them
    return model


def logits_of(graph: Any, model: Any, ids: Sequence[int], types: Sequence[int]) -> tuple[Any, Any]:
    """What the graph and the model say of one sequence of tokens."""
    tokens, kinds = torch.tensor([ids]), torch.tensor([types])
    reading = {"token_type_ids": kinds} if reads_types(model) else {}
    with torch.inference_mode():
        return (
            graph(tokens, *reading.values()),
            model(tokens, attention_mask=torch.ones_like(tokens), **reading).logits,
        )


@pytest.mark.parametrize("family", FAMILIES)
def test_the_last_layer_of_the_first_token_alone_gives_the_models_logits(family: str) -> None:
    model = classifier_of(family)
    graph = graph_of(model)
    assert isinstance(graph, FirstTokenGraph)

    for ids, types in (
        ([5], [0]),
        ([5, 9, 11, 6], [0, 0, 1, 1]),
        # 0 and 1 are padding tokens, which a text may spell.
        ([5, 9, 1, 0, 11, 1, 6], [0] * 7),
        (list(range(2, 38)), [0] * 20 + [1] * 16),
    ):
        found, expected = logits_of(graph, model, ids, types)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", [*FAMILIES, "Albert"])
def test_labels_and_stars_come_out_apart(family: str) -> None:
    model = classifier_of(family)
    widen(model, StarHead(torch.randn(10, 32), torch.randn(10)))

    graph = StarGraph(graph_of(model), 2)

    (labels, stars), expected = logits_of(graph, model, [5, 9, 11, 6], [0] * 4)
    assert stars.shape == (1, 10)
    torch.testing.assert_close(labels, expected[:, :2], atol=1e-5, rtol=0)
    torch.testing.assert_close(stars, expected[:, 2:], atol=1e-5, rtol=0)


def add_outliers(model: Any) -> None:
    """One channel between the feed-forward maps of each layer becomes far larger than others."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("intermediate.dense.bias", "ffn.lin1.bias")):
                parameter[3] += 60.0
            elif (
                name.endswith(("output.dense.weight", "ffn.lin2.weight"))
                and "attention" not in name
            ):
                parameter[:, 3] /= 60.0


@pytest.mark.parametrize("family", FAMILIES)
def test_outliers_set_apart_change_no_logit(family: str) -> None:
    model = classifier_of(family)
    add_outliers(model)
    graph = graph_of(model)
    assert isinstance(graph, FirstTokenGraph)
    tokens = torch.tensor([[5, 9, 11, 6, 20, 21]])
    inputs = (tokens, torch.zeros_like(tokens)) if reads_types(model) else (tokens,)

    set_outliers_apart(graph, [inputs])

    assert len(graph.apart) >= SIZES["num_hidden_layers"]
    found, expected = logits_of(graph, model, [5, 9, 11, 6, 20], [0] * 5)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_outliers_cost_a_graph_less_where_they_are_apart(
    tiny_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = Path(shutil.copytree(tiny_model_dir, tmp_path / "model"))
    model = transformers.AutoModelForSequenceClassification.from_pretrained(directory)
    add_outliers(model)
    model.save_pretrained(directory)

    apart = export_model(directory)
    products = onnx.load(directory / "onnx" / "model_int8.onnx").graph.node
    monkeypatch.setattr(exporting, "set_outliers_apart", lambda *_: None)
    together = export_model(directory)

    floats = [one.name for one in products if one.op_type == "MatMul" and IN_FLOATS in one.name]
    assert len(floats) >= model.config.num_hidden_layers
    assert apart.mean_probability_difference < together.mean_probability_difference / 2


def test_another_architecture_is_exported_whole(tiny_model_dir: Path, tmp_path: Path) -> None:
    directory = Path(shutil.copytree(tiny_model_dir, tmp_path / "albert"))
    model = classifier_of("Albert", embedding_size=16, max_position_embeddings=tiny.MAX_TOKENS)
    model.save_pretrained(directory)
    assert isinstance(graph_of(model), WholeGraph)

    compared = export_model(directory)

    assert compared.accepted
    onnx, plain = (
        open_engine(directory, revision_of(directory), kind=kind) for kind in ("onnx", "torch")
    )
    assert verify(onnx, plain, sample_texts(20, seed=5), [("good", "bad")]).accepted


def test_a_decoder_is_refused_and_nothing_is_left(tiny_model_dir: Path, tmp_path: Path) -> None:
    directory = Path(shutil.copytree(tiny_model_dir, tmp_path / "decoder"))
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps(config | {"is_decoder": True}))
    before = {path.name for path in directory.iterdir()}

    with pytest.raises(ExportRefused) as refused:
        export_model(directory)

    assert refused.value.code == "export_impossible"
    assert "bert: it is a decoder" in refused.value.value
    assert {path.name for path in directory.iterdir()} == before


def test_a_graph_that_says_something_else_is_refused(
    tiny_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = Path(shutil.copytree(tiny_model_dir, tmp_path / "model"))
    before = {path.name for path in directory.iterdir()}
    monkeypatch.setattr(exporting, "graph_of", lambda _: graph_of(classifier_of("Bert")))

    with pytest.raises(ExportRefused) as refused:
        export_model(directory)

    assert refused.value.code == "export_inexact"
    assert "clear labels changed" in refused.value.value
    assert {path.name for path in directory.iterdir()} == before


class Says:
    """An engine that gives the same logits whatever it reads."""

    def __init__(self, *logits: float, tokens: int = 5) -> None:
        self._windows = WindowLogits(np.array([logits]), np.array([tokens]))

    def read(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> list[WindowLogits]:
        return [self._windows] * len(texts)

    def count_tokens(self, text: str) -> int:
        return len(text.split())


def compared(graph: Says, model: Says) -> Verification:
    return verify(graph, model, ["one", "two"], [("three", "four")])


def test_verification_counts_what_it_compares() -> None:
    same = compared(Says(1.0, -1.0), Says(1.0, -1.0))

    assert same.accepted
    assert same.facts() == {
        "texts": 3,
        "label_agreement": 1.0,
        "sure_labels_changed": 0,
        "mean_probability_difference": 0.0,
        "largest_probability_difference": 0.0,
        "same_tokens": True,
        "accepted": True,
    }


def test_verification_refuses_what_it_should() -> None:
    turned = compared(Says(-1.0, 1.0), Says(1.0, -1.0))
    assert not turned.accepted
    assert turned.sure_labels_changed == 3
    assert turned.label_agreement == 0.0

    undecided = compared(Says(-0.01, 0.01), Says(0.01, -0.01))
    assert undecided.accepted
    assert undecided.label_agreement == 0.0

    moved = compared(Says(1.0, -1.0), Says(1.2, -1.2))
    assert not moved.accepted
    assert moved.label_agreement == 1.0

    cut = compared(Says(1.0, -1.0, tokens=4), Says(1.0, -1.0))
    assert not cut.accepted
    assert "other tokens" in cut.summary()


def test_the_sample_texts_have_all_lengths_and_are_the_same_each_time() -> None:
    texts = sample_texts(68, seed=1)

    lengths = sorted({len(text.split()) for text in texts})
    assert lengths[0] == 1
    assert lengths[-1] == 700
    assert texts == sample_texts(68, seed=1)
    assert texts != sample_texts(68, seed=2)


def test_the_command_writes_the_graph_and_what_it_is_worth(
    tiny_model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = Path(shutil.copytree(tiny_model_dir, tmp_path / "model"))
    (directory / METRICS).write_text('{"rows": {"train": 7}}')
    revision = revision_of(directory)

    call_command("export_model", model=str(directory))

    assert f"{directory / GRAPH}: 0 clear labels changed" in capsys.readouterr().out
    facts = json.loads((directory / METRICS).read_text())
    assert facts["rows"] == {"train": 7}
    assert facts["onnx"]["accepted"] is True
    assert facts["onnx"]["label_agreement"] > 0.9
    assert revision_of(directory) == revision
    assert type(open_engine(directory, revision)).__name__ == "OnnxEngine"


@pytest.fixture
def shared_model_dir(tiny_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One whose graph has tensors that are large, for this test."""
    monkeypatch.setattr(exporting, "SHARED_BYTES", 1000)
    directory = Path(shutil.copytree(tiny_model_dir, tmp_path / "model"))
    export_model(directory)
    return directory


def test_large_tensors_lie_in_a_file_that_processes_share(
    shared_model_dir: Path, tiny_model_dir: Path
) -> None:
    [weights] = shared_model_dir.glob(GRAPH_WEIGHTS)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    graph = onnx.load(shared_model_dir / GRAPH, load_external_data=False).graph
    outside = [one for one in graph.initializer if one.external_data]

    assert weights.name == f"model_int8.{digest[:12]}.data"
    assert weights.stat().st_mode & 0o777 == 0o644
    assert outside
    assert all(len(one.raw_data) < 1000 for one in graph.initializer)
    [read] = open_engine(shared_model_dir, revision_of(shared_model_dir)).read(["A good film."])
    [same] = open_engine(tiny_model_dir, revision_of(tiny_model_dir), kind="torch").read(
        ["A good film."]
    )
    np.testing.assert_allclose(read.logits, same.logits, atol=0.1)


def test_an_export_leaves_no_tensors_of_another_graph(shared_model_dir: Path) -> None:
    stale = shared_model_dir / "onnx" / "model_int8.0123456789ab.data"
    stale.write_bytes(b"of a graph before")

    export_model(shared_model_dir)

    [weights] = shared_model_dir.glob(GRAPH_WEIGHTS)
    assert weights != stale
    assert sorted(path.name for path in (shared_model_dir / "onnx").iterdir()) == [
        weights.name,
        Path(GRAPH).name,
    ]


@pytest.mark.parametrize("size", [0, 500, None], ids=["empty", "cut", "missing"])
def test_a_graph_without_its_tensors_is_broken(shared_model_dir: Path, size: int | None) -> None:
    [weights] = shared_model_dir.glob(GRAPH_WEIGHTS)
    if size is None:
        weights.unlink()
    else:
        os.truncate(weights, size)

    with pytest.raises(ModelNotReady) as refused:
        load_predictor(shared_model_dir, models_dir=shared_model_dir.parent)

    assert refused.value.code == "model_broken"


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="there is no model"):
        call_command("export_model", model=str(tmp_path / "none"))


def test_sums_of_int8_products_are_exact_on_every_processor(tmp_path: Path) -> None:
    """The largest products of all: where pairs of them are summed in 16 bits, half is lost."""
    width = 64
    weights = np.full((width, 3), 0.5, np.float32)
    graph = onnx.parser.parse_graph(
        f"agraph (float[1, {width}] x) => (float[1, 3] y) {{ y = MatMul(x, w) }}"
    )
    graph.initializer.append(onnx.numpy_helper.from_array(weights, "w"))
    plain, quantized = tmp_path / "plain.onnx", tmp_path / "int8.onnx"
    model = onnx.helper.make_model(
        graph, ir_version=10, opset_imports=[onnx.helper.make_opsetid("", 17)]
    )
    onnx.save(model, plain)
    quantize(plain, quantized)
    inputs = np.ones((1, width), np.float32)

    session = onnxruntime.InferenceSession(quantized, session_options())

    np.testing.assert_allclose(session.run(None, {"x": inputs})[0], inputs @ weights, rtol=1e-3)
