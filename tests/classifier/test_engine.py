import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from classifier.engines import Engine, open_engine
from classifier.exceptions import ModelNotReady
from classifier.predictor import Predictor, load_predictor
from classifier.windows import softmax
from tests import tiny

PARITY = 1e-5
FILLER = "the film was a story of the cast and the plot " * 8


@pytest.fixture(scope="module")
def engine(tiny_model_dir: Path) -> Engine:
    return open_engine(tiny_model_dir)


@pytest.fixture(scope="module")
def predictor(tiny_model_dir: Path) -> Predictor:
    return load_predictor(tiny_model_dir, models_dir=tiny_model_dir.parent)


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
    predictor: Predictor, plain_scores: Callable[[str], dict[str, float]]
) -> None:
    for text in short_texts(40):
        [said] = predictor.classify([text])
        expected = plain_scores(text)

        assert said.label == max(expected, key=lambda label: expected[label])
        assert said.score == pytest.approx(expected[said.label], abs=PARITY)
        assert said.positive_probability == pytest.approx(expected["POSITIVE"], abs=PARITY)


def test_a_batch_scores_as_the_plain_pipeline_scores_each(
    predictor: Predictor, plain_scores: Callable[[str], dict[str, float]]
) -> None:
    texts = short_texts(150)

    said = [one.positive_probability for one in predictor.classify(texts)]

    assert said == pytest.approx([plain_scores(text)["POSITIVE"] for text in texts], abs=PARITY)


def test_a_text_within_the_limit_is_one_window(engine: Engine) -> None:
    [read] = engine.read(["a good film"])

    assert read.logits.shape == (1, 2)
    assert read.tokens.tolist() == [5]


def test_a_longer_text_is_read_in_several_windows_none_over_the_limit(engine: Engine) -> None:
    [read] = engine.read([FILLER])

    assert len(read.logits) == len(read.tokens) > 2
    assert max(read.tokens) == tiny.MAX_TOKENS


def test_neighbouring_windows_overlap(engine: Engine) -> None:
    [read] = engine.read([FILLER])
    content = read.tokens - 2  # without [CLS] and [SEP]

    shared = content.sum() - len(FILLER.split())

    assert shared == (len(content) - 1) * (tiny.MAX_TOKENS // 4)


def test_a_word_at_the_very_end_of_a_long_text_moves_the_answer(predictor: Predictor) -> None:
    praised, panned = predictor.classify([FILLER + "superb lovely", FILLER + "awful dull"])

    assert praised.windows == panned.windows > 2
    assert praised.positive_probability > panned.positive_probability


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

    [read] = open_engine(unlimited).read([FILLER])

    [expected] = engine.read([FILLER])
    assert read.logits.tolist() == expected.logits.tolist()


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
    logits, windows = predictor.logits(["a good film"])
    [said] = predictor.classify(["a good film"])

    assert windows == [1]
    assert said.positive_probability == softmax(logits[0])[1]


def test_no_texts_give_no_answers(predictor: Predictor) -> None:
    logits, windows = predictor.logits([])

    assert logits.shape == (0, 2)
    assert windows == []
    assert predictor.classify([]) == []


def test_a_pair_is_read_as_the_tokenizer_pairs_it(tiny_model_dir: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    [windows] = open_engine(tiny_model_dir).read(["was it good"], ["the film was dull"])
    tokenizer = AutoTokenizer.from_pretrained(tiny_model_dir)
    model = AutoModelForSequenceClassification.from_pretrained(tiny_model_dir)
    with torch.inference_mode():
        encoded = tokenizer("was it good", "the film was dull", return_tensors="pt")
        expected = model(**encoded).logits[0].numpy()
    assert windows.logits[0] == pytest.approx(expected, abs=1e-5)


def test_of_a_long_pair_every_window_repeats_the_first_text(tiny_model_dir: Path) -> None:
    engine: Any = open_engine(tiny_model_dir)
    long = "film " * 100
    [windows] = engine.read(["was it good"], [long])
    assert len(windows.tokens) > 3
    [both_long] = engine.read([long], [long])
    assert max(both_long.tokens) <= engine.max_tokens
