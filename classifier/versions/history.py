"""Which version served when, as the audit log has it."""

from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest

from classifier.models import AuditEntry, ModelVersion

MOST = 200  # switches that are looked at, the latest


@dataclass(frozen=True)
class Service:
    """A time for which one version served."""

    name: str
    """name@revision."""
    start: datetime
    end: datetime | None
    """None while it serves."""


def services() -> list[Service]:
    """From the first activation, or of many the latest, to now; in the order of time."""
    entries = AuditEntry.objects.filter(
        action=AuditEntry.Action.MODEL_ACTIVATED,
        subject__startswith=f"{ModelVersion._meta.model_name} ",  # which has an index
    )
    switches = list(entries.order_by("-at").values_list("at", "after")[:MOST])[::-1]
    starts = [at for at, _after in switches]
    return [
        Service(after["name"], at, end)
        for (at, after), end in zip_longest(switches, starts[1:])
        if after
    ]
