"""The Celery application; its settings are the CELERY_ ones of reviewsite.settings."""

import os
import warnings

from celery import Celery
from celery.platforms import SecurityWarning

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewsite.settings")

# For root a worker warns of pickled messages; this one accepts JSON alone.
warnings.filterwarnings("ignore", "You're running the worker", SecurityWarning)

app = Celery("reviewsite")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
