from collections.abc import Callable
from typing import Any

import pytest
from django.db.models import F, QuerySet
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from classifier.jobs import Claim
from classifier.jobs.job import Status, after_loss
from classifier.models import BulkJob
from tests.classifier.jobs.lifecycle import EXAMPLES, STEPS, Lifecycle

pytestmark = pytest.mark.django_db

thorough = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
# A planted bug is to be found, for which the first example that shows it is enough; how small that
# gets does not matter.
planted = settings(
    thorough,
    max_examples=5 * EXAMPLES,
    phases=[Phase.generate],
    derandomize=True,
    database=None,
)


def test_jobs_keep_their_promises_in_any_order_of_events(
    record_property: Callable[[str, object], None],
) -> None:
    record_property("tried", EXAMPLES)
    run_state_machine_as_test(Lifecycle, settings=thorough)


def test_a_missing_fence_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def unfenced(self: Claim) -> QuerySet:
        anyone: QuerySet = self.model.objects.filter(pk=self.pk)
        return anyone

    monkeypatch.setattr(Claim, "_held", unfenced)
    with pytest.raises(AssertionError, match="was allowed, but the job is"):
        run_state_machine_as_test(Lifecycle, settings=planted)


def test_uncounted_losses_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgiving(job: BulkJob, *found: str) -> dict[str, Any]:
        return after_loss(job, *found) | {"worker_losses": 0}

    monkeypatch.setattr("classifier.jobs.job.after_loss", forgiving)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Lifecycle, settings=planted)


def test_a_pause_that_counts_as_a_loss_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    pause = Claim.pause

    def counted(self: Claim, error: str) -> None:
        pause(self, error, worker_losses=F("worker_losses") + 1)

    monkeypatch.setattr(Claim, "pause", counted)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Lifecycle, settings=planted)


def test_a_release_that_forgets_the_cancelling_would_be_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def forgetful(self: Claim) -> None:
        self._update(status=Status.QUEUED, lease_until=None, stopping=False)

    monkeypatch.setattr(Claim, "release", forgetful)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Lifecycle, settings=planted)
