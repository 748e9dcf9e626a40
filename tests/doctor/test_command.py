"""The command as an operator runs it, and how probes are run."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from reviewsite.doctor import Finding, Outcome, examination, examine, ok, probe
from tests.site import ROOT, Site

SECRET = "a-secret-key-of-this-site-0123456789-0123456789-abcdefg"


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "_probes", {})
    monkeypatch.setattr(examination, "OWN", ())
    monkeypatch.setattr(examination, "autodiscover_modules", lambda name: None)


def test_a_probe_that_hangs_or_breaks_is_a_failure_and_the_next_is_run(probes: None) -> None:
    release = threading.Event()

    @probe("hangs", seconds=0.1)
    def hangs() -> Finding:
        release.wait(30)
        return ok("late")

    @probe("breaks")
    def breaks() -> Finding:
        raise ConnectionError("redis://:hunter2@redis.example refused")

    @probe("needs it", needs=["breaks"])
    def needs() -> Finding:
        return ok("never")

    @probe("well")
    def well() -> Finding:
        return ok("all is well")

    found = {each.name: each.finding for each in examine()}
    release.set()

    assert [each.outcome for each in found.values()] == [
        *(Outcome.FAILED, Outcome.FAILED, Outcome.SKIPPED, Outcome.OK)
    ]
    assert "within 0.1 s" in found["hangs"].told
    assert "hunter2" not in found["breaks"].told
    assert "breaks" in found["needs it"].told


def test_only_what_is_asked_for_and_what_it_needs_is_looked_at(probes: None) -> None:
    for name, needs in {"a": [], "b": ["a"], "c": []}.items():
        probe(name, needs=needs)(lambda: ok("well"))

    assert [each.name for each in examine(["b"])] == ["a", "b"]


def doctor(site: Site, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "manage.py", "doctor", *arguments],
        cwd=ROOT,
        env=site.environment,
        text=True,
        capture_output=True,
        timeout=120,
    )


def test_a_site_is_examined_and_its_secrets_are_not_shown(
    exported_model_dir: Path, tmp_path: Path
) -> None:
    site = Site.prepared(
        tmp_path,
        CLASSIFIER_MODEL=str(exported_model_dir),
        SECRET_KEY=SECRET,
        REDIS_URL="redis://:hunter22@127.0.0.1:9/0",
    )

    done = doctor(site, "--json")

    found = {each["name"]: each for each in json.loads(done.stdout)}
    assert done.returncode == 1
    assert found["model"]["outcome"] == "ok"
    assert found["redis"]["outcome"] == "failed"
    assert found["worker celery"]["remedy"]
    for secret in (SECRET, "hunter22"):
        assert secret not in done.stdout + done.stderr


def test_named_probes_are_printed_one_a_line(tmp_path: Path) -> None:
    site = Site.prepared(tmp_path)

    done = doctor(site, "migrations", "disk")

    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("ok       database: SQLite ")
    assert "ok       migrations: all are applied" in lines

    refused = doctor(site, "nothing")
    assert refused.returncode == 1
    assert "There is no 'nothing' to look at" in refused.stderr
