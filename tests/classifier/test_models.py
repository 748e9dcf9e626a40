import hashlib
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection
from django.db.models import ProtectedError
from django.utils import timezone

from classifier.models import ModelVersion, Prediction, Verdict, text_digest
from tests.factories import make_prediction, make_verdict

pytestmark = pytest.mark.django_db


def test_the_digest_of_a_text_is_the_sha256_of_its_utf8() -> None:
    assert text_digest("Voilà 😀") == hashlib.sha256("Voilà 😀".encode()).hexdigest()


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ({"score": 1.01}, "prediction_score_range"),
        ({"score": -0.01}, "prediction_score_range"),
        ({"positive_probability": 1.01}, "prediction_positive_probability_range"),
        ({"positive_probability": -0.01}, "prediction_positive_probability_range"),
        ({"rating": 0}, "prediction_rating_range"),
        ({"rating": 11}, "prediction_rating_range"),
        ({"rating": 5, "rating_low": 6, "rating_high": 7}, "prediction_rating_interval"),
        ({"rating": 5, "rating_low": 3, "rating_high": 4}, "prediction_rating_interval"),
        ({"rating": 5, "rating_low": 0, "rating_high": 7}, "prediction_rating_interval"),
        ({"rating": 5, "rating_low": 3, "rating_high": 11}, "prediction_rating_interval"),
        ({"rating": 5, "rating_low": 3}, "prediction_rating_interval"),
        ({"rating": 5, "rating_high": 7}, "prediction_rating_interval"),
    ],
)
def test_the_database_refuses_a_prediction_out_of_range(
    values: dict[str, Any], constraint: str
) -> None:
    with pytest.raises(IntegrityError, match=constraint):
        make_prediction(**values)


def test_an_interval_has_both_its_ends_or_none() -> None:
    assert make_prediction(rating=5, rating_low=5, rating_high=5).rating_interval == (5, 5)
    assert make_prediction(rating=5, rating_low=1, rating_high=10).rating_interval == (1, 10)
    assert make_prediction().rating_interval is None


@pytest.mark.parametrize("rating", [0, 11])
def test_the_database_refuses_a_verdict_out_of_range(rating: int) -> None:
    prediction = make_prediction()

    with pytest.raises(IntegrityError, match="verdict_rating_range"):
        make_verdict(prediction, rating=rating)


def test_a_prediction_has_one_verdict_at_most() -> None:
    prediction = make_prediction()
    make_verdict(prediction)

    with pytest.raises(IntegrityError):
        make_verdict(prediction)


def test_a_name_and_revision_stand_for_one_model() -> None:
    ModelVersion.objects.create(name="tiny", revision="a")
    ModelVersion.objects.create(name="tiny", revision="b")

    with pytest.raises(IntegrityError):
        ModelVersion.objects.create(name="tiny", revision="a")


def test_a_model_that_has_answered_cannot_be_deleted() -> None:
    prediction = make_prediction()

    with pytest.raises(ProtectedError):
        prediction.model_version.delete()


def test_predictions_are_pending_until_they_are_reviewed() -> None:
    pending, reviewed = make_prediction(), make_prediction()
    make_verdict(reviewed)

    assert list(Prediction.objects.pending()) == [pending]
    assert list(Prediction.objects.reviewed()) == [reviewed]


def test_corrected_are_those_whose_label_or_rating_the_reviewer_changed() -> None:
    pending, confirmed, relabelled, rerated = (make_prediction() for _ in range(4))
    make_verdict(confirmed)
    make_verdict(relabelled, label="NEGATIVE")
    make_verdict(rerated, rating=7)

    assert set(Prediction.objects.corrected()) == {relabelled, rerated}
    assert pending not in Prediction.objects.corrected()


def test_purging_empties_the_texts_before_a_time_and_keeps_what_was_said() -> None:
    noon = timezone.now()
    old = make_prediction("old", created_at=noon - timedelta(seconds=1))
    new = make_prediction("new", created_at=noon)

    assert Prediction.objects.purge_texts(before=noon) == 1

    old.refresh_from_db()
    new.refresh_from_db()
    assert (old.text, old.text_sha256, old.score) == ("", text_digest("old"), 0.9)
    assert old.text_purged_at is not None
    assert (new.text, new.text_purged_at) == ("new", None)


def test_a_purged_text_is_not_purged_again() -> None:
    make_prediction()
    Prediction.objects.purge_texts(before=timezone.now())

    assert Prediction.objects.purge_texts(before=timezone.now()) == 0


def test_the_newest_prediction_comes_first() -> None:
    noon = timezone.now()
    older = make_prediction(created_at=noon - timedelta(days=1))
    newer = make_prediction(created_at=noon)

    assert list(Prediction.objects.all()) == [newer, older]


def test_names_say_what_a_row_is() -> None:
    prediction = make_prediction()

    assert str(prediction) == "POSITIVE 9/10"
    assert str(prediction.model_version) == "tiny@0123456789ab"
    assert str(Verdict(label="NEGATIVE", rating=2)) == "NEGATIVE 2/10"


def test_a_prediction_has_an_address_of_its_own() -> None:
    prediction = make_prediction()

    assert prediction.get_absolute_url() == f"/predictions/{prediction.pk}"


def test_the_columns_that_lists_are_filtered_by_have_an_index() -> None:
    with connection.cursor() as cursor:
        table = Prediction._meta.db_table
        constraints = connection.introspection.get_constraints(cursor, table)

    indexed = {tuple(found["columns"]) for found in constraints.values() if found["index"]}
    assert {("created_at",), ("text_sha256",), ("model_version_id",)} <= indexed
