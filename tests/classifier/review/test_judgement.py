"""Labels and ratings are read alike from a file, and from a program that passes on feedback."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from classifier.models import Feedback, Verdict
from classifier.review.importing import import_verdicts
from classifier.review.judgement import InvalidJudgement, read_label, read_rating
from tests.factories import make_prediction

LABELS = [
    *(("NEGATIVE", said) for said in ("NEGATIVE", " neg ", "Bad", "0", 0, 0.0, "0.0", "LABEL_0")),
    *(("POSITIVE", said) for said in ("POSITIVE", "Pos", "good", "1", 1, 1.0, "label_1")),
]
RATINGS = [(4, said) for said in (4, 4.0, "4", " 4 ", "4.0")] + [(1, "1"), (10, "10"), (10, 10)]
NO_LABELS = ["mixed", "", "2", 2, 0.5, True, False, None, ["NEGATIVE"], "\ud800", 10**30]
NO_RATINGS = ["", "four", "2.5", 2.5, 0, 11, -3, True, None, [4], 10**400, "9" * 400, "1_0", "nan"]


@pytest.mark.parametrize(("label", "said"), LABELS)
def test_every_spelling_of_a_label_is_read(label: str, said: Any) -> None:
    assert read_label(said) == label


@pytest.mark.parametrize(("rating", "said"), RATINGS)
def test_every_spelling_of_a_rating_is_read(rating: int, said: Any) -> None:
    assert read_rating(said) == rating


@pytest.mark.parametrize("said", NO_LABELS)
def test_what_is_no_label_is_refused(said: Any) -> None:
    with pytest.raises(InvalidJudgement, match="A label is NEGATIVE or POSITIVE"):
        read_label(said)


@pytest.mark.parametrize("said", [*NO_RATINGS, float("inf"), float("nan")])
def test_what_is_no_rating_is_refused(said: Any) -> None:
    with pytest.raises(InvalidJudgement, match="A rating is a whole number from 1 to 10"):
        read_rating(said)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("label", "rating"),
    [*((said, 4) for _, said in LABELS), *(("neg", said) for _, said in RATINGS)],
)
def test_both_doors_take_the_same(label: Any, rating: Any, client: Client, tmp_path: Path) -> None:
    prediction = make_prediction("said")
    body = {"label": label, "rating": rating}

    answer = client.post(
        f"/api/predictions/{prediction.pk}/feedback",
        json.dumps(body),
        content_type="application/json",
    )
    file = tmp_path / "labelled.jsonl"
    file.write_text(json.dumps({"text": "said", **body}))
    done = import_verdicts(file, reviewer=None)

    assert (answer.status_code, done.bad) == (200, 0)
    given, verdict = Feedback.objects.get(), Verdict.objects.get()
    assert (given.label, given.rating) == (verdict.label, verdict.rating)
    assert (given.label, given.rating) == (read_label(label), read_rating(rating))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("label", "rating"),
    [("mixed", 4), (2, 4), (True, 4), ("neg", 11), ("neg", 2.5), ("neg", "four"), ("neg", True)],
)
def test_both_doors_refuse_the_same(
    label: Any, rating: Any, client: Client, tmp_path: Path
) -> None:
    prediction = make_prediction("said")
    body = {"label": label, "rating": rating}

    answer = client.post(
        f"/api/predictions/{prediction.pk}/feedback",
        json.dumps(body),
        content_type="application/json",
    )
    file = tmp_path / "labelled.jsonl"
    file.write_text(json.dumps({"text": "said", **body}))
    done = import_verdicts(file, reviewer=None)

    assert (answer.status_code, done.bad, done.verdicts) == (400, 1, 0)
    assert answer.json()["error"]["rule"] in done.problems[0][1]
