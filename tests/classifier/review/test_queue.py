import random
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from classifier.models import Feedback, Prediction, ReviewClaim, Verdict
from classifier.review import queue
from classifier.review.feedback import give_feedback
from classifier.review.verdicts import record_verdict
from tests.factories import make_prediction, make_verdict

pytestmark = pytest.mark.django_db

ChosenBy = Verdict.ChosenBy
LIVE, OTHERS = ("form", "api"), ("command", "bulk", "studio")
RANDOM_ID, OTHER_ID = 0x01 << 120, 0xF0 << 120  # within a share of 10 %, and not


@pytest.fixture
def ann() -> User:
    return User.objects.create_user("ann")


@pytest.fixture
def bob() -> User:
    return User.objects.create_user("bob")


def never() -> float:
    """No turn of the random share."""
    return 1.0


def always() -> float:
    return 0.0


def make(
    text: str, probability: float, *, random_share: bool = False, source: str = "api"
) -> Prediction:
    base = RANDOM_ID if random_share else OTHER_ID
    return make_prediction(
        text,
        source=source,
        id=uuid.UUID(int=base + random.getrandbits(60)),
        label="POSITIVE" if probability >= 0.5 else "NEGATIVE",
        positive_probability=probability,
        score=max(probability, 1 - probability),
        rating=max(1, round(10 * probability)),
    )


def disagree(prediction: Prediction, visitor: str = "v") -> Feedback:
    other = "NEGATIVE" if prediction.label == "POSITIVE" else "POSITIVE"
    return give_feedback(prediction, visitor=visitor, label=other, rating=5, source="form")


def judge(claim: ReviewClaim, reviewer: User) -> None:
    said = claim.prediction
    record_verdict(
        said, label=said.label, rating=said.rating, reviewer=reviewer, chosen_by=claim.chosen_by
    )


def judged_in_order(reviewer: User, draw: Callable[[], float] = never) -> list[tuple[str, str]]:
    """Text and reason of everything that the queue gives, each confirmed."""
    given = []
    while claim := queue.next_review(reviewer, draw=draw):
        given.append((claim.prediction.text, claim.chosen_by))
        judge(claim, reviewer)
    return given


def test_complaints_come_first_then_what_is_closest_to_the_boundary(ann: User) -> None:
    far, close, closest = make("far", 0.99), make("close", 0.4), make("closest", 0.53)
    complained, again = make("complained", 0.999), make("again", 0.001)
    disagree(complained)
    disagree(again)

    assert judged_in_order(ann) == [
        ("again", ChosenBy.DISAGREED),
        ("complained", ChosenBy.DISAGREED),
        (closest.text, ChosenBy.BOUNDARY),
        (close.text, ChosenBy.BOUNDARY),
        (far.text, ChosenBy.BOUNDARY),
    ]


def test_feedback_that_agrees_moves_nothing_to_the_front(ann: User) -> None:
    agreed = make("agreed", 0.99)
    make("close", 0.5)
    give_feedback(agreed, visitor="v", label="POSITIVE", rating=9, source="form")

    assert judged_in_order(ann)[0] == ("close", ChosenBy.BOUNDARY)


def test_the_random_share_is_a_fixed_part_of_all_whatever_the_model_said(
    ann: User, settings: Any
) -> None:
    settings.REVIEW_RANDOM_SHARE = 0.1
    drawn = [make(f"drawn {number}", 0.9, random_share=True) for number in range(3)]
    make("close", 0.5)

    given = judged_in_order(ann, draw=always)

    assert [reason for _, reason in given] == [ChosenBy.RANDOM] * 3 + [ChosenBy.BOUNDARY]
    # In the order of their ids, which says nothing of them.
    assert [text for text, _ in given[:3]] == [
        one.text for one in sorted(drawn, key=lambda one: one.pk)
    ]
    assert set(queue.random_share()) == set(drawn)


def test_the_random_share_is_drawn_from_live_traffic_alone(ann: User, settings: Any) -> None:
    settings.REVIEW_RANDOM_SHARE = 0.1
    asked = [make(f"by {source}", 0.9, random_share=True, source=source) for source in LIVE]
    brought = [make(f"by {source}", 0.6, random_share=True, source=source) for source in OTHERS]

    assert set(queue.random_share()) == set(asked)
    assert queue.waiting()[ChosenBy.RANDOM] == len(asked)
    given = judged_in_order(ann, draw=always)
    assert [reason for _, reason in given] == [ChosenBy.RANDOM] * 2 + [ChosenBy.BOUNDARY] * 3
    assert {text for text, _ in given[2:]} == {each.text for each in brought}


@pytest.mark.parametrize(("share", "drawn"), [(1.0, 2), (7.0, 2), (0.1, 1), (0.0, 0), (-1.0, 0)])
def test_the_random_share_may_be_all_or_nothing(share: float, drawn: int, settings: Any) -> None:
    settings.REVIEW_RANDOM_SHARE = share
    make("low", 0.9, random_share=True)
    make("high", 0.9)

    assert queue.random_share().count() == drawn


def test_the_random_share_has_a_fifth_of_the_turns(ann: User) -> None:
    for number in range(60):
        make(f"drawn {number}", 0.99, random_share=True)
        make(f"other {number}", 0.6)
    rng = random.Random(4)

    given = [reason for _, reason in judged_in_order(ann, draw=rng.random)][:60]

    assert 6 <= given.count(ChosenBy.RANDOM) <= 20
    assert given.count(ChosenBy.BOUNDARY) == 60 - given.count(ChosenBy.RANDOM)


def test_each_text_is_asked_for_once_except_by_chance_or_complaint(ann: User) -> None:
    for _ in range(3):
        make("the same words", 0.5)
    complained = make("the same words", 0.5)
    disagree(complained)

    assert judged_in_order(ann) == [("the same words", ChosenBy.DISAGREED)]


def test_a_text_that_was_judged_hides_none_of_the_others(ann: User) -> None:
    make_verdict(make("often said", 0.5))
    for _ in range(3 * queue.TRIES):
        make("often said", 0.5)
    make("another", 0.9)

    assert judged_in_order(ann) == [("another", ChosenBy.BOUNDARY)]


def test_purged_texts_and_those_with_a_verdict_are_not_asked_for(ann: User) -> None:
    make_verdict(make("done", 0.5))
    gone = make("gone", 0.5)
    disagree(gone)
    Prediction.objects.purge_texts(before=timezone.now())

    assert queue.next_review(ann) is None


def test_a_claim_is_the_reviewers_until_it_is_over(ann: User, bob: User, settings: Any) -> None:
    make("one", 0.5)
    make("two", 0.6)

    first = queue.next_review(ann, draw=never)
    assert first
    assert queue.next_review(ann, draw=never) == first  # the page is loaded again
    other = queue.next_review(bob, draw=never)
    assert other
    assert (first.prediction.text, other.prediction.text) == ("one", "two")

    # Ann goes home: when her time is over, the next reviewer is given hers.
    ReviewClaim.objects.filter(pk=first.pk).update(expires_at=timezone.now())
    judge(other, bob)
    taken = queue.next_review(bob, draw=never)
    assert taken
    assert taken.prediction_id == first.prediction_id
    with pytest.raises(queue.ReviewLost, match="Nothing was changed"):
        queue.held_claim(first.prediction_id, ann)


def test_a_claim_that_ran_out_still_counts_while_nobody_took_it(ann: User) -> None:
    make("one", 0.5)
    claim = queue.next_review(ann)
    assert claim
    ReviewClaim.objects.update(expires_at=timezone.now() - timedelta(hours=1))

    assert queue.held_claim(claim.prediction_id, ann) == claim


def test_a_verdict_from_elsewhere_ends_a_claim(ann: User, bob: User) -> None:
    prediction = make("one", 0.5)
    assert queue.next_review(ann)

    record_verdict(prediction, label="NEGATIVE", rating=2, reviewer=bob)

    with pytest.raises(queue.ReviewLost):
        queue.held_claim(prediction.pk, ann)
    assert queue.claim_review(prediction.pk, ann, ChosenBy.BOUNDARY) is None
    assert not ReviewClaim.objects.exists()
    assert queue.next_review(ann) is None


def test_what_one_skips_is_left_to_others(ann: User, bob: User) -> None:
    make("one", 0.5)
    make("two", 0.6)
    claim = queue.next_review(ann, draw=never)
    assert claim
    queue.skip(claim)

    assert [text for text, _ in judged_in_order(ann)] == ["two"]
    theirs = queue.next_review(bob)
    assert theirs
    assert theirs.prediction.text == "one"


def test_a_skip_can_be_taken_back(ann: User) -> None:
    make("one", 0.5)
    claim = queue.next_review(ann)
    assert claim
    queue.skip(claim)
    assert queue.next_review(ann) is None

    queue.take_back_skip(claim.prediction_id, ann)

    assert queue.next_review(ann) == claim


def test_a_prediction_that_is_gone_cannot_be_claimed(ann: User) -> None:
    assert queue.claim_review(uuid.uuid4(), ann, ChosenBy.BOUNDARY) is None


@pytest.mark.parametrize("probability", [0.5, 0.51, 0.49])
def test_the_way_leads_past_whatever_is_judged_or_purged(ann: User, probability: float) -> None:
    for number in range(3 * queue.TRIES):
        make_verdict(make(f"judged {number}", 0.5))
        make(f"purged {number}", 0.5)
    Prediction.objects.filter(text__startswith="purged").purge_texts(before=timezone.now())
    make("far", 0.9)
    make("near", probability)

    assert [text for text, _ in judged_in_order(ann)] == ["near", "far"]


def test_what_is_judged_is_passed_without_a_look_at_its_row(ann: User) -> None:
    for number in range(300):
        make_verdict(make(f"judged {number}", 0.5 + number / 1000))
    make("waits", 0.99)
    with CaptureQueriesContext(connection) as captured:
        assert queue.next_review(ann, draw=never)
    walks = [query["sql"] for query in captured if '"text_purged_at" IS NULL' in query["sql"]]
    assert len(walks) == 2  # above the boundary and below it
    for walk in walks:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {walk}")
            plan = " ".join(str(row) for row in cursor.fetchall())
        assert "COVERING INDEX prediction_to_review" in plan


def test_what_waits_is_counted(settings: Any) -> None:
    settings.REVIEW_RANDOM_SHARE = 0.1
    disagree(make("complained", 0.9))
    reviewed = make("reviewed", 0.9, random_share=True)
    disagree(reviewed)
    make_verdict(reviewed)
    make("drawn", 0.9, random_share=True)

    assert queue.waiting() == {ChosenBy.DISAGREED: 1, ChosenBy.RANDOM: 1}


def test_the_queries_do_not_grow_with_what_waits_and_what_is_done(ann: User) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            claim = queue.next_review(ann, draw=never)
        assert claim
        judge(claim, ann)
        return len(captured)

    for number in range(3):
        make(f"a {number}", 0.3 + number / 100)
    few = queries()
    for number in range(60):
        make(f"b {number}", 0.4 + number / 400)
        make_verdict(make(f"c {number}", 0.5))

    assert queries() == few
