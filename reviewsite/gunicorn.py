"""gunicorn's settings: gunicorn -c python:reviewsite.gunicorn reviewsite.wsgi"""

import os
from typing import Any

cores = len(os.sched_getaffinity(0))

bind = os.environ.get("BIND", "127.0.0.1:8000")
workers = int(os.environ.get("WEB_CONCURRENCY", min(cores, 4)))
worker_class = "gthread"
threads = 4  # so that a slow client does not hold a worker; the model serves one text at a time
timeout = 120  # seconds without a heartbeat; loading a model takes less than half
graceful_timeout = 30  # seconds
keepalive = 5  # seconds
control_socket_disable = True
# A forked torch hangs at its first inference, so every worker loads the model for itself.
preload_app = False

# Read by torch and by the tokenizers when a worker imports them. More threads than cores are
# slower than one, many times over.
os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores // workers)))
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def post_worker_init(worker: Any) -> None:
    """Load the model before the first request; without one the site is up and says why."""
    from classifier.exceptions import ModelNotReady
    from classifier.predictor import holder

    try:
        predictor = holder.get()
    except ModelNotReady as error:
        worker.log.error("No model is served: %s", error)
    else:
        worker.log.info("Serving %s@%s", predictor.name, predictor.revision)
