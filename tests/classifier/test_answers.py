from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pytest_django import Settings

from classifier import metrics, services
from classifier.answers import AnswerCache
from classifier.artefact import Artefact
from classifier.classification import Classification
from classifier.models import ModelVersion, Prediction, text_digest
from classifier.predictor import Predictor, holder
from classifier.windows import WindowLogits
from tests.classifier.test_predictor import FixedEngine


class CountingEngine(FixedEngine):
    """Knows what it was given to read."""

    def __init__(self, *logits: float) -> None:
        super().__init__(*logits)
        self.calls: list[list[str]] = []

    def read(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> list[WindowLogits]:
        self.calls.append(list(texts))
        return super().read(texts, pairs)


def predictor_with(engine: FixedEngine, revision: str = "1") -> Predictor:
    artefact = Artefact(directory=Path("none"), name="fixed", labels=("NEGATIVE", "POSITIVE"))
    return Predictor(artefact, revision, engine)


def ask(
    cache: AnswerCache, predictor: Predictor, *texts: str, size: int = 100
) -> list[Classification]:
    return cache.classify(predictor, texts, [text_digest(text) for text in texts], size=size)


def test_a_text_that_was_answered_is_not_read_again() -> None:
    cache, engine = AnswerCache(), CountingEngine(-1.0, 1.0)
    predictor = predictor_with(engine)

    first = ask(cache, predictor, "one", "two", "one")
    second = ask(cache, predictor, "two", "three")

    assert engine.calls == [["one", "two"], ["three"]]
    assert first + second == predictor.classify(["any"]) * 5


def test_another_model_version_reads_it_anew() -> None:
    cache = AnswerCache()
    glad, sad = (
        predictor_with(CountingEngine(-1.0, 1.0)),
        predictor_with(FixedEngine(1.0, -1.0), "2"),
    )

    [before] = ask(cache, glad, "a film")
    [after] = ask(cache, sad, "a film")

    assert (before.label, after.label) == ("POSITIVE", "NEGATIVE")


def test_the_least_recently_used_goes_first() -> None:
    cache, engine = AnswerCache(), CountingEngine(-1.0, 1.0)
    predictor = predictor_with(engine)
    for text in ("one", "two", "one", "three"):
        ask(cache, predictor, text, size=2)
    assert len(cache) == 2

    ask(cache, predictor, "one", "three", size=2)
    assert engine.calls == [["one"], ["two"], ["three"]]
    ask(cache, predictor, "two", size=2)
    assert engine.calls[-1] == ["two"]


def test_a_list_longer_than_the_cache_is_answered_whole() -> None:
    cache = AnswerCache()

    said = ask(cache, predictor_with(FixedEngine(-1.0, 1.0)), *"abcdefgh", size=3)

    assert len(said) == 8
    assert len(cache) == 3


def test_without_room_nothing_is_kept() -> None:
    cache, engine = AnswerCache(), CountingEngine(-1.0, 1.0)
    predictor = predictor_with(engine)

    for _ in range(2):
        ask(cache, predictor, "one", size=0)

    assert engine.calls == [["one"], ["one"]]
    assert len(cache) == 0


def test_hits_and_misses_are_counted() -> None:
    cache, predictor = AnswerCache(), predictor_with(FixedEngine(-1.0, 1.0))

    def counted() -> tuple[float, float]:
        return metrics.CACHE_HITS._value.get(), metrics.CACHE_MISSES._value.get()

    hits, misses = counted()
    ask(cache, predictor, "one", "two")
    ask(cache, predictor, "one", "one", "three")

    assert counted() == (hits + 2, misses + 3)


def test_threads_get_their_own_answers() -> None:
    class ByLength(FixedEngine):
        def read(
            self, texts: Sequence[str], pairs: Sequence[str] | None = None
        ) -> list[WindowLogits]:
            return [FixedEngine(0.0, float(len(text))).read([text])[0] for text in texts]

    cache, predictor = AnswerCache(), predictor_with(ByLength(0.0, 0.0))
    texts = ["x" * number for number in range(1, 40)]
    expected = {text: predictor.classify([text])[0] for text in texts}

    def work(number: int) -> bool:
        mine = texts[number % 30 : number % 30 + 9]
        return ask(cache, predictor, *mine, size=10) == [expected[text] for text in mine]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(500)))


@pytest.mark.django_db
def test_every_answer_is_kept_also_those_from_the_cache(served_model: Path) -> None:
    for _ in range(3):
        services.rate(["a cached film"], source=Prediction.Source.API)

    kept = Prediction.objects.all()
    assert len(kept) == 3
    assert len({row.pk for row in kept}) == 3
    assert len({row.score for row in kept}) == 1


@pytest.mark.django_db
def test_the_cache_holds_as_much_as_the_setting_says(
    served_model: Path, settings: Settings
) -> None:
    settings.CLASSIFIER_CACHE_SIZE = 2
    from classifier.answers import answers

    answers.clear()
    services.rate(["good one", "good two", "good three"], source=Prediction.Source.API)

    assert len(answers) == 2


@pytest.mark.django_db
def test_a_version_that_was_deleted_is_made_again(served_model: Path) -> None:
    services.rate(["good"], source=Prediction.Source.API)
    Prediction.objects.all().delete()
    ModelVersion.objects.all().delete()

    with pytest.MonkeyPatch.context() as patch:
        from django.db import IntegrityError

        from classifier import keeping

        insert = keeping._insert

        # In a test's transaction the database looks at foreign keys only at its end.
        def checked(predictions: Sequence[Prediction]) -> Sequence[Prediction]:
            if not ModelVersion.objects.filter(pk=predictions[0].model_version_id).exists():
                raise IntegrityError("no such version")
            return insert(predictions)

        patch.setattr(keeping, "_insert", checked)
        [kept] = services.rate(["good"], source=Prediction.Source.API)

    assert ModelVersion.objects.get() == kept.model_version
    assert kept.model_version.revision == holder.get().revision
