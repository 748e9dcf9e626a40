"""What is done to a job from outside: cancel it, try it again."""

from django.db import transaction
from django.db.models.functions import Now

from classifier.bulk_jobs.errors import BulkError
from classifier.bulk_jobs.helpers import wake_task
from classifier.bulk_jobs.retention import drop_inputs
from classifier.jobs.job import STATES
from classifier.jobs.wake import wake_on_commit
from classifier.messages import message
from classifier.models import BulkChunk, BulkJob
from classifier.models.bulk import no_ratings


def cancel(job: BulkJob) -> bool:
    """End a job that waits at once, one that runs within a chunk; False where it is over.

    Its upload and chunks are deleted with it; predictions that it has kept stay.
    """
    asked = BulkJob.objects.request_cancel(job.pk)
    drop_inputs(job)  # of one that runs, its worker does it
    return asked


def retry(job: BulkJob, *, anew: bool = False) -> None:
    """Queue a failed job again; what is rated is not rated again.

    Args:
        anew: forget what is rated, so that another version of the model can rate the file. Also
            for a job that waits for a version that is served no more. Predictions that it has
            kept stay.

    Raises:
        BulkError: the job has not failed, or its upload is deleted.
    """
    retried = [BulkJob.Status.FAILED, *([BulkJob.Status.QUEUED] if anew else [])]
    fields: dict[str, object] = {
        "status": BulkJob.Status.QUEUED,
        "queued_at": Now(),
        "finished_at": None,
        "woken_at": None,
        "worker_losses": 0,
        "cancel_requested": False,
        "stage": "",
        "error": "",
    }
    if anew:
        fields |= {
            "model_version": None,
            "split_at": None,
            **{"done": 0, "total": 0, "rated_rows": 0, "bad_rows": 0, "ratings": no_ratings()},
        }
    with transaction.atomic():
        retriable = BulkJob.objects.filter(
            pk=job.pk, status__in=retried, upload__isnull=False, purged_at=None
        )
        if not retriable.update(**fields):
            held = BulkJob.objects.get(pk=job.pk)
            raise BulkError(
                code="bulk_not_retried",
                rule=message("A job can be retried when it has failed and its upload is kept."),
                value=message("{job} is {status}", job=held, status=STATES[held.status])
                if held.upload_id
                else message(
                    "{job} is {status}, without upload", job=held, status=STATES[held.status]
                ),
                remedy=message("Send the file again."),
            )
        if anew:
            BulkChunk.objects.filter(job=job).delete()
        wake_on_commit(wake_task(), job)
