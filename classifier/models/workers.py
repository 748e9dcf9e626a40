"""Which workers are alive: each says so in a row, whatever it is at work on."""

from datetime import timedelta
from typing import ClassVar, Self

from django.db import connection, models
from django.db.models.functions import Now

from classifier.jobs.database import from_now


class WorkerQuerySet(models.QuerySet["Worker"]):
    def alive(self) -> Self:
        """Workers that gave a sign of life lately."""
        silent = from_now(timedelta(seconds=-Worker.SILENT_SECONDS))
        return self.filter(seen_at__gte=silent).exclude(pk=Worker.SCHEDULE)

    def gone(self) -> Self:
        """Those that have been silent for a day."""
        return self.filter(seen_at__lt=from_now(-timedelta(days=1)))


class Worker(models.Model):
    """A worker of the queues. A ping would not do: one that trains for hours answers none."""

    SILENT_SECONDS: ClassVar = 60.0
    """After which a worker no longer counts as alive."""
    SCHEDULE: ClassVar = "schedule"
    """The name under which periodic work leaves its mark: beat sent it and a worker did it."""

    name = models.CharField(max_length=200, primary_key=True)
    host = models.CharField(max_length=200)
    queues = models.JSONField(default=list)
    since = models.DateTimeField(db_default=Now())
    """When it was started."""
    seen_at = models.DateTimeField(db_default=Now())

    objects = WorkerQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name

    @classmethod
    def is_migrated(cls) -> bool:
        """Whether the database has the table by now."""
        return cls._meta.db_table in connection.introspection.table_names()
