"""MLflow around a whole run, training and evaluation; no server can cost the run a thing.

Whatever is tracked is one line in a file of the run, the spool. A process of its own sends the
spool to MLflow: it imports mlflow, waits for sockets and may hang or die without the run noticing.
Where it got to is written down, so what was not sent is sent by the next run, or by replay().
Sending twice is harmless: MLflow keeps one of two metrics that are equal to the millisecond.

That process starts here too (python -m training.tracking), so nothing heavy is imported here.
"""

from training.tracking.run import replay, tracked_run, tracking_uri
from training.tracking.tracker import Tracker

__all__ = ["Tracker", "replay", "tracked_run", "tracking_uri"]
