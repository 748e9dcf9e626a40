from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from classifier import services
from classifier.exceptions import InvalidText, ModelNotReady
from classifier.models import ModelVersion, Prediction, text_digest
from classifier.predictor import holder
from classifier.ratings import confidence_rating
from tests.factories import make_prediction

pytestmark = pytest.mark.django_db

FORM = Prediction.Source.FORM


def test_what_the_model_said_is_kept(served_model: Path) -> None:
    [returned] = services.rate(["a lovely film"], source=FORM)

    kept = Prediction.objects.get()
    [said] = holder.get().classify(["a lovely film"])
    assert kept == returned
    assert kept.text == "a lovely film"
    assert kept.text_sha256 == text_digest("a lovely film")
    assert kept.text_purged_at is None
    assert kept.label == said.label == "POSITIVE"
    # torch adds up in another order when it likes.
    assert kept.score == pytest.approx(said.score, rel=1e-4)
    assert kept.positive_probability == pytest.approx(said.positive_probability, rel=1e-4)
    assert kept.rating == confidence_rating(said.sentiment.positive_probability)
    assert kept.windows == 1
    assert kept.truncated is False
    assert kept.source == "form"


def test_the_interval_of_a_rating_is_kept_with_it(starred_model: Path) -> None:
    services.rate(["a lovely film", "an awful film"], source=FORM)

    said = holder.get().classify(["a lovely film", "an awful film"])
    kept = {prediction.text: prediction for prediction in Prediction.objects.all()}
    for text, expected in zip(("a lovely film", "an awful film"), said, strict=True):
        assert kept[text].rating == expected.rating
        assert kept[text].rating_interval == (expected.rating_low, expected.rating_high)


def test_the_model_that_answered_is_kept_once(served_model: Path) -> None:
    services.rate(["good"], source=FORM)
    services.rate(["bad"], source=FORM)

    version = ModelVersion.objects.get()
    assert version.name == served_model.name
    assert version.revision == holder.get().revision
    assert set(Prediction.objects.values_list("model_version", flat=True)) == {version.pk}


def test_predictions_come_in_the_order_of_the_texts(served_model: Path) -> None:
    texts = ["good", "a dull film " * 20, "bad", "good"]

    assert [said.text for said in services.rate(texts, source=FORM)] == texts


def test_a_list_of_texts_is_kept_with_one_insert(
    served_model: Path, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    services.rate(["good"], source=FORM)

    with django_assert_max_num_queries(4):  # the version, and the insert in its transaction
        services.rate(["good", "bad"] * 16, source=FORM)


def test_a_text_over_the_characters_read_is_flagged_and_its_end_does_not_count(
    served_model: Path, settings: Settings
) -> None:
    settings.CLASSIFIER_READ_CHARS = 10

    whole, cut, same = services.rate(
        ["good film.", "good film. awful bad dull", "good film. superb"], source=FORM
    )

    assert (whole.truncated, cut.truncated, same.truncated) == (False, True, True)
    assert cut.score == same.score == pytest.approx(whole.score)
    assert cut.text.endswith("dull")


def test_a_text_of_many_windows_is_not_truncated(served_model: Path) -> None:
    [said] = services.rate(["a warm evening with a clever cast " * 50], source=FORM)

    assert said.windows > 2
    assert said.truncated is False


def test_nothing_is_kept_when_there_is_no_model(no_model: Path) -> None:
    with pytest.raises(ModelNotReady):
        services.rate(["good"], source=FORM)

    assert not Prediction.objects.exists()
    assert not ModelVersion.objects.exists()


def test_a_text_is_held_to_the_sites_limit(settings: Settings) -> None:
    settings.CLASSIFIER_MAX_CHARS = 5

    assert services.review_text("  abc") == "abc"
    with pytest.raises(InvalidText, match="5 characters at most"):
        services.review_text("abcdef")


def test_texts_past_their_retention_are_purged(settings: Settings) -> None:
    settings.TEXT_RETENTION_DAYS = 30
    old = make_prediction(created_at=timezone.now() - timedelta(days=31))
    new = make_prediction(created_at=timezone.now() - timedelta(days=29))

    assert services.purge_expired_texts() == 1

    old.refresh_from_db()
    new.refresh_from_db()
    assert old.text == ""
    assert new.text == "A warm film."


def test_a_retention_of_0_days_keeps_every_text(settings: Settings) -> None:
    settings.TEXT_RETENTION_DAYS = 0
    make_prediction(created_at=timezone.now() - timedelta(days=10_000))

    assert services.purge_expired_texts() == 0
    assert Prediction.objects.get().text == "A warm film."
