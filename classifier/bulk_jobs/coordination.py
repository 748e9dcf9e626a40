"""The one worker that holds a job: splits it, rates with the others, joins it."""

import logging
import time
from collections.abc import Callable
from functools import partial

from django.db import Error

from classifier.bulk.ratings import Summary
from classifier.bulk_jobs import rating
from classifier.bulk_jobs.chunk_claims import claim_chunk, claimable, unrated
from classifier.bulk_jobs.helpers import call_for_help
from classifier.bulk_jobs.joining import join
from classifier.bulk_jobs.progress import counts_of
from classifier.bulk_jobs.retention import drop_inputs
from classifier.bulk_jobs.served import Served
from classifier.bulk_jobs.splitting import split
from classifier.exceptions import ClassifierError
from classifier.files import delete_stored
from classifier.jobs import CancelRequested, Claim, ClaimLost, Heart, persistently
from classifier.jobs.shutdown import shutting_down
from classifier.messages import message, message_of
from classifier.models import BulkJob, StoredFile
from reviewsite.logs import request_id

logger = logging.getLogger(__name__)

SPLITTING = "splitting"
RATING = "rating"
WRITING = "writing the result"

SLICE = 10.0  # seconds of work on a job while others wait
TELL_EVERY = 1.0  # seconds between two counts of what is done
POLL = 0.2  # seconds between looks for what other workers have in hand


class _Yield(Exception):
    """The job goes back to the queue."""


def coordinate(claim: Claim, model: Served) -> None:
    """Work on a job until it is over, or another's turn, or this worker is to stop.

    A job that its model or its upload makes impossible fails with the reason, and can be retried:
    what is rated stays. Where the database goes, the claim is left to run out.

    Raises:
        django.db.Error: the database has not answered for long.
    """
    job = persistently(lambda: BulkJob.objects.select_related("upload").get(pk=claim.pk))
    with request_id.bound(job.request_id), Heart(claim) as heart:
        try:
            _Coordinator(job, claim, heart, model).work()
        except _Yield:
            # One that a stop interrupts has not had its turn.
            _quietly(partial(claim.release, keep_place=shutting_down()))
            drop_inputs(job)  # where it was cancelled meanwhile
        except CancelRequested:
            _quietly(claim.cancel)
            drop_inputs(job)
        except ClaimLost as error:
            logger.info("%s", error)
        except Error:
            raise
        except (ClassifierError, FileNotFoundError) as error:
            _fail(claim, message_of(error))
        except Exception as error:
            logger.exception("Bulk job %s fails", job.pk)
            first = (str(error).splitlines() or [""])[0][:200]
            _fail(
                claim,
                message(
                    "{kind}: {error}. The worker's log says more.",
                    kind=type(error).__name__,
                    error=first,
                ),
            )
    if shutting_down():
        call_for_help(job.pk, at_once=True)


def _fail(claim: Claim, reason: str) -> None:
    _quietly(partial(claim.fail, reason))


def _quietly(write: Callable[[], None]) -> None:
    try:
        write()
    except ClaimLost as error:
        logger.info("%s", error)


class _Coordinator:
    def __init__(self, job: BulkJob, claim: Claim, heart: Heart, model: Served) -> None:
        self._job = job
        self._claim = claim
        self._heart = heart
        self._model = model
        self._progressed = self._called = False
        self._slice_ends = float("inf")
        self._tell_at = self._ask_at = 0.0

    def work(self) -> None:
        self._claim.write(model_version=self._model.version, stage=SPLITTING)
        self._share()
        if self._job.split_at is None:
            split(self._job, self._claim, self._split_on)
        self._claim.write(stage=RATING)
        self._rate()
        self._claim.write(stage=WRITING, **self._counts())
        result, summary = join(self._job, self._look)
        self._end(result, summary)

    def _split_on(self, made: bool) -> None:
        if made:
            self._advance()
            self._share()
            self._tell()
        self._pause()

    def _rate(self) -> None:
        while True:
            self._pause()
            self._tell()
            self._share()
            if chunk := claim_chunk(self._job.pk):
                if chunk.worker_losses:
                    # That loss is the chunk's by now, which has a limit of its own: a job whose
                    # chunks are lost again and again comes to its end all the same.
                    self._claim.progressed()
                try:
                    rating.rate(chunk, self._model, keep_texts=self._job.keep_texts)
                except ClaimLost as error:
                    logger.info("%s", error)
                else:
                    self._advance()
            elif persistently(unrated(self._job.pk).exists):
                time.sleep(POLL)  # others have them in hand, or die and let their leases run out
            else:
                return

    def _end(self, result: StoredFile, summary: Summary) -> None:
        counts = summary.as_dict()
        try:
            self._claim.succeed(
                result=result,
                stage="",
                done=summary.rows,
                total=summary.rows,
                rated_rows=summary.rated,
                bad_rows=summary.bad,
                ratings=counts["ratings"],
                bad_row_reasons=counts["bad_rows"],
            )
        except ClaimLost:
            delete_stored(result)
            raise
        drop_inputs(self._job)

    def _advance(self) -> None:
        """Something was done that the next worker need not do again."""
        if not self._progressed:
            self._claim.progressed()
            self._progressed = True
            self._slice_ends = time.monotonic() + SLICE

    def _share(self) -> None:
        if persistently(claimable(self._job.pk).exists):
            # The first time at once: idle workers shall not wait because of an earlier job's call.
            call_for_help(self._job.pk, at_once=not self._called)
            self._called = True

    def _tell(self) -> None:
        if time.monotonic() >= self._tell_at:
            self._claim.write(**self._counts())
            self._tell_at = time.monotonic() + TELL_EVERY

    def _counts(self) -> dict[str, object]:
        counts = counts_of(self._job)
        return {
            "done": counts.rows,
            "rated_rows": counts.rows - counts.bad,
            "bad_rows": counts.bad,
            "ratings": counts.ratings,
        }

    def _look(self) -> None:
        """
        Raises:
            ClaimLost, CancelRequested, _Yield: the work ends here.
        """
        self._heart.check()
        if shutting_down():
            raise _Yield

    def _pause(self) -> None:
        """Between two steps: as `_look`, and whether it is another job's turn."""
        self._heart.beat()
        self._look()
        now = time.monotonic()
        if now >= max(self._slice_ends, self._ask_at):
            self._ask_at = now + TELL_EVERY
            others = BulkJob.objects.claimable().filter(self._model.mine)
            if persistently(others.exists):
                raise _Yield
