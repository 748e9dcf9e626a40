"""A model with a star head, from its files to its answer, by both engines."""

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from classifier.artefact import open_artefact
from classifier.engines import Engine, open_engine
from classifier.exceptions import ModelNotReady
from classifier.model_files import GRAPH, RATING, STAR_HEAD, revision_of, revisions_of
from classifier.onnx_export import ExportRefused, export_model, exporting
from classifier.onnx_export.graphs import StarGraph
from classifier.onnx_export.verification import MAX_DIFFERENCE, verify
from classifier.predictor import Predictor, load_predictor, open_predictor
from classifier.ratings import StarRule, label_of, star_distribution
from classifier.windows import WindowLogits
from tests import tiny
from tests.classifier.test_predictor import FixedEngine
from tests.site import ROOT

PARITY = 1e-5
LONG = "the film was a story of the cast and the plot " * 8


@pytest.fixture(scope="module", params=["onnx", "torch"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def engine(starred_model_dir: Path, kind: str) -> Engine:
    return open_engine(starred_model_dir, revisions_of(starred_model_dir).weights, kind=kind)


@pytest.fixture(scope="module")
def predictor(starred_model_dir: Path, kind: str) -> Predictor:
    artefact = open_artefact(starred_model_dir, models_dir=starred_model_dir.parent)
    return open_predictor(artefact, engine=kind)


@pytest.fixture
def mine(starred_model_dir: Path, tmp_path: Path) -> Path:
    """A copy of the model with stars, to change at will."""
    return Path(shutil.copytree(starred_model_dir, tmp_path / "mine"))


def reviews(count: int) -> list[str]:
    rng = random.Random(3)
    return [tiny.sentence(turn % 2, rng, words=rng.randint(3, 20)) for turn in range(count)]


def stars_of(engine: Engine, text: str) -> NDArray[np.float64]:
    [read] = engine.read([text])
    assert read.stars is not None
    return read.stars


def by_hand(directory: Path, text: str) -> tuple[Any, Any]:
    """Label and star logits, of plain transformers and a matrix product."""
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = AutoModelForSequenceClassification.from_pretrained(directory)
    head = load_file(directory / STAR_HEAD)
    with torch.inference_mode():
        encoded = tokenizer(text, return_tensors="pt")
        features = model.bert(**encoded).pooler_output[0]
        return model(**encoded).logits[0], head["weight"] @ features + head["bias"]


def test_the_stars_are_the_heads_linear_map_of_what_the_last_layer_reads(
    engine: Engine, kind: str, starred_model_dir: Path
) -> None:
    for text in reviews(10):
        labels, stars = by_hand(starred_model_dir, text)
        [read] = engine.read([text])

        tolerance = 0.1 if kind == "onnx" else PARITY  # 8 bits, in logits
        assert read.stars is not None
        np.testing.assert_allclose(read.stars[0], stars.numpy(), atol=tolerance)
        np.testing.assert_allclose(read.logits[0], labels.numpy(), atol=tolerance)


def test_every_window_has_its_stars_in_the_order_of_the_texts(engine: Engine) -> None:
    texts = [*reviews(12), LONG, LONG + "superb"]

    together = engine.read(texts)

    for text, read in zip(texts, together, strict=True):
        assert read.stars is not None
        assert read.stars.shape == (len(read.tokens), 10)
        assert read.stars.dtype == np.float64
        # On a CPU no answer depends on its neighbours, save by the padding of torch.
        np.testing.assert_allclose(read.stars, stars_of(engine, text), atol=1e-4)


def test_a_pair_has_stars_too(engine: Engine) -> None:
    [read] = engine.read(["was it good"], ["the film was dull"])

    assert read.stars is not None
    assert read.stars.shape == (1, 10)


def test_both_engines_distribute_the_ratings_alike(starred_model_dir: Path) -> None:
    revision = revisions_of(starred_model_dir).weights
    onnx_engine, torch_engine = (
        open_engine(starred_model_dir, revision, kind=kind) for kind in ("onnx", "torch")
    )

    compared = verify(onnx_engine, torch_engine, reviews(40), [("good", "bad")], positive=1)

    assert compared.accepted
    assert compared.mean_star_difference is not None
    assert 0 < compared.mean_star_difference < 0.03
    assert (compared.largest_star_difference or 1) < MAX_DIFFERENCE


def test_the_label_is_the_one_of_the_plain_pipeline(
    predictor: Predictor, starred_model_dir: Path
) -> None:
    from transformers import pipeline

    plain: Any = pipeline("text-classification", model=str(starred_model_dir))
    for text in reviews(20):
        [said] = predictor.classify([text])
        [expected] = plain([text])

        assert said.label == expected["label"]


def test_the_rating_is_the_rules_decision_over_the_stars(predictor: Predictor) -> None:
    texts = [*reviews(30), LONG + "superb joy"]
    outputs = predictor.outputs(texts)
    assert outputs.star_logits is not None
    assert outputs.star_logits.shape == (31, 10)
    rule = predictor.rating.rating_map
    assert isinstance(rule, StarRule)

    said = predictor.classify(texts)

    assert len({one.rating for one in said}) > 1
    for one, star_logits in zip(said, outputs.star_logits.tolist(), strict=True):
        rated = rule.rate(one.sentiment.positive_probability, star_logits)
        assert (one.rating, one.rating_low, one.rating_high) == (rated.value, rated.low, rated.high)
        assert label_of(one.sentiment.rating) == one.label


def test_the_models_own_window_rule_combines_labels_and_stars(mine: Path, kind: str) -> None:
    change_rating(mine, window_rule="last")
    predictor = open_predictor(open_artefact(mine, models_dir=mine.parent), engine=kind)
    text = "awful bore " * 20 + LONG + "superb joy lovely"

    own, last, mean = (predictor.outputs([text], rule=rule) for rule in (None, "last", "mean"))

    assert own.logits.tolist() == last.logits.tolist()
    assert own.logits.tolist() != mean.logits.tolist()
    assert own.star_logits is not None
    assert last.star_logits is not None
    assert mean.star_logits is not None
    assert own.star_logits.tolist() == last.star_logits.tolist()
    assert own.star_logits.tolist() != mean.star_logits.tolist()


def change_rating(directory: Path, **values: Any) -> None:
    file = directory / RATING
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def test_by_confidence_the_stars_are_passed_over(starred_model_dir: Path, kind: str) -> None:
    artefact = open_artefact(starred_model_dir, models_dir=starred_model_dir.parent)
    predictor = open_predictor(artefact, engine=kind, rating="confidence")

    for said in predictor.classify(reviews(10)):
        assert said.rating == max(1, round(10 * said.sentiment.positive_probability))
        assert (said.rating_low, said.rating_high) == (None, None)


def test_a_rating_that_is_no_choice_is_refused(starred_model_dir: Path) -> None:
    artefact = open_artefact(starred_model_dir, models_dir=starred_model_dir.parent)

    with pytest.raises(ModelNotReady, match="CLASSIFIER_RATING is one of auto, confidence"):
        open_predictor(artefact, rating="stars")


def test_stars_that_are_no_numbers_are_a_broken_model(starred_model_dir: Path) -> None:
    class Diverged(FixedEngine):
        def read(self, texts: Any, pairs: Any = None) -> list[WindowLogits]:
            stars = np.full((1, 10), np.nan)
            return [WindowLogits(np.zeros((1, 2)), np.array([3]), stars) for _ in texts]

    artefact = open_artefact(starred_model_dir, models_dir=starred_model_dir.parent)

    with pytest.raises(ModelNotReady, match="must be finite"):
        Predictor(artefact, "0", Diverged(0.0)).classify(["a film"])


def test_another_map_is_another_model_but_needs_no_new_graph(mine: Path) -> None:
    before = load_predictor(mine, models_dir=mine.parent)

    change_rating(mine, middle=0.5)
    after = load_predictor(mine, models_dir=mine.parent)

    assert after.revision != before.revision
    assert {one.rating for one in after.classify(reviews(10))} == {5, 6}


def test_the_graph_of_another_star_head_is_refused(mine: Path) -> None:
    tiny.add_stars(mine, scale=2.0)

    with pytest.raises(ModelNotReady) as refused:
        load_predictor(mine, models_dir=mine.parent)

    assert refused.value.code == "onnx_stale"


def test_a_graph_of_before_serves_a_model_without_a_star_head(
    exported_model_dir: Path, tmp_path: Path
) -> None:
    mine = Path(shutil.copytree(exported_model_dir, tmp_path / "mine"))
    outputs = [output.name for output in onnx.load(mine / GRAPH).graph.output]
    assert outputs == ["logits"]
    rule = {"map": "confidence", "window_rule": "surest"}
    (mine / RATING).write_text(json.dumps(rule))

    predictor = load_predictor(mine, models_dir=tmp_path)

    assert predictor.rating.window_rule == "surest"
    assert predictor.outputs(["good"]).star_logits is None
    assert predictor.classify(["good"])[0].rating_low is None


def test_the_stars_of_the_graph_stay_in_single_precision(starred_model_dir: Path) -> None:
    graph = onnx.load(starred_model_dir / GRAPH).graph

    assert [output.name for output in graph.output] == ["logits", "stars"]
    wide = [one for one in graph.initializer if list(one.dims) in ([12, 32], [32, 12])]
    assert [one.data_type for one in wide] == [onnx.TensorProto.FLOAT]
    assert "MatMulInteger" in {node.op_type for node in graph.node}


def test_another_architecture_is_exported_with_its_stars(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    import torch

    from classifier.star_head import StarHead, write_star_head
    from tests.classifier.test_onnx_export import classifier_of

    directory = Path(shutil.copytree(tiny_model_dir, tmp_path / "albert"))
    model = classifier_of("Albert", embedding_size=16, max_position_embeddings=tiny.MAX_TOKENS)
    model.save_pretrained(directory)
    torch.manual_seed(0)
    write_star_head(StarHead(torch.randn(10, 32) / 8, torch.randn(10)), directory)

    compared = export_model(directory)

    assert compared.accepted
    assert compared.facts()["largest_star_difference"] <= MAX_DIFFERENCE


def test_a_graph_with_other_stars_is_refused(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Turned(StarGraph):
        def forward(self, *inputs: Any) -> Any:
            logits, stars = super().forward(*inputs)
            return logits, stars.flip(1)

    monkeypatch.setattr(exporting, "StarGraph", Turned)

    with pytest.raises(ExportRefused, match="those of the ratings by"):
        export_model(mine)


def test_the_head_of_another_model_is_refused_before_it_is_loaded(mine: Path) -> None:
    import torch

    from classifier.star_head import StarHead, write_star_head

    write_star_head(StarHead(torch.zeros(10, 16), torch.zeros(10)), mine)

    for engine in ("auto", "torch"):
        with pytest.raises(ModelNotReady) as refused:
            open_predictor(open_artefact(mine, models_dir=mine.parent), engine=engine)
        assert refused.value.code == "star_head_broken"


@pytest.mark.parametrize("content", [b"", b"no tensors", b"\xff" * 100])
def test_a_damaged_head_is_refused_when_the_directory_is_opened(content: bytes, mine: Path) -> None:
    (mine / STAR_HEAD).write_bytes(content)

    with pytest.raises(ModelNotReady) as refused:
        open_artefact(mine, models_dir=mine.parent)

    assert refused.value.code == "star_head_broken"
    assert "mine" in refused.value.value


@pytest.mark.parametrize("content", ["{", '{"map": "best"}', "[" * 100_000])
def test_a_hostile_rating_json_is_refused_when_the_directory_is_opened(
    content: str, mine: Path
) -> None:
    (mine / RATING).write_text(content)

    with pytest.raises(ModelNotReady) as refused:
        open_artefact(mine, models_dir=mine.parent)

    assert refused.value.code == "model_rating"


def test_a_head_alone_changes_the_revision_and_no_rating(mine: Path) -> None:
    with_map = revision_of(mine)
    (mine / RATING).unlink()
    assert revision_of(mine) != with_map
    assert revisions_of(mine).weights == revisions_of(mine).model

    predictor = load_predictor(mine, models_dir=mine.parent)

    assert predictor.outputs(["good"]).star_logits is not None
    assert predictor.classify(["good"])[0].rating_low is None


def test_a_web_process_rates_by_stars_without_torch(starred_model_dir: Path) -> None:
    code = (
        "import os, sys, django\n"
        "os.environ['DJANGO_SETTINGS_MODULE'] = 'tests.settings'\n"
        "django.setup()\n"
        "from pathlib import Path\n"
        "from classifier.predictor import load_predictor\n"
        f"model = Path({str(starred_model_dir)!r})\n"
        "[said] = load_predictor(model, models_dir=model.parent).classify(['superb joy'])\n"
        "assert said.rating_low <= said.rating <= said.rating_high\n"
        "print(sorted({'torch', 'transformers', 'safetensors', 'peft'} & sys.modules.keys()))\n"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True)

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_the_distribution_of_the_tiny_model_is_no_flat_one(predictor: Predictor) -> None:
    outputs = predictor.outputs(["superb joy lovely", "awful dull bore"])
    assert outputs.star_logits is not None
    good, bad = (
        star_distribution(positive, row.tolist())
        for positive, row in zip((1.0, 0.0), outputs.star_logits, strict=True)
    )

    assert good.index(max(good)) + 1 > 7
    assert bad.index(max(bad)) + 1 < 4
