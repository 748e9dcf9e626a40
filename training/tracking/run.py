"""A run of MLflow's around one of ours, and what MLflow missed of one, sent later.

transformers' own callback ends its MLflow run with the training, before the evaluation
(huggingface/transformers#35074), so the run is opened here.
"""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from training.checkpoints import TrainingStopped
from training.tracking.redaction import without_password
from training.tracking.sender import LOG, PATIENCE, Sender
from training.tracking.spool import Spool
from training.tracking.tracker import Tracker

logger = logging.getLogger(__name__)


def tracking_uri(var_dir: Path) -> str:
    """Where runs are tracked: MLFLOW_TRACKING_URI, else an SQLite file under `var_dir`."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{var_dir}/mlflow.db"


@contextmanager
def tracked_run(
    name: str,
    config: Mapping[str, Any],
    run_dir: Path,
    tracking_uri: str,
    experiment: str,
) -> Iterator[Tracker]:
    """An MLflow run; a run that was killed goes on as the same one.

    Args:
        config: parameters, sections within.
        run_dir: of this run; the spool lies there. Those of other runs are looked for beside it.
        tracking_uri: a server, or sqlite:///FILE whose artefacts go to the folder FILE less .db.
        experiment: MLflow's experiment; empty tracks nothing.
    """
    if not experiment:
        yield Tracker()
        return
    spool = Spool(run_dir)
    spool.open(name=name, experiment=experiment, uri=tracking_uri)
    tracker = Tracker(spool)
    tracker.params(config)
    sender = Sender(spool, tracking_uri)
    status = "FAILED"
    try:
        yield tracker
        status = "FINISHED"
    except (KeyboardInterrupt, TrainingStopped):
        status = "KILLED"
        raise
    finally:
        spool.append("end", status=status)
        if not sender.finish(PATIENCE):
            logger.warning(
                "MLflow at %s did not take all of run %s (see %s). The next run sends the rest.",
                without_password(tracking_uri),
                name,
                run_dir / LOG,
            )


def replay(run_dir: Path, tracking_uri: str = "", *, patience: float = PATIENCE) -> bool:
    """Send what MLflow does not have of a run; whether it has all of it now.

    Args:
        tracking_uri: empty for the one that the run was tracked at; another gets the whole run.
        patience: seconds without progress after which it is given up.
    """
    spool = Spool(run_dir)
    return Sender(spool, tracking_uri or spool.first()["uri"]).finish(patience)
