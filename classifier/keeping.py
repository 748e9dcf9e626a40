"""The write between an answer and its sender: in the database before the answer leaves.

Threads that wait for the database at the same time share one transaction. SQLite lets one writer
in at a time, and those outside poll for their turn.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

from django.db import (
    DEFAULT_DB_ALIAS,
    IntegrityError,
    InterfaceError,
    OperationalError,
    connection,
    connections,
    models,
    transaction,
)

from classifier.batching import Batcher
from classifier.model_store import version_of
from classifier.models import ModelVersion, Prediction
from classifier.predictor import Predictor

_versions: WeakKeyDictionary[Predictor, ModelVersion] = WeakKeyDictionary()


def keep(predictions: Sequence[Prediction], predictor: Predictor) -> None:
    """Write predictions of one model, all or none, with its version; durable when it returns.

    Raises:
        DatabaseError: nothing was kept.
    """
    remembered = predictor in _versions
    try:
        _write(predictions, _version_of(predictor))
    except IntegrityError:
        if not remembered:
            raise
        # Somebody has deleted the version that this process remembers.
        _versions.pop(predictor, None)
        _write(predictions, _version_of(predictor))


def _version_of(predictor: Predictor) -> ModelVersion:
    version = _versions.get(predictor)
    if version is None:
        version = version_of(predictor.name, predictor.revision, predictor.task)
        _versions[predictor] = version
    return version


def _write(predictions: Sequence[Prediction], version: ModelVersion) -> None:
    for prediction in predictions:
        prediction.model_version = version
    if connection.in_atomic_block:
        # The rows of others would wait for a commit that is not theirs.
        _insert(predictions)
    else:
        _insert_together(predictions)


def _insert(predictions: Sequence[Prediction]) -> Sequence[Prediction]:
    """One transaction; the ORM's bulk_create would compile its statement anew each time."""
    database = connections[DEFAULT_DB_ALIAS]
    rows = [
        [
            prepare(getattr(row, name), database) if prepare else getattr(row, name)
            for name, prepare in _columns()
        ]
        for row in predictions
    ]
    statement = _statement(str(database.vendor))
    with database.cursor() as cursor:
        if len(rows) == 1:
            cursor.execute(statement, rows[0])  # a transaction by itself
        else:
            with transaction.atomic():
                cursor.executemany(statement, rows)
    for prediction in predictions:
        prediction._state.adding = False
        prediction._state.db = DEFAULT_DB_ALIAS
    return predictions


@cache
def _columns() -> list[tuple[str, Callable[[Any, Any], Any] | None]]:
    """The attribute behind each column, and how a value of it becomes the database's own."""
    return [
        (
            field.attname,
            # Strings, numbers and truth values are passed on as they are.
            field.get_db_prep_save
            if isinstance(field, models.UUIDField | models.DateTimeField | models.JSONField)
            else None,
        )
        for field in Prediction._meta.concrete_fields
    ]


@cache
def _statement(vendor: str) -> str:
    """The INSERT of one prediction; databases differ in how they quote."""
    quote = connection.ops.quote_name
    columns = [quote(str(field.column)) for field in Prediction._meta.concrete_fields]
    # All of it is our own names.
    places = ", ".join(["%s"] * len(columns))
    table = quote(Prediction._meta.db_table)
    names = ", ".join(columns)
    return f"INSERT INTO {table} ({names}) VALUES ({places})"  # noqa: S608  # nosec B608


_insert_together: Batcher[Prediction, Prediction] = Batcher(
    _insert,
    together=True,
    # A database that does not answer would keep them waiting one after the other.
    common=(OperationalError, InterfaceError),
)
