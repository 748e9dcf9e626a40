"""Long work: the row is the job, and a message of the queue only wakes a worker.

A worker claims a row by one conditional UPDATE that gives it a lease and a new attempt number;
every later write names that attempt, so a worker that was thought dead can change nothing. A
message that is lost, doubled or late therefore does no harm.

`wake` and `shutdown` know Celery, which takes a third of a second to import: those who send
messages or work for long ask for them by name, and a process that rates texts does neither.
"""

from classifier.jobs.claim import Claim, ClaimLost
from classifier.jobs.database import persistently
from classifier.jobs.heart import CancelRequested, Heart
from classifier.jobs.job import MAX_WORKER_LOSSES, Job, JobManager, Reaped

__all__ = [
    "MAX_WORKER_LOSSES",
    "CancelRequested",
    "Claim",
    "ClaimLost",
    "Heart",
    "Job",
    "JobManager",
    "Reaped",
    "persistently",
]
