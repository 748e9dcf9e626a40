"""The site's settings, for workers whose seconds are short."""

import json
import os

from reviewsite.settings import *  # noqa: F403

CELERY_BROKER_TRANSPORT_OPTIONS |= json.loads(  # noqa: F405
    os.environ.get("TEST_TRANSPORT_OPTIONS", "{}")
)
CELERY_IMPORTS = ["tests.classifier.jobs.tasks"]
CELERY_TASK_ROUTES = {
    "tests.classifier.jobs.tasks.hold": {"queue": "hold"},
    "tests.classifier.jobs.tasks.hold_with_late_ack": {"queue": "late"},
    "tests.classifier.jobs.tasks.trust_the_message": {"queue": "late"},
}
CELERY_BEAT_SCHEDULE = {
    "reap": {
        "task": "tests.classifier.jobs.tasks.reap",
        "schedule": 1.0,  # seconds
        "options": {"expires": 1.0},
    }
}
