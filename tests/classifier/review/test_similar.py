import pytest

from classifier.review import similar
from classifier.review.similar import similar_reviewed
from tests.factories import make_prediction, make_verdict

pytestmark = pytest.mark.django_db


def test_the_reviewed_texts_with_the_same_rare_words_come_first() -> None:
    for text in (
        "the film was about a lighthouse keeper",
        "the film was long and the film was loud",
        "the soup was cold",
    ):
        make_verdict(make_prediction(text))
    make_prediction("a lighthouse keeper, and nobody has judged it")

    found = similar_reviewed("the lighthouse keeper in this film is wonderful")

    assert [one.verdict.prediction.text for one in found] == [
        "the film was about a lighthouse keeper",
        "the film was long and the film was loud",
        "the soup was cold",
    ]
    assert 1 >= found[0].likeness > 2 * found[1].likeness > 0


def test_the_same_text_is_wholly_alike() -> None:
    make_verdict(make_prediction("a quiet evening"))

    [found] = similar_reviewed("A quiet evening!")

    assert found.likeness == pytest.approx(1)


def test_nothing_in_common_is_nothing_similar() -> None:
    make_verdict(make_prediction("a quiet evening"))

    assert similar_reviewed("unheard words") == []
    assert similar_reviewed("") == []


def test_only_the_newest_verdicts_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similar, "LOOKED_AT", 2)
    for number in range(4):
        make_verdict(make_prediction(f"a quiet evening {number}"))

    assert len(similar_reviewed("quiet evening")) == 2
