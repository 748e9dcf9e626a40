"""An old process works on the tables of the version after it: migrations expand, then contract."""

from collections.abc import Iterator
from importlib import import_module

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


def later_operations(app: str) -> Iterator[tuple[str, Operation]]:
    loader = MigrationLoader(None)
    names = sorted(name for label, name in loader.disk_migrations if label == app)
    for name in names[names.index(BEFORE_THE_RULE[app]) + 1 :]:
        for operation in import_module(f"{app}.migrations.{name}").Migration.operations:
            yield name, operation


@pytest.mark.parametrize("app", APPS)
def test_a_process_of_the_version_before_works_on(app: str) -> None:
    created: set[str] = set()
    for name, operation in later_operations(app):
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
