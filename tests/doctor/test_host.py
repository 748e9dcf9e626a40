import os
import shutil
from collections import namedtuple
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings

from classifier.models import Worker
from reviewsite.doctor import Finding, Outcome, host
from tests.classifier.jobs.databases import in_use, postgresql

GIB = 2**30
Usage = namedtuple("Usage", "total used free")


def outcome(finding: Finding) -> Outcome:
    assert finding.told
    if finding.outcome in (Outcome.WARNING, Outcome.FAILED):
        assert finding.remedy
    return finding.outcome


@pytest.mark.parametrize(
    ("free", "expected"),
    [(100 * GIB, Outcome.OK), (2 * GIB, Outcome.WARNING), (GIB // 2, Outcome.FAILED)],
)
def test_a_full_disk_is_found(
    free: int, expected: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(100 * GIB, 0, free))

    assert outcome(host.disk()) == expected


def test_folders_that_others_may_change_or_read_are_found(
    settings: Settings, tmp_path: Path
) -> None:
    settings.VAR_DIR = tmp_path
    tmp_path.chmod(0o755)
    assert outcome(host.permissions()) == Outcome.OK

    key = tmp_path / "secret_key"
    key.write_text("secret")
    key.chmod(0o644)
    assert outcome(host.permissions()) == Outcome.FAILED
    key.chmod(0o600)
    assert outcome(host.permissions()) == Outcome.OK

    tmp_path.chmod(0o777)
    assert outcome(host.permissions()) == Outcome.FAILED

    settings.VAR_DIR = tmp_path / "none"
    assert outcome(host.permissions()) == Outcome.FAILED


def test_a_folder_that_cannot_be_written_is_found(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.VAR_DIR = tmp_path
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere

    assert outcome(host.permissions()) == Outcome.WARNING


@pytest.fixture
def database_file(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "db.sqlite3"
    monkeypatch.setitem(connection.settings_dict, "NAME", str(file))
    return file


def mounted(kind: str, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/vda1 / ext4 rw 0 0\nserver:/x {place} {kind} rw 0 0\n")
    monkeypatch.setattr(host, "MOUNTS", mounts)


@pytest.mark.django_db
@pytest.mark.parametrize(("kind", "expected"), [("ext4", Outcome.OK), ("nfs4", Outcome.FAILED)])
def test_sqlite_on_a_network_file_system_is_found(
    kind: str,
    expected: Outcome,
    database_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mounted(kind, tmp_path, tmp_path, monkeypatch)

    finding = host.sqlite()

    assert outcome(finding) == expected
    assert kind in finding.told


@pytest.mark.django_db
def test_sqlite_of_several_hosts_is_found(database_file: Path) -> None:
    for name in ("a", "b"):
        Worker.objects.create(name=f"bulk@{name}", host=name, queues=["bulk"])

    finding = host.sqlite()

    assert outcome(finding) == Outcome.FAILED
    assert "a, b" in finding.told


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("limit", "expected"),
    [("max", Outcome.OK), (str(215 * 2**20), Outcome.WARNING), (str(2**20), Outcome.FAILED)],
)
def test_a_budget_of_memory_that_is_too_small_is_found(
    limit: str,
    expected: Outcome,
    served_graph: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "memory.max"
    file.write_text(limit)
    monkeypatch.setattr(host, "MEMORY_LIMITS", (file,))
    monkeypatch.setenv("WEB_CONCURRENCY", "1")

    finding = host.memory()

    assert outcome(finding) == expected
    assert "(onnx)" in finding.told


@pytest.mark.django_db
def test_memory_for_a_model_that_is_not_there_is_not_guessed(no_model: Path) -> None:
    assert outcome(host.memory()) == Outcome.SKIPPED


@pytest.mark.parametrize(
    ("ahead", "expected"), [(0, Outcome.OK), (10, Outcome.WARNING), (3600, Outcome.FAILED)]
)
def test_a_clock_that_is_wrong_is_found(
    ahead: int,
    expected: Outcome,
    django_db_blocker: Any,
    postgresql_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + timedelta(seconds=ahead)

    assert Clock.now(UTC)
    monkeypatch.setattr(host, "datetime", Clock)
    with django_db_blocker.unblock(), in_use(postgresql(postgresql_url), tables=False):
        assert outcome(host.clock()) == expected


def test_static_files_that_are_not_collected_are_found(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "static_files_changed", lambda: True)
    assert outcome(host.static_files()) == Outcome.FAILED
    monkeypatch.setattr(host, "static_files_changed", lambda: False)
    assert outcome(host.static_files()) == Outcome.OK
