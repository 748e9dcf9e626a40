"""manage.py rate_file: rate a table of reviews from the terminal."""

import errno
import hashlib
import os
import time
import uuid
from argparse import ArgumentParser
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import django
from django.conf import settings
from django.core.management.base import CommandError, OutputWrapper
from django.db import transaction

from classifier.bulk.chunks import Chunk, chunks
from classifier.bulk.engines import BulkEngine, LocalEngine
from classifier.bulk.errors import TableError
from classifier.bulk.limits import CHUNK_CHARS, CHUNK_ROWS
from classifier.bulk.parts import Parts
from classifier.bulk.preview import preview
from classifier.bulk.ratings import LISTED_BAD_ROWS, RowRating, Said, Summary
from classifier.bulk.ray_engine import RayEngine
from classifier.bulk.table import Table, listed
from classifier.bulk.tables import format_of, open_table
from classifier.bulk.writing import write_result
from classifier.bulk_jobs.foreground import fetch, submit_once, wait
from classifier.bulk_jobs.retention import purge
from classifier.exceptions import ClassifierError
from classifier.jobs.progress import Progress
from classifier.messages import message
from classifier.models import BulkJob, ModelVersion, Prediction, text_digest
from classifier.predictor import Predictor, holder
from reviewsite.commands import SiteCommand

BAR = 40  # characters of the longest bar
PROGRESS_SECONDS = 0.5
_KEPT_ROWS = uuid.UUID("6b4cde9a-2c0f-4c52-9b0e-6a8f0a3d5f4e")


class Command(SiteCommand):
    help = (
        "Rates a table (CSV, TSV, JSONL, XLSX) and writes it with label, score, rating, "
        "its interval and error of each row. Started again after it was killed, it goes on where "
        "it was."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("input", type=Path, metavar="IN", help="the table")
        parser.add_argument("output", type=Path, metavar="OUT", help="where the result goes")
        parser.add_argument("--text-column", help="default: the only one that can be meant")
        parser.add_argument("--engine", choices=["local", "celery", "ray"], default="local")
        parser.add_argument("--workers", type=int, default=2, help="processes of the engine ray")
        parser.add_argument(
            "--ray-address", help="a Ray cluster that sees OUT's folder; default: Ray starts here"
        )
        parser.add_argument(
            "--keep", action="store_true", help="keep each text and rating in the database"
        )
        parser.add_argument("--force", action="store_true", help="replace OUT")

    def handle(self, *args: Any, **options: Any) -> None:
        source, target = options["input"], options["output"]
        _check_paths(source, target, force=options["force"])
        try:
            self._rate_file(source, target, options)
        except ClassifierError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(_disk_error(error)) from error

    def _rate_file(self, source: Path, target: Path, options: dict[str, Any]) -> None:
        before = _identity(source)
        with open_table(source) as table:
            column = self._column(table, options["text_column"])
            if options["engine"] == "celery":
                summary, checksum = self._rate_with_workers(source, column, target, options)
                self._report(table, summary, target, checksum)
                return
            predictor = holder.get()  # whatever rates: a broken model is told before the start
            with source.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            facts = {
                "input_sha256": digest,
                "format": table.format,
                "text_column": column,
                "model": f"{predictor.name}@{predictor.revision}",
                "rating": settings.CLASSIFIER_RATING,
                "max_chars": settings.CLASSIFIER_MAX_CHARS,
                "read_chars": settings.CLASSIFIER_READ_CHARS,
                "chunk_rows": CHUNK_ROWS,
                "chunk_chars": CHUNK_CHARS,
            }
            with Parts.open(target.with_name(f"{target.name}.parts"), facts) as parts:
                count = self._rate(table, column, _engine(options, parts, predictor), parts)
                if options["keep"]:
                    _keep(_chunks(table, column), parts, f"{digest}:{column}")
                if _identity(source) != before:
                    raise CommandError(
                        f"{source} must stay as it is, but it has changed meanwhile."
                    )
                summary, checksum = _write(table, parts, count, target, force=options["force"])
                parts.remove()
            self._report(table, summary, target, checksum)

    def _column(self, table: Table, wanted: str | None) -> str:
        if wanted is not None:
            return table.require(wanted)
        guess = preview(table)
        if guess.text_column is None or not guess.certain:
            raise TableError(
                code="column_unclear",
                rule=message("It must be clear which column holds the texts."),
                value=listed(table.columns) or message("no column"),
                remedy=message(
                    "Name it: --text-column {name}",
                    name=repr(guess.text_column) if guess.text_column else "NAME",
                ),
            )
        self.stdout.write(f"The texts are in the column {guess.text_column!r}.")
        return guess.text_column

    def _rate(self, table: Table, column: str, engine: BulkEngine, parts: Parts) -> int:
        """Rate what is not rated yet; how many chunks the table has."""
        progress = _Progress(self.stdout, table)
        waiting: deque[tuple[int, int]] = deque()
        count = 0

        def unfinished() -> Iterator[Chunk]:
            nonlocal count
            for chunk in _chunks(table, column):
                count = chunk.number
                if parts.read(chunk) is not None:
                    progress.found(len(chunk.items))
                else:
                    waiting.append((chunk.number, len(chunk.items)))
                    yield chunk

        for ratings in engine.rate(unfinished()):
            number, rows = waiting.popleft()
            if len(ratings) != rows:
                raise RuntimeError(f"Chunk {number} has {rows} rows, and {len(ratings)} ratings.")
            # Ray's processes write theirs themselves; one that was spoilt they have replaced.
            if not isinstance(engine, RayEngine):
                parts.write(number, ratings)
            progress.rated(rows)
        progress.end()
        return count

    def _rate_with_workers(
        self, source: Path, column: str, target: Path, options: dict[str, Any]
    ) -> tuple[Summary, str]:
        """Have the site's workers rate the file; its queue keeps it, not a folder beside OUT."""
        note = target.with_name(f"{target.name}.job")
        job = submit_once(source, column, keep_texts=options["keep"], note=note)
        waiting = _Waiting(self.stdout)
        try:
            job = wait(job, waiting.told)
        finally:
            waiting.end()
        draft = target.with_name(f"{target.name}.{job.pk.hex}")
        put = _put(partial(fetch, job), draft, target, force=options["force"])
        purge(job)
        note.unlink()
        return put

    def _report(self, table: Table, summary: Summary, target: Path, checksum: str) -> None:
        self.stdout.write(
            f"{summary.rows:,} rows: {summary.rated:,} rated, {summary.bad:,} bad"
            + "".join(f", {count:,} {name}" for name, count in sorted(summary.labels.items()))
        )
        most = max(summary.ratings.values())
        for rating, count in sorted(summary.ratings.items()) if most else ():
            bar = "#" * -(-count * BAR // most)
            self.stdout.write(f"{rating:4}  {bar:{BAR}}  {count:,}")
        for number, reason in summary.bad_rows:
            self.stdout.write(f"row {number:,} (line {table.line(number):,}): {reason}")
        if summary.bad > LISTED_BAD_ROWS:
            self.stdout.write(f"and {summary.bad - LISTED_BAD_ROWS:,} more, see the column error")
        self.stdout.write(f"{checksum}  {target}")


class _Progress:
    """One line that is written over and over; nothing where the output is no terminal."""

    def __init__(self, out: OutputWrapper, table: Table) -> None:
        self._out = out if out.isatty() else None
        # Reading all rows takes a moment beside rating them.
        self._total = sum(1 for _ in table.rows()) if self._out else 0
        self._done = self._rated = 0
        self._started = self._written = time.monotonic()

    def found(self, rows: int) -> None:
        """Rows that an earlier run has rated."""
        self._done += rows

    def rated(self, rows: int) -> None:
        self._done += rows
        self._rated += rows
        now = time.monotonic()
        if self._out is None or now - self._written < PROGRESS_SECONDS:
            return
        self._written = now
        speed = self._rated / max(now - self._started, 1e-6)
        clock = _clock((self._total - self._done) / speed)
        line = f"{self._done:,} of {self._total:,} rows, {speed:,.0f} rows/s, {clock} left"
        self._out.write(f"\r{line:<70}", ending="")
        self._out.flush()

    def end(self) -> None:
        if self._out is not None:
            self._out.write(f"\r{'':<70}\r", ending="")


class _Waiting:
    """What is told of a job that workers rate: a line, and once what it waits for."""

    def __init__(self, out: OutputWrapper) -> None:
        self._out = out
        self._said = ""

    def told(self, job: BulkJob, progress: Progress) -> None:
        said = job.error or ("waits for a worker" if not job.started_at else "")
        if said and said != self._said and not job.is_over:
            self._out.write(f"{job}: {said}")
        self._said = said or self._said
        if self._out.isatty():
            of = f" of {progress.total:,}" if progress.total else ""
            rows = f"{progress.done:,}{of} rows"
            speed = f", {progress.rate:,.0f} rows/s" if progress.rate else ""
            left = f", {_clock(progress.seconds_left)} left" if progress.seconds_left else ""
            self._out.write(f"\r{job.stage}: {rows}{speed}{left}"[:79].ljust(79), ending="")
            self._out.flush()

    def end(self) -> None:
        if self._out.isatty():
            self._out.write(f"\r{'':79}\r", ending="")


def _clock(seconds: float) -> str:
    left = round(seconds)
    return f"{left // 3600}:{left // 60 % 60:02}:{left % 60:02}"


def _check_paths(source: Path, target: Path, *, force: bool) -> None:
    if not source.is_file():
        raise CommandError(f"IN must be a file, but there is none: {source}. Check its name.")
    if not target.parent.is_dir():
        raise CommandError(f"OUT's folder must exist, but {target.parent} does not. Make it.")
    if source.resolve() == target.resolve() or (target.exists() and source.samefile(target)):
        raise CommandError("OUT must be another file than IN, but they are the same.")
    _refuse_to_replace(target, force=force)
    try:
        formats = format_of(source.name), format_of(target.name)
    except ClassifierError as error:
        raise CommandError(str(error)) from error
    if formats[0] != formats[1]:
        raise CommandError(
            f"The result has the format of IN, {formats[0]}, but OUT is {target.name}. Rename it."
        )


def _refuse_to_replace(target: Path, *, force: bool) -> None:
    if target.is_dir():
        raise CommandError(f"OUT must be a file, but {target} is a folder.")
    if target.exists() and not force:
        raise CommandError(
            f"OUT must be a new file, but {target} exists. Add --force to replace it."
        )


def _identity(file: Path) -> tuple[int, int, int]:
    facts = file.stat()
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


def _chunks(table: Table, column: str) -> Iterator[Chunk]:
    return chunks(table.rows(), column, max_chars=settings.CLASSIFIER_MAX_CHARS)


def _engine(options: dict[str, Any], parts: Parts, predictor: Predictor) -> BulkEngine:
    if options["engine"] == "local":
        return LocalEngine(_classify)
    if options["workers"] < 1:
        raise CommandError(f"--workers must be 1 or more, but it is {options['workers']}.")
    return RayEngine(
        "classifier.predictor:load_predictor",
        # The model of this process, whichever is active by the time that Ray's have started.
        {
            "model": predictor.artefact.directory.resolve(),
            "models_dir": settings.MODELS_DIR,
            "name": predictor.name,
        },
        model=f"{predictor.name}@{predictor.revision}",
        prepare=django.setup,
        folder=parts.folder,
        read_chars=settings.CLASSIFIER_READ_CHARS,
        workers=options["workers"],
        address=options["ray_address"],
    )


def _classify(texts: list[str]) -> Sequence[Said]:
    predictor = holder.get()
    predictor.require_single_texts()
    return predictor.classify([text[: settings.CLASSIFIER_READ_CHARS] for text in texts])


def _keep(of: Iterable[Chunk], parts: Parts, file: str) -> None:
    """Keep every rated text as a prediction, once however often the command is started.

    A chunk's predictions are one transaction and their ids follow from file, column, model and
    row. A kill between that transaction and the note that the chunk is kept leads to the same
    ids again, which the database ignores. Nor does rating the same file a second time.
    """
    predictor = holder.get()
    version, _ = ModelVersion.objects.get_or_create(
        name=predictor.name, revision=predictor.revision
    )
    for chunk in of:
        if parts.is_kept(chunk.number):
            continue
        pairs = zip(chunk.items, parts.ratings(chunk.number), strict=True)
        with transaction.atomic():
            Prediction.objects.bulk_create(
                [
                    _prediction(item.text, rating, version, f"{file}:{version}:{item.row}")
                    for item, rating in pairs
                    if item.text is not None and rating.error is None
                ],
                ignore_conflicts=True,
            )
        parts.mark_kept(chunk.number)


def _prediction(text: str, rating: RowRating, version: ModelVersion, name: str) -> Prediction:
    said = rating._asdict()
    del said["error"]
    return Prediction(
        **said,
        id=uuid.uuid5(_KEPT_ROWS, name),
        text=text,
        text_sha256=text_digest(text),
        truncated=len(text) > settings.CLASSIFIER_READ_CHARS,
        model_version=version,
        source=Prediction.Source.BULK,
    )


def _write(
    table: Table, parts: Parts, count: int, target: Path, *, force: bool
) -> tuple[Summary, str]:
    def fill(out: BinaryIO) -> Summary:
        return write_result(table, parts.all_ratings(count), out)

    return _put(fill, parts.draft, target, force=force)


def _put(
    fill: Callable[[BinaryIO], Summary], draft: Path, target: Path, *, force: bool
) -> tuple[Summary, str]:
    """Write the result beside its place, flush it to the disk and put it there; its SHA-256."""
    try:
        with draft.open("w+b") as out:
            summary = fill(out)
            out.flush()
            os.fsync(out.fileno())
            out.seek(0)
            checksum = hashlib.file_digest(out, "sha256").hexdigest()
        _refuse_to_replace(target, force=force)
        os.replace(draft, target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    descriptor = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)  # so that the name outlives a power cut
    finally:
        os.close(descriptor)
    return summary, checksum


def _disk_error(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"The result must fit on the disk, but: {error.strerror}. Free some space and start "
            "the command again: it goes on where it was."
        )
    return f"IN must be readable and OUT's folder writable, but: {error}. Mend that."
