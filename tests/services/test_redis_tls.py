"""Redis by TLS alone: broker and counts of requests reach it, and nobody who pretends to be it."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from pytest_django import Settings

from reviewsite import safety
from reviewsite.doctor import Outcome, services
from tests.certificates import Authority
from tests.servers import RedisServer, own_redis
from tests.services.client import predict, rate_file
from tests.site import ROOT, Site, command

SECONDS = 60
LIMIT = 3
ASK = """
import json
import django
django.setup()
from kombu.exceptions import OperationalError
from classifier.api.counters import counter
from reviewsite.celery import app
try:
    with app.connection_for_write() as connection:
        connection.ensure_connection(max_retries=0, timeout=5)
    told = True
except OperationalError:
    told = False
print(json.dumps([told, counter().count("somebody", 10) is not None]))
"""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


def secured(authority: Authority, host: str = "127.0.0.1", **more: str) -> dict[str, Path | str]:
    """The configuration of a Redis that has a certificate of this host."""
    files = authority.certify(host)
    return {
        "tls-cert-file": files.certificate,
        "tls-key-file": files.key,
        "tls-ca-cert-file": authority.certificate,
        **{name.replace("_", "-"): value for name, value in more.items()},
    }


def reached(server: RedisServer, folder: Path, **environment: str) -> list[bool]:
    """Whether a process of the site reaches the broker, and counts a request."""
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "reviewsite.settings",
            "VAR_DIR": str(folder / "var"),
            "REDIS_URL": server.url,
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout.splitlines()[-1]))


def test_jobs_and_counts_go_through_it(
    authority: Authority, exported_model_dir: Path, tmp_path: Path
) -> None:
    with (
        own_redis(tmp_path, password="guardsnothing", tls=secured(authority)) as server,
        Site.started(
            tmp_path,
            CLASSIFIER_MODEL=str(exported_model_dir),
            REDIS_URL=server.url,
            REDIS_CA_FILE=str(authority.certificate),
            RATE_LIMIT=str(LIMIT),
        ) as site,
        # No beat: a worker that takes the job up was woken through the broker.
        site.running(command("worker-bulk"), log=tmp_path / "worker.log"),
    ):
        assert server.url.startswith("rediss://")
        sent = rate_file(site, "reviews.csv", b"text\na superb film\na dull bore\n")
        assert sent.status == 202, sent.body
        statuses = [predict(site, {"text": "good"}).status for _ in range(LIMIT)]
        assert statuses == [200] * (LIMIT - 1) + [429]
        assert len(server.client().keys("reviewsite:rate:*")) == 1

        deadline = time.monotonic() + SECONDS
        with closing(sqlite3.connect(tmp_path / "db.sqlite3", timeout=20)) as rows:
            while rows.execute("SELECT status FROM classifier_bulkjob").fetchall() != [
                ("succeeded",)
            ]:
                assert time.monotonic() < deadline, (tmp_path / "worker.log").read_text()
                time.sleep(0.2)
    assert "insecure" not in (tmp_path / "worker.log").read_text()


@pytest.mark.parametrize(
    ("signed_by", "host", "trusts", "expected"),
    [
        ("authority", "127.0.0.1", "authority", True),
        ("authority", "127.0.0.1", None, False),
        ("stranger", "127.0.0.1", "authority", False),
        ("authority", "redis.example", "authority", False),
    ],
    ids=["the right one", "nobody's that is trusted", "a stranger's", "of another host"],
)
def test_only_a_certificate_that_is_trusted_and_names_the_host_is_taken(
    signed_by: str, host: str, trusts: str | None, expected: bool, tmp_path: Path
) -> None:
    authorities = {name: Authority(tmp_path, name) for name in ("authority", "stranger")}
    told = {"REDIS_CA_FILE": str(authorities[trusts].certificate)} if trusts else {}
    with own_redis(tmp_path, tls=secured(authorities[signed_by], host)) as server:
        assert reached(server, tmp_path, **told) == [expected, expected]


@pytest.mark.parametrize("shown", [True, False], ids=["shown", "not shown"])
def test_a_redis_that_wants_a_certificate_of_the_site_gets_it(
    shown: bool, authority: Authority, tmp_path: Path
) -> None:
    own = authority.certify("site.example")
    told = {"REDIS_CA_FILE": str(authority.certificate)}
    if shown:
        told |= {"REDIS_CERT_FILE": str(own.certificate), "REDIS_KEY_FILE": str(own.key)}
    with own_redis(tmp_path, tls=secured(authority, tls_auth_clients="yes")) as server:
        assert reached(server, tmp_path, **told) == [shown, shown]


def test_the_doctor_reaches_it(authority: Authority, tmp_path: Path, settings: Settings) -> None:
    with own_redis(tmp_path, tls=secured(authority)) as server:
        settings.REDIS_URL = server.url
        settings.REDIS_TLS = {"ssl_ca_certs": str(authority.certificate)}
        assert services.redis().outcome == Outcome.OK
        services._client(server.url).close()


@pytest.mark.parametrize(
    ("url", "files", "found"),
    [
        ("rediss://:p@redis/0", {"REDIS_CA_FILE": __file__}, []),
        ("rediss://:p@redis/0", {}, []),
        ("redis://:p@redis/0", {"REDIS_CA_FILE": __file__}, ["E006"]),
        ("", {"REDIS_KEY_FILE": __file__}, ["E006"]),
        ("rediss://:p@redis/0", {"REDIS_CA_FILE": "/no/such/file"}, ["E007"]),
        ("rediss://:p@redis/0?ssl_cert_reqs=none", {}, ["E008"]),
    ],
)
def test_tls_that_would_not_be_there_keeps_the_site_from_starting(
    url: str, files: dict[str, str], found: list[str], settings: Settings
) -> None:
    settings.REDIS_URL = url
    for name, path in files.items():
        setattr(settings, name, path)
    errors = safety.redis_tls_is_whole()
    assert [error.id for error in errors] == [f"reviewsite.{each}" for each in found]
    assert all(error.hint for error in errors)
    if found:
        with pytest.raises(RuntimeError):
            safety.refuse_unsafe()
