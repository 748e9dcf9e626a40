"""`manage.py doctor`: what an operator can get wrong, found and told with its remedy.

A probe looks at one thing and says what it found. Those of an application stand in its module
`doctor`, which is imported when somebody asks: no other process pays for them.
"""

from reviewsite.doctor.examination import (
    Examined,
    Finding,
    Outcome,
    examine,
    failed,
    ok,
    probe,
    skipped,
    warning,
)

__all__ = [
    "Examined",
    "Finding",
    "Outcome",
    "examine",
    "failed",
    "ok",
    "probe",
    "skipped",
    "warning",
]
