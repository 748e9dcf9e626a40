"""Ray: chunks rated by processes of their own, on this host or on a cluster.

Chunks go through the folder of parts, which all hosts must see under the same path. Each process
writes what it has finished there by rename: so a chunk that Ray starts twice is still there once,
and what was finished before the command died need not be rated again.
"""

import importlib.util
import logging
import os
import pkgutil
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from classifier.bulk.chunks import Chunk
from classifier.bulk.errors import EngineError
from classifier.bulk.parts import chunk_file, ratings_file, write_whole
from classifier.bulk.ratings import (
    RowRating,
    Said,
    rate_chunk,
    ratings_from_bytes,
    ratings_to_bytes,
)
from classifier.exceptions import ClassifierError
from classifier.messages import message

LOST_PROCESSES = 3  # so often one is started again, as for jobs
MOST_BLOCKS = 1000


class Model(Protocol):
    name: str
    revision: str

    def classify(self, texts: Sequence[str]) -> Sequence[Said]: ...


class RayEngine:
    """
    Args:
        load: where to find what loads the model in each process, such as "package.module:name".
            A name, because the module may need `prepare` before it can be imported.
        arguments: what it is called with.
        model: name@revision that each process must have loaded.
        prepare: called first in each process, such as django.setup.
        folder: of the parts.
        read_chars: characters of each text that the model reads.
        workers: processes, each with a model of its own.
        address: of a cluster, such as "ray://host:10001" or "auto"; None starts Ray here.

    Raises:
        EngineError: Ray is not installed.
    """

    def __init__(
        self,
        load: str,
        arguments: Mapping[str, Any],
        *,
        model: str,
        prepare: Callable[[], None],
        folder: Path,
        read_chars: int,
        workers: int,
        address: str | None = None,
    ) -> None:
        if importlib.util.find_spec("ray") is None:
            raise EngineError(
                code="ray_missing",
                rule=message("The engine ray needs the package ray."),
                value=message("it is not installed"),
                remedy=message("Install it: .venv/bin/pip install -r requirements-ray.txt"),
            )
        self._folder = folder.resolve()
        self._made_with = (prepare, load, dict(arguments), model, self._folder, read_chars)
        self._workers = workers
        self._address = address

    def rate(self, chunks: Iterable[Chunk]) -> Iterator[list[RowRating]]:
        """As BulkEngine says, but all chunks go into the folder before the first is rated."""
        numbers = []
        for chunk in chunks:
            write_whole(chunk_file(self._folder, chunk.number), chunk.to_bytes())
            numbers.append(chunk.number)
        if numbers:
            yield from self._rate(numbers)

    def _rate(self, numbers: list[int]) -> Iterator[list[RowRating]]:
        # Asked before it is imported, and again of every process that Ray starts.
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # it logs to the terminal
        import ray
        import ray.data

        logging.getLogger("ray.data").setLevel(logging.ERROR)
        # Ray 2.60, which is pinned, has no other way yet to say how often to start again.
        warnings.filterwarnings("ignore", "`ray_remote_args_fn` is deprecated")
        here: dict[str, Any] = {}
        if self._address is None:
            here = {"num_cpus": self._workers, "include_dashboard": False}
        else:  # processes that Ray starts here have this one's environment anyway
            here = {"runtime_env": {"env_vars": _environment()}}
        try:
            ray.init(
                address=self._address or "local",
                log_to_driver=False,
                logging_level=logging.ERROR,
                **here,
            )
            context = ray.data.DataContext.get_current()
            context.enable_progress_bars = False
            context.execution_options.preserve_order = True
            rated = ray.data.from_items(
                [{"number": number} for number in numbers],
                override_num_blocks=min(len(numbers), MOST_BLOCKS),
            ).map_batches(
                _Rater,
                fn_constructor_args=self._made_with,
                batch_size=1,
                compute=ray.data.ActorPoolStrategy(size=self._workers),
                ray_remote_args_fn=_restarts,
            )
            for row in rated.iter_rows():
                yield ratings_from_bytes(
                    ratings_file(self._folder, int(row["number"])).read_bytes()
                )
        except (ray.exceptions.RayError, ConnectionError, RuntimeError) as error:
            raise _engine_error(error) from error
        finally:
            ray.shutdown()


class _Rater:
    """Lives in a process of Ray's and keeps the model there."""

    def __init__(
        self,
        prepare: Callable[[], None],
        load: str,
        arguments: dict[str, Any],
        model: str,
        folder: Path,
        read_chars: int,
    ) -> None:
        prepare()
        self._model: Model = pkgutil.resolve_name(load)(**arguments)
        self._folder = folder
        self._read_chars = read_chars
        if (loaded := f"{self._model.name}@{self._model.revision}") != model:
            # A RuntimeError, for Ray cannot carry errors made with keywords between processes.
            raise RuntimeError(f"All processes must load {model}, but one found {loaded}.")

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        for number in map(int, batch["number"]):
            chunk = Chunk.from_bytes(chunk_file(self._folder, number).read_bytes())
            ratings = rate_chunk(chunk, self._classify)
            write_whole(ratings_file(self._folder, number), ratings_to_bytes(ratings))
        return batch

    def _classify(self, texts: list[str]) -> Sequence[Said]:
        return self._model.classify([text[: self._read_chars] for text in texts])


def _restarts() -> dict[str, int]:
    """Ray's own default is to start a process again for ever."""
    return {"max_restarts": LOST_PROCESSES, "max_task_retries": LOST_PROCESSES}


def _environment() -> dict[str, str]:
    """What Ray's processes need of this one's: where the code is, and as many threads."""
    names = ("DJANGO_SETTINGS_MODULE", "OMP_NUM_THREADS", "TOKENIZERS_PARALLELISM")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    return {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **kept}


def _engine_error(error: BaseException) -> ClassifierError:
    """What Ray says last is what went wrong; before it come the ways that it went."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return EngineError(
        code="ray_failed",
        rule=message("Ray must start, load the model and rate every chunk."),
        value=f"{type(error).__name__}: {lines[-1][:300] if lines else 'no reason'}",
        remedy=message(
            "Start the command again, which goes on where it was; or use --engine local."
        ),
    )
