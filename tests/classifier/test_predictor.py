import shutil
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from pytest_django import Settings

from classifier import predictor as predictor_module
from classifier.artefact import Artefact
from classifier.engines import Engine
from classifier.exceptions import ModelNotReady
from classifier.predictor import RETRY_SECONDS, Predictor, PredictorHolder, load_predictor
from classifier.windows import WindowLogits

THREADS = 8
T = TypeVar("T")


class FixedEngine:
    """Gives every text the same logits: for what no trained model can be made to say."""

    def __init__(self, *logits: float) -> None:
        self.logits = logits

    def read(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> list[WindowLogits]:
        one = WindowLogits(logits=np.array([self.logits]), tokens=np.array([3]))
        return [one for _ in texts]

    def count_tokens(self, text: str) -> int:
        return len(text.split())


class Clock:
    """Stands in for the module time in the holder."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(predictor_module, "time", self)

    def monotonic(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def nothing_is_active(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spares these tests the database; tests/classifier/versions asks it."""
    monkeypatch.setattr(predictor_module, "active_version", lambda: None)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by one for every load of a model; the loads are real."""
    counted: list[str] = []

    def load(model: str, *, models_dir: Path) -> Predictor:
        counted.append(model)
        return load_predictor(model, models_dir=models_dir)

    monkeypatch.setattr(predictor_module, "load_predictor", load)
    return counted


def at_once(work: Callable[[int], T]) -> list[T]:
    """What `work` returns in each of THREADS threads that start together."""
    barrier = threading.Barrier(THREADS)

    def together(number: int) -> T:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(together, range(THREADS)))


def predictor_of(directory: Path, engine: Engine) -> Predictor:
    artefact = Artefact(directory=directory, name="fixed", labels=("NEGATIVE", "POSITIVE"))
    return Predictor(artefact, "0" * 12, engine)


def test_threads_that_ask_at_once_load_one_model(served_model: Path, loads: list[str]) -> None:
    holder = PredictorHolder()

    predictors = at_once(lambda _: holder.get())

    assert loads == [str(served_model)]
    assert len({id(predictor) for predictor in predictors}) == 1


def test_nothing_is_loaded_before_the_first_call(served_model: Path) -> None:
    holder = PredictorHolder()

    assert holder.loaded is None
    assert holder.failure is None


def test_a_reset_holder_loads_anew(served_model: Path, loads: list[str]) -> None:
    holder = PredictorHolder()
    first = holder.get()

    holder.reset()

    assert holder.get() is not first
    assert len(loads) == 2


def test_a_failure_is_remembered_and_costs_no_second_load(
    no_model: Path, clock: Clock, loads: list[str]
) -> None:
    holder = PredictorHolder()

    for _ in range(3):
        with pytest.raises(ModelNotReady):
            holder.get()
        clock.now += RETRY_SECONDS / 4

    assert len(loads) == 1
    assert holder.failure is not None
    assert holder.failure.code == "model_missing"


def test_a_remembered_failure_does_not_grow_by_being_raised(no_model: Path, clock: Clock) -> None:
    holder = PredictorHolder()

    def frames() -> int:
        with pytest.raises(ModelNotReady) as raised:
            holder.get()
        return len(raised.traceback)

    frames()

    assert frames() == frames() == frames()


def test_a_model_that_has_appeared_is_found_after_the_retry_time(
    no_model: Path, tiny_model_dir: Path, clock: Clock
) -> None:
    holder = PredictorHolder()
    with pytest.raises(ModelNotReady):
        holder.get()
    shutil.copytree(tiny_model_dir, no_model)

    clock.now += RETRY_SECONDS - 0.1
    with pytest.raises(ModelNotReady):
        holder.get()
    clock.now += 0.1

    assert holder.get().name == no_model.name
    assert holder.failure is None


def test_a_file_that_is_no_safetensors_is_refused_unread(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    broken = Path(shutil.copytree(tiny_model_dir, tmp_path / "broken"))
    (broken / "model.safetensors").write_bytes(b"not a model at all")

    with pytest.raises(ModelNotReady) as refused:
        load_predictor(broken, models_dir=tmp_path)

    assert refused.value.code == "model_weights"
    assert "broken" in refused.value.value
    assert refused.value.remedy


def test_a_truncated_download_is_a_broken_model(tiny_model_dir: Path, tmp_path: Path) -> None:
    cut = Path(shutil.copytree(tiny_model_dir, tmp_path / "cut"))
    weights = cut / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])

    with pytest.raises(ModelNotReady, match="cut: "):
        load_predictor(cut, models_dir=tmp_path)


def test_a_broken_tokenizer_is_a_broken_model(tiny_model_dir: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(tiny_model_dir, tmp_path / "broken"))
    (broken / "tokenizer.json").write_text("{}")

    with pytest.raises(ModelNotReady, match="must load and rate a text"):
        load_predictor(broken, models_dir=tmp_path)


def test_weights_that_are_nan_are_a_broken_model(tiny_model_dir: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    diverged = Path(shutil.copytree(tiny_model_dir, tmp_path / "diverged"))
    weights = load_file(diverged / "model.safetensors")
    weights["classifier.bias"].fill_(float("nan"))
    save_file(weights, diverged / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(ModelNotReady) as refused:
        load_predictor(diverged, models_dir=tmp_path)

    assert refused.value.value == "diverged gave NaN or infinity"


def test_a_model_of_other_labels_is_loaded_and_rates_nothing(moods_model_dir: Path) -> None:
    predictor = load_predictor(moods_model_dir, models_dir=moods_model_dir.parent)

    [said] = predictor.classify(["a good film"])

    assert (said.rating, said.positive_probability) == (None, None)
    assert set(said.probabilities) == {"anger", "joy", "calm"}
    with pytest.raises(ModelNotReady) as refused:
        predictor.require_reviews()
    assert refused.value.code == "model_labels"


@pytest.mark.parametrize("logit", [float("nan"), float("inf"), float("-inf")])
def test_an_answer_that_is_no_number_is_refused(logit: float, tiny_model_dir: Path) -> None:
    with pytest.raises(ModelNotReady, match="must be finite"):
        predictor_of(tiny_model_dir, FixedEngine(0.0, logit)).classify(["a film"])


def test_the_score_is_that_of_the_winning_label(tiny_model_dir: Path) -> None:
    [said] = predictor_of(tiny_model_dir, FixedEngine(3.0, -3.0)).classify(["a film"])

    assert said.label == "NEGATIVE"
    assert said.score == pytest.approx(1 - said.sentiment.positive_probability)
    assert said.rating == 1


def test_threads_that_mix_short_and_long_texts_get_what_one_thread_gets(
    served_model: Path, settings: Settings
) -> None:
    predictor = load_predictor(served_model, models_dir=settings.MODELS_DIR)
    calls = [
        ["a good film"],
        ["the film was dull and the cast was cold " * 12],
        ["bad", "a lovely evening " * 40, "superb"],
        ["joy " * (3 + 7 * 9)],
    ]
    oracle = [predictor.classify(texts) for texts in calls]

    def work(number: int) -> bool:
        turns = [(number + turn) % len(calls) for turn in range(24)]
        return all(predictor.classify(calls[turn]) == oracle[turn] for turn in turns)

    assert at_once(work) == [True] * THREADS
