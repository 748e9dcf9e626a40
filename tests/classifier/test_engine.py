import json
import random
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from classifier.artefact import open_artefact
from classifier.engines import Engine, open_engine
from classifier.exceptions import ModelNotReady
from classifier.model_files import GRAPH, revision_of
from classifier.onnx_export.verification import MAX_DIFFERENCE
from classifier.predictor import Predictor, load_predictor, open_predictor
from classifier.windows import softmax
from tests import tiny

PARITY = 1e-5
# What 8 bits may cost, in probability: the most that an export is accepted with.
INT8 = MAX_DIFFERENCE
FILLER = "the film was a story of the cast and the plot " * 8


@pytest.fixture(scope="module", params=["onnx", "torch"])
def kind(request: pytest.FixtureRequest) -> str:
    """Every test that asks for an engine or a predictor runs with both kinds."""
    return str(request.param)


@pytest.fixture(scope="module")
def tolerance(kind: str) -> float:
    return INT8 if kind == "onnx" else PARITY


@pytest.fixture(scope="module")
def engine(exported_model_dir: Path, kind: str) -> Engine:
    return open_engine(exported_model_dir, revision_of(exported_model_dir), kind=kind)


@pytest.fixture(scope="module")
def predictor(exported_model_dir: Path, kind: str) -> Predictor:
    artefact = open_artefact(exported_model_dir, models_dir=exported_model_dir.parent)
    return open_predictor(artefact, engine=kind)


@pytest.fixture(scope="module")
def plain_scores(tiny_model_dir: Path) -> Callable[[str], dict[str, float]]:
    """The raw transformers pipeline, as any user of the model would call it."""
    from transformers import pipeline

    plain: Any = pipeline("text-classification", model=str(tiny_model_dir))

    def scores(text: str) -> dict[str, float]:
        [answer] = plain([text], top_k=None, truncation=True)
        return {said["label"]: said["score"] for said in answer}

    return scores


def short_texts(count: int) -> list[str]:
    rng = random.Random(7)
    return [tiny.sentence(i % 2, rng, words=rng.randint(2, 20)) for i in range(count)] + [
        "Good!",
        "Voilà: a film nobody knows…",
        "好 film 😀",
        ".",
        "\u200b",
        "good " * 30,
    ]


def test_each_text_scores_as_the_plain_pipeline_scores_it(
    predictor: Predictor, plain_scores: Callable[[str], dict[str, float]], tolerance: float
) -> None:
    for text in short_texts(40):
        [said] = predictor.classify([text])
        expected = plain_scores(text)

        if abs(expected["POSITIVE"] - 0.5) > tolerance:
            assert said.label == max(expected, key=lambda label: expected[label])
        assert said.score == pytest.approx(expected[said.label], abs=tolerance)
        assert said.positive_probability == pytest.approx(expected["POSITIVE"], abs=tolerance)


def test_a_batch_scores_as_the_plain_pipeline_scores_each(
    predictor: Predictor, plain_scores: Callable[[str], dict[str, float]], tolerance: float
) -> None:
    texts = short_texts(150)

    said = [one.positive_probability for one in predictor.classify(texts)]

    assert said == pytest.approx([plain_scores(text)["POSITIVE"] for text in texts], abs=tolerance)


def test_a_text_within_the_limit_is_one_window(engine: Engine) -> None:
    [read] = engine.read(["a good film"])

    assert read.logits.shape == (1, 2)
    assert read.tokens.tolist() == [5]


def test_a_longer_text_is_read_in_several_windows_none_over_the_limit(engine: Engine) -> None:
    [read] = engine.read([FILLER])

    assert len(read.logits) == len(read.tokens) > 2
    assert max(read.tokens) == tiny.MAX_TOKENS


@pytest.mark.parametrize("text", ["a lovely film", "good , very good !", FILLER, FILLER * 7, "★"])
def test_tokens_are_counted_as_the_tokenizer_cuts_them(
    text: str, engine: Engine, tiny_model_dir: Path
) -> None:
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(tiny_model_dir)

    assert engine.count_tokens(text) == len(tokenizer.tokenize(text))


def test_neighbouring_windows_overlap(engine: Engine) -> None:
    [read] = engine.read([FILLER])
    content = read.tokens - 2  # without [CLS] and [SEP]

    shared = content.sum() - len(FILLER.split())

    assert shared == (len(content) - 1) * (tiny.MAX_TOKENS // 4)


def test_a_word_at_the_very_end_of_a_long_text_moves_the_answer(predictor: Predictor) -> None:
    praised, panned = predictor.classify([FILLER + "superb lovely", FILLER + "awful dull"])

    assert praised.windows == panned.windows > 2
    assert praised.sentiment > panned.sentiment


def test_answers_come_in_the_order_of_the_texts(engine: Engine) -> None:
    texts = [FILLER + "good", "bad", "superb joy", FILLER, "a dull film " * 4]

    together = engine.read(texts)

    for text, read in zip(texts, together, strict=True):
        [alone] = engine.read([text])
        np.testing.assert_allclose(read.logits, alone.logits, atol=PARITY)
        assert read.tokens.tolist() == alone.tokens.tolist()


def test_a_tokenizer_that_was_saved_without_its_limit_is_held_to_the_models(
    tiny_model_dir: Path, tmp_path: Path, engine: Engine
) -> None:
    unlimited = Path(shutil.copytree(tiny_model_dir, tmp_path / "unlimited"))
    file = unlimited / "tokenizer_config.json"
    config = json.loads(file.read_text())
    del config["model_max_length"]
    file.write_text(json.dumps(config))

    [read] = open_engine(unlimited, "", kind="torch").read([FILLER])

    [expected] = engine.read([FILLER])
    assert read.tokens.tolist() == expected.tokens.tolist()


def test_a_model_without_its_head_is_refused_and_not_filled_at_random(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    headless = Path(shutil.copytree(tiny_model_dir, tmp_path / "headless"))
    weights = load_file(headless / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if "classifier" not in name}
    save_file(kept, headless / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(ModelNotReady) as refused:
        load_predictor(headless, models_dir=tmp_path)

    assert refused.value.code == "model_broken"
    assert "weights missing: classifier.bias, classifier.weight" in refused.value.value


def test_the_probabilities_are_the_softmax_of_the_logits(predictor: Predictor) -> None:
    outputs = predictor.outputs(["a good film"])
    [said] = predictor.classify(["a good film"])

    assert outputs.windows == [1]
    assert outputs.star_logits is None
    assert said.positive_probability == softmax(outputs.logits[0])[1]


def test_no_texts_give_no_answers(predictor: Predictor) -> None:
    outputs = predictor.outputs([])

    assert outputs.logits.shape == (0, 2)
    assert outputs.windows == []
    assert predictor.classify([]) == []


def test_a_pair_is_read_as_the_tokenizer_pairs_it(
    engine: Engine, tiny_model_dir: Path, tolerance: float
) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    [windows] = engine.read(["was it good"], ["the film was dull"])
    tokenizer = AutoTokenizer.from_pretrained(tiny_model_dir)
    model = AutoModelForSequenceClassification.from_pretrained(tiny_model_dir)
    with torch.inference_mode():
        encoded = tokenizer("was it good", "the film was dull", return_tensors="pt")
        expected = model(**encoded).logits[0].double().numpy()
    assert softmax(windows.logits[0]) == pytest.approx(softmax(expected), abs=tolerance)


def test_of_a_long_pair_every_window_repeats_the_first_text(engine: Engine) -> None:
    long = "film " * 100
    [windows] = engine.read(["was it good"], [long])
    assert len(windows.tokens) > 3
    [both_long] = engine.read([long], [long])
    assert max(both_long.tokens) <= tiny.MAX_TOKENS


def test_both_kinds_cut_texts_and_pairs_into_the_same_windows(exported_model_dir: Path) -> None:
    revision = revision_of(exported_model_dir)
    texts = [*short_texts(10), FILLER, FILLER + "good"]
    seconds = texts[::-1]

    onnx, torch = (
        open_engine(exported_model_dir, revision, kind=kind) for kind in ("onnx", "torch")
    )

    for pairs in (None, seconds):
        ours, theirs = onnx.read(texts, pairs), torch.read(texts, pairs)
        assert [one.tokens.tolist() for one in ours] == [one.tokens.tolist() for one in theirs]


def test_threads_get_what_one_thread_gets(engine: Engine) -> None:
    calls = [["a good film"], [FILLER], ["bad", FILLER, "superb"], ["joy"], short_texts(9)]
    expected = [[one.logits.tolist() for one in engine.read(texts)] for texts in calls]

    def ask(number: int) -> bool:
        turn = number % len(calls)
        return [one.logits.tolist() for one in engine.read(calls[turn])] == expected[turn]

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(ask, range(200)))


def test_an_answer_of_the_graph_does_not_depend_on_its_neighbours(
    exported_model_dir: Path,
) -> None:
    engine = open_engine(exported_model_dir, revision_of(exported_model_dir), kind="onnx")
    texts = [*short_texts(20), FILLER]

    together = engine.read(texts)

    for text, read in zip(texts, together, strict=True):
        [alone] = engine.read([text])
        assert read.logits.tolist() == alone.logits.tolist()


def test_auto_takes_the_graph_where_there_is_one(
    exported_model_dir: Path, tiny_model_dir: Path
) -> None:
    exported = open_engine(exported_model_dir, revision_of(exported_model_dir))
    plain = open_engine(tiny_model_dir, revision_of(tiny_model_dir))

    assert type(exported).__name__ == "OnnxEngine"
    assert type(plain).__name__ == "TransformersEngine"


@pytest.mark.parametrize(
    ("kind", "device", "code", "words"),
    [
        ("onnx", "cpu", "onnx_missing", "manage.py export_model"),
        ("onnx", "cuda", "engine_device", "CLASSIFIER_DEVICE to cpu"),
        ("tensorflow", "cpu", "engine_unknown", "CLASSIFIER_ENGINE is one of auto, onnx, torch"),
        ("torch", "tpu", "engine_unknown", "CLASSIFIER_DEVICE is one of cpu, cuda"),
    ],
)
def test_an_engine_that_cannot_be_is_refused(
    tiny_model_dir: Path, kind: str, device: str, code: str, words: str
) -> None:
    with pytest.raises(ModelNotReady) as refused:
        open_engine(tiny_model_dir, "", kind=kind, device=device)

    assert refused.value.code == code
    assert words in str(refused.value)


def test_a_gpu_that_is_not_there_is_refused(
    tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    for kind in ("auto", "torch"):
        with pytest.raises(ModelNotReady) as refused:
            open_engine(tiny_model_dir, "", kind=kind, device="cuda")
        assert refused.value.code == "device_missing"


def test_a_graph_of_other_weights_is_refused(exported_model_dir: Path) -> None:
    with pytest.raises(ModelNotReady) as refused:
        open_engine(exported_model_dir, "another one")

    assert refused.value.code == "onnx_stale"
    assert "manage.py export_model" in refused.value.remedy


def test_a_broken_graph_is_said_to_be_broken(exported_model_dir: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(exported_model_dir, tmp_path / "broken"))
    graph = broken / GRAPH
    graph.write_bytes(graph.read_bytes()[: graph.stat().st_size // 2])

    with pytest.raises(ModelNotReady) as refused:
        load_predictor(broken, models_dir=tmp_path)

    assert refused.value.code == "model_broken"


def test_half_precision_says_nearly_the_same(tiny_model_dir: Path) -> None:
    import torch

    from classifier.engines.transformers_pipeline import TransformersEngine

    texts = short_texts(30)
    half = TransformersEngine(tiny_model_dir, dtype=torch.bfloat16).read(texts)
    full = TransformersEngine(tiny_model_dir).read(texts)

    for one, other in zip(half, full, strict=True):
        assert one.logits.dtype == np.float64
        np.testing.assert_allclose(softmax(one.logits[0]), softmax(other.logits[0]), atol=0.05)
