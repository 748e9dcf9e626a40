"""An old process works on the tables of the version after it: migrations expand, then contract."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest
from django.apps import apps
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation

APPS = ("classifier", "training")
CONTRACTING = (
    migrations.RemoveField,
    migrations.RenameField,
    migrations.DeleteModel,
    migrations.RenameModel,
    migrations.AlterModelTable,
    migrations.AddConstraint,
    migrations.RunSQL,
)
BEFORE_THE_RULE = {
    "classifier": "0012_other_tasks",
    "training": "0002_languages",
}
"""0.1.0 is the first version: these were applied before any other could be beside it."""
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
NO_MOMENT = models.Value(None, output_field=models.DateTimeField())  # None alone has no type
BEFORE_PAUSED = ("queued", "running", "succeeded", "failed", "cancelled")
POSSIBLE: dict[str, tuple[Any, ...]] = {
    "status": BEFORE_PAUSED,
    "lease_until": (NO_MOMENT, MOMENT),
    "finished_at": (NO_MOMENT, MOMENT),
    "total": (0, 1),
    "done": (0, 1),
}
"""What a process of before writes into the columns of the constraints that were widened since."""
CONTRACTED: dict[str, str] = {}
"""Migrations that take something away: since which version nothing needs it."""


def stumbles(operation: Operation, created: set[str]) -> str:
    """Over what of it a process of before stumbles; "" over nothing.

    Args:
        created: models that are new in this migration or a later one than the rule's first.
    """
    name = str(getattr(operation, "model_name", getattr(operation, "name", ""))).lower()
    if name in created:
        return ""
    if isinstance(operation, CONTRACTING):
        return f"{type(operation).__name__} of {name}"
    if isinstance(operation, migrations.AddField | migrations.AlterField):
        field = operation.field
        left_out = field.null or field.has_db_default() or isinstance(field, models.ManyToManyField)
        if isinstance(operation, migrations.AddField) and not left_out:
            return f"{name}.{operation.name} has neither null nor db_default"
    return ""


def later_migrations(app: str) -> list[migrations.Migration]:
    disk = MigrationLoader(None).disk_migrations
    names = sorted(name for label, name in disk if label == app)
    return [disk[app, name] for name in names[names.index(BEFORE_THE_RULE[app]) + 1 :]]


def later_operations(app: str) -> Iterator[tuple[str, Operation]]:
    for migration in later_migrations(app):
        for operation in migration.operations:
            yield migration.name, operation


def widened(migration: migrations.Migration) -> list[tuple[str, models.Q, models.Q]]:
    """The constraints that a migration replaces: their names, and what they said and say."""
    loader = MigrationLoader(None)
    before = loader.project_state([(migration.app_label, migration.name)], at_end=False)
    replaced = []
    removed = {
        (each.model_name, each.name)
        for each in migration.operations
        if isinstance(each, migrations.RemoveConstraint)
    }
    for each in migration.operations:
        if not isinstance(each, migrations.AddConstraint):
            continue
        name = each.constraint.name
        if (each.model_name, name) in removed:
            state = before.models[migration.app_label, each.model_name]
            said: Any = state.get_constraint_by_name(name)
            says: Any = each.constraint
            replaced.append((name, said.condition, says.condition))
    return replaced


def refused(before: models.Q, after: models.Q) -> list[dict[str, Any]]:
    """Rows that a process of before writes and the new constraint does not take."""
    rows = [dict(zip(POSSIBLE, values, strict=True)) for values in product(*POSSIBLE.values())]
    return [row for row in rows if before.check(row) and not after.check(row)]


@pytest.mark.django_db
@pytest.mark.parametrize("app", APPS)
def test_a_constraint_that_is_replaced_takes_whatever_the_one_before_took(app: str) -> None:
    found = [each for migration in later_migrations(app) for each in widened(migration)]
    assert {name.partition("_")[2] for name, *_ in found} == {"status_known", "over_has_end"}
    for name, before, after in found:
        assert refused(before, after) == [], name


@pytest.mark.django_db
def test_a_constraint_that_takes_less_would_be_found() -> None:
    some, fewer = models.Q(status__in=BEFORE_PAUSED), models.Q(status__in=["queued", "running"])
    assert {row["status"] for row in refused(some, fewer)} == {"succeeded", "failed", "cancelled"}


@pytest.mark.parametrize("app", APPS)
def test_a_process_of_the_version_before_works_on(app: str) -> None:
    created: set[str] = set()
    replaced = {name for migration in later_migrations(app) for name, *_ in widened(migration)}
    for name, operation in later_operations(app):
        constraint = getattr(operation, "constraint", None)
        if constraint is not None and constraint.name in replaced:
            continue  # it takes what the one before took, as the test above has seen
        if isinstance(operation, migrations.CreateModel):
            created.add(operation.name.lower())
        elif f"{app}.{name}" not in CONTRACTED:
            assert stumbles(operation, created) == "", name


@pytest.mark.parametrize(
    ("operation", "told"),
    [
        (migrations.AddField("Prediction", "new", models.IntegerField(default=0)), "db_default"),
        (migrations.AddField("Prediction", "new", models.TextField()), "db_default"),
        (migrations.RemoveField("Prediction", "label"), "RemoveField of prediction"),
        (migrations.RenameField("Prediction", "label", "said"), "RenameField"),
        (migrations.DeleteModel("Prediction"), "DeleteModel"),
    ],
)
def test_what_would_break_one_is_found(operation: Operation, told: str) -> None:
    assert told in stumbles(operation, set())
    assert stumbles(operation, {"prediction"}) == ""


@pytest.mark.parametrize(
    "field", [models.IntegerField(null=True), models.IntegerField(db_default=0)]
)
def test_what_expands_is_let_pass(field: models.Field) -> None:
    assert stumbles(migrations.AddField("Prediction", "new", field), set()) == ""


def test_the_rule_begins_where_a_migration_is() -> None:
    disk = MigrationLoader(None).disk_migrations
    assert all((app, name) in disk for app, name in BEFORE_THE_RULE.items())
    assert all(tuple(name.split(".")) in disk for name in CONTRACTED)
    assert set(APPS) == {
        each.label for each in apps.get_app_configs() if each.name in ("classifier", "training")
    }
