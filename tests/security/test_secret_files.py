"""Secrets that containers have mounted as files: read at a start, and shown as little as others."""

import os
import re
import subprocess
from pathlib import Path

import psycopg
import pytest
from django.core.exceptions import ImproperlyConfigured

from reviewsite.redaction import SECRETS
from reviewsite.secret_files import LARGEST, NAMES, read_secret_files
from tests.servers import own_postgresql
from tests.services.client import predict
from tests.site import ROOT, START_SECONDS, Site, command

SECRET = "one-that-nobody-guesses-" + "abcdefgh" * 4
HUB_TOKEN = "hf_" + "aB3" * 11
SHOW = """
import logging, os
from django.conf import settings
from training.hub.connection import Hub
logging.getLogger("shown").warning("key %s token %s metrics %s at %s", settings.SECRET_KEY,
    os.environ["HF_TOKEN"], settings.METRICS_TOKEN, os.environ["DATABASE_URL"])
print(Hub.from_environment().token == os.environ["HF_TOKEN"], settings.DEPLOYED)
"""


def test_every_secret_that_the_site_reads_may_come_from_a_file() -> None:
    of_other_services = {"POSTGRES_PASSWORD", "REDIS_PASSWORD"}
    assert set(SECRETS) - set(NAMES) == of_other_services
    assert set(NAMES) - set(SECRETS) == {"DATABASE_URL", "REDIS_URL"}  # with a password in each


@pytest.mark.parametrize("content", [SECRET, f"{SECRET}\n", f"\r\n {SECRET} \r\n"])
@pytest.mark.parametrize("name", NAMES)
def test_the_secret_is_the_line_without_what_is_around_it(
    name: str, content: str, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_bytes(content.encode())
    environment = {f"{name}_FILE": str(tmp_path / "secret")}
    read_secret_files(environment)
    assert environment[name] == SECRET
    read_secret_files(environment)  # as a process that this one starts does
    assert environment[name] == SECRET


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (None, "No such file"),
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (f"{SECRET}\n{SECRET}\n".encode(), "more than that"),
        (f"{SECRET}\0".encode(), "more than that"),
        (SECRET.encode() * (LARGEST // len(SECRET) + 1), "more than that"),
        (SECRET.encode() + b"\xff", "other bytes"),
    ],
)
def test_a_file_without_a_secret_is_refused_and_not_shown(
    content: bytes | None, found: str, tmp_path: Path
) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    environment = {"HF_TOKEN_FILE": str(path)}
    with pytest.raises(ImproperlyConfigured, match=found) as refused:
        read_secret_files(environment)
    said = str(refused.value)
    assert "HF_TOKEN_FILE" in said
    assert str(path) in said
    assert SECRET not in said
    assert "HF_TOKEN" not in environment


def test_a_secret_with_two_sources_that_differ_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    environment = {"HF_TOKEN": HUB_TOKEN, "HF_TOKEN_FILE": str(tmp_path / "secret")}
    with pytest.raises(ImproperlyConfigured, match="one source") as refused:
        read_secret_files(environment)
    assert not {SECRET, HUB_TOKEN} & set(re.findall(r"[\w-]+", str(refused.value)))


def test_a_variable_that_is_no_secret_is_not_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "debug").write_text("true")
    environment = {"DEBUG_FILE": str(tmp_path / "debug"), "REDIS_KEY_FILE": "/no/such/file"}
    read_secret_files(environment)
    assert set(environment) == {"DEBUG_FILE", "REDIS_KEY_FILE"}


def test_a_site_runs_on_files_and_logs_none_of_what_is_in_them(
    exported_model_dir: Path, tmp_path: Path
) -> None:
    mounted = tmp_path / "run-secrets"
    mounted.mkdir()
    with own_postgresql() as server:
        url = server.url.replace("postgres@", "postgres:not-asked-for@")
        held = {
            "SECRET_KEY": SECRET,
            "DATABASE_URL": url,
            "HF_TOKEN": HUB_TOKEN,
            "METRICS_TOKEN": f"metrics-{SECRET[::-1]}",
        }
        for name, value in held.items():
            (mounted / name).write_text(f"{value}\n")
        files = {f"{name}_FILE": str(mounted / name) for name in held}
        site = Site.prepared(
            tmp_path,
            CLASSIFIER_MODEL=str(exported_model_dir),
            ALLOWED_HOSTS="127.0.0.1",
            **{**dict.fromkeys(held), **files},
        )
        (tmp_path / "db.sqlite3").unlink()
        site.manage("migrate", "--verbosity", "0")
        site.collect_static()
        with site.running(command("web"), log=site.log) as process:
            site.wait(process, "readyz")
            assert predict(site, {"text": "a lovely film"}).status == 200
        done = subprocess.run(
            [*command("web")[:1], "manage.py", "shell", "--no-imports", "--command", SHOW],
            cwd=ROOT,
            env=site.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        with psycopg.connect(server.url) as rows:
            assert rows.execute("SELECT text FROM classifier_prediction").fetchall() == [
                ("a lovely film",)
            ]
    assert done.stdout.split() == ["True", "True"]
    assert "metrics ***" in done.stderr
    assert not (tmp_path / "db.sqlite3").exists()
    for said in (done.stdout, done.stderr, site.log.read_text()):
        for value in (SECRET, HUB_TOKEN, held["METRICS_TOKEN"], "not-asked-for"):
            assert value not in said


@pytest.mark.parametrize(
    "arguments", [command("web"), [*command("web")[:1], "manage.py", "check"]], ids=["web", "check"]
)
def test_a_process_whose_file_is_missing_ends_and_says_so(
    arguments: list[str], tmp_path: Path
) -> None:
    done = subprocess.run(
        arguments,
        cwd=ROOT,
        env={**os.environ, "VAR_DIR": str(tmp_path), "SECRET_KEY_FILE": "/no/such/file"},
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
    )
    assert done.returncode == 1
    assert "SECRET_KEY_FILE must name a file" in done.stderr
    assert "Traceback" not in done.stderr
