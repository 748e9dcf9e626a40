"""The Celery application; its settings are the CELERY_ ones of reviewsite.settings."""

import os
import warnings
from contextvars import Token
from typing import Any

from celery import Celery
from celery.platforms import SecurityWarning
from celery.signals import before_task_publish, task_postrun, task_prerun, worker_init

from reviewsite.garbage import collect_seldom
from reviewsite.logs import request_id

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewsite.settings")
collect_seldom()

# For root a worker warns of pickled messages; this one accepts JSON alone.
warnings.filterwarnings("ignore", "You're running the worker", SecurityWarning)

app = Celery("reviewsite")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

ID = "request_id"  # in a message's headers
_entered: dict[str, Token[str]] = {}


@worker_init.connect(weak=False)
def _limit_statements(**kwargs: Any) -> None:
    from reviewsite.time_limits import limit_worker  # what a process that only sends does not need

    limit_worker()


@before_task_publish.connect(weak=False)
def _send_id(headers: dict[str, Any], **kwargs: Any) -> None:
    if current := request_id.current():
        headers.setdefault(ID, current)


@task_prerun.connect(weak=False)
def _take_id(task_id: str, task: Any, **kwargs: Any) -> None:
    """What a task logs carries the id of the request that sent it; else the task's own."""
    _entered[task_id] = request_id.enter(str(task.request.get(ID) or task_id))


@task_postrun.connect(weak=False)
def _leave_id(task_id: str, **kwargs: Any) -> None:
    if token := _entered.pop(task_id, None):
        request_id.leave(token)
