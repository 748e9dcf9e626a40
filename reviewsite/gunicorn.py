"""gunicorn's settings: gunicorn -c python:reviewsite.gunicorn reviewsite.wsgi"""

import gc
import math
import os
import shutil
import tempfile
import threading
import time
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from classifier.cores import usable_cores
from reviewsite.arenas import bound_arenas
from reviewsite.garbage import collect_seldom
from reviewsite.logs import of_gunicorn
from reviewsite.secret_files import read_secret_files

try:
    read_secret_files()
except ImproperlyConfigured as error:
    raise SystemExit(str(error)) from error

collect_seldom()
cores = usable_cores()

#: ## Web server
#: BIND: gunicorn's address
bind = os.environ.get("BIND", "127.0.0.1:8000")
#: WEB_CONCURRENCY: gunicorn's workers, of which each reads one text at a time. Default: cores
workers = int(os.environ.get("WEB_CONCURRENCY", cores))
worker_class = "reviewsite.worker.Worker"
threads = 8  # while some wait for the disk or a slow client, others keep the cores busy
timeout = 120  # seconds without a heartbeat; loading a model takes less than half
#: DRAIN_SECONDS: what a worker that was told to end goes on letting everybody in, while `/readyz`
#:   says 503: as long as the balancer in front needs to notice
drain_seconds = float(os.environ.get("DRAIN_SECONDS", 0.0))
graceful_timeout = 30 + math.ceil(drain_seconds)  # seconds
keepalive = 5  # seconds
control_socket_disable = True
logconfig_dict = of_gunicorn(os.environ)
# A forked torch hangs at its first inference, so every worker loads the model for itself.
preload_app = False

FOLLOW_SECONDS = 1.0  # between looks for another version of the model

bound_arenas()  # workers are forked from this process, which has no threads yet

# Read by torch and by the tokenizers when a worker imports them. More threads than cores are
# slower than one, many times over.
os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores // workers)))
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # a log is no place for them


def on_starting(server: Any) -> None:
    """Refuse --preload, which overrides the setting above; make room for metrics.

    Raises:
        RuntimeError: gunicorn prints it and exits with 1.
    """
    if server.cfg.preload_app:
        raise RuntimeError(
            "Every worker must load the model for itself, but gunicorn was started with "
            "--preload, after which a model hangs. Start it without (also in GUNICORN_CMD_ARGS)."
        )
    # Where workers write their figures, so that any of them can answer for all at /metrics.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="reviewsite-metrics-")


def post_fork(server: Any, worker: Any) -> None:
    """Tell each worker what gunicorn has no setting for."""
    worker.drain_seconds = drain_seconds


def on_exit(server: Any) -> None:
    """Remove what only this run needed."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)


def post_worker_init(worker: Any) -> None:
    """Load the model before the first request; without one the site is up and says why.

    Raises:
        RuntimeError: the site would not be safe; gunicorn prints why and ends.
    """
    from classifier.exceptions import ModelNotReady
    from reviewsite.safety import refuse_unsafe
    from reviewsite.time_limits import limit_web

    refuse_unsafe()
    limit_web()

    try:
        _load(worker)
    except ModelNotReady as error:
        worker.log.error("No model is served: %s", error)
    threading.Thread(target=_follow, args=[worker], daemon=True).start()
    # Predictions are answered meanwhile: they need no page.
    threading.Thread(target=_import_pages, name="pages", daemon=True).start()


def _load(worker: Any) -> None:
    from classifier.predictor import holder

    predictor = holder.get()
    # What is loaded now stays for ever: no collection looks at it again.
    gc.collect()
    gc.freeze()
    worker.log.info("Serving %s@%s", predictor.name, predictor.revision)


def _import_pages() -> None:
    """Else whoever asks for a page first would wait for it."""
    from django.urls import get_resolver

    for included in get_resolver().url_patterns:
        getattr(included, "url_patterns", None)


def _follow(worker: Any) -> None:
    """Serve whichever version is activated, and a model that was missing once it is there.

    A balancer sends nothing to a site that is not ready, so no request would load it later.
    """
    from django.db import DatabaseError, InterfaceError, connection

    from classifier.exceptions import ModelNotReady
    from classifier.predictor import RETRY_SECONDS, holder

    while True:
        time.sleep(FOLLOW_SECONDS if holder.loaded else RETRY_SECONDS)
        try:
            if holder.loaded:
                holder.follow()
            else:
                _load(worker)
        except ModelNotReady:
            continue
        except (DatabaseError, InterfaceError) as error:
            worker.log.warning("Which model is active cannot be asked: %s", error)
            connection.close()
