"""Databases beside the one that pytest-django makes: real ones, which threads share."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import environ
from django.conf import settings
from django.core.management import call_command
from django.db import connections

from tests.site import migrated_file


def sqlite(path: Path) -> dict[str, Any]:
    """A file, with the site's own options."""
    return {**settings.DATABASES["default"], "NAME": path}


def postgresql(url: str) -> dict[str, Any]:
    return {"OPTIONS": {}, **environ.Env.db_url_config(url)}


@contextmanager
def in_use(database: dict[str, Any], *, tables: bool = True) -> Iterator[None]:
    """The models' rows, of every thread, lie in this database; it gets its tables, or has none."""
    before, connection = connections.settings["default"], connections["default"]
    connections.settings["default"] = {**before, **database}
    del connections["default"]
    try:
        if tables:
            _make_tables(database)
        yield
    finally:
        connections["default"].close()
        connections.settings["default"] = before
        connections["default"] = connection


def _make_tables(database: dict[str, Any]) -> None:
    name = database["NAME"]
    if isinstance(name, Path) and not name.exists():
        shutil.copyfile(migrated_file(), name)
    elif not connections["default"].introspection.table_names():
        call_command("migrate", verbosity=0)
