"""Secrets of a site that does all its work are nowhere but where they were given."""

import base64
import http.cookiejar
import re
import secrets
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
import pytest

from tests.servers import PostgreSQLServer, RedisServer, own_postgresql, own_redis
from tests.services.client import file_request
from tests.site import Site, command
from tests.training import tiny_run
from tests.waiting import until

PROCESSES = ("web", "beat", "worker-bulk", "worker-training")
ADMIN = (
    "",
    "classifier/prediction/",
    "classifier/bulkjob/",
    "classifier/modelversion/",
    "classifier/auditentry/",
    "classifier/apikey/",
    "training/trainingrun/",
    "auth/user/",
)
START_RUN = """
from tests.training.on_site import ON_SITE
from training.services import start_run
print(start_run(name="mine", overrides=ON_SITE | {"experiment": "canaries"}).pk)
"""
PLANTED = """
import os
from classifier.models import AuditEntry, audit_entry
audit_entry(AuditEntry.Action.TEXTS_PURGED, "x", None, reason=os.environ["HF_TOKEN"]).save()
print(os.environ["METRICS_TOKEN"])
"""


def canary(prefix: str = "") -> str:
    return prefix + secrets.token_hex(32)


@dataclass
class Guarded:
    """A site on PostgreSQL and Redis with all its processes, and what nobody may find."""

    site: Site
    redis: RedisServer
    postgresql: PostgreSQLServer
    canaries: dict[str, str]
    seen: dict[str, bytes]
    """What came out of its doors so far."""

    def ask(
        self, opener: urllib.request.OpenerDirector, name: str, address: str, **options: Any
    ) -> bytes:
        """Ask for an address; an error is an answer, too, and is kept as all of them are."""
        request = urllib.request.Request(f"{self.site.url}{address}", **options)
        try:
            with opener.open(request, timeout=60) as answer:
                body: bytes = answer.read()
                said = answer.headers
        except urllib.error.HTTPError as error:
            body, said = error.read(), error.headers
        self.seen[f"{name} {address}"] = str(said).encode() + body
        return body


@pytest.fixture
def guarded(
    tmp_path: Path, exported_model_dir: Path, tiny_base_dir: Path, empty_mlflow_store: Path
) -> Iterator[Guarded]:
    canaries = {
        **{name: canary() for name in ("SECRET_KEY", "METRICS_TOKEN", "LABEL_STUDIO_SECRET")},
        **{name: canary() for name in ("redis", "database", "admin", "MLFLOW_TRACKING_PASSWORD")},
        "HF_TOKEN": canary("hf_"),
    }
    with ExitStack() as stack:
        redis = stack.enter_context(own_redis(tmp_path, password=canaries["redis"]))
        postgresql = stack.enter_context(own_postgresql())
        var_dir = tmp_path / "var"
        var_dir.mkdir()
        tiny_run.write_site(var_dir, tiny_base_dir)
        shutil.copyfile(empty_mlflow_store, var_dir / "mlflow.db")
        site = Site.prepared(
            var_dir,
            ALLOWED_HOSTS="127.0.0.1",
            DATABASE_URL=postgresql.url.replace("postgres@", f"postgres:{canaries['database']}@"),
            REDIS_URL=redis.url,
            CLASSIFIER_MODEL=str(exported_model_dir),
            HF_ENDPOINT="http://127.0.0.1:1",
            HF_HUB_OFFLINE="0",
            OMP_NUM_THREADS="1",
            DJANGO_SUPERUSER_PASSWORD=canaries["admin"],
            LOG_LEVEL="DEBUG",
            **{name: value for name, value in canaries.items() if name.isupper()},
        )
        site.manage("createsuperuser", "--no-input", "--username", "ann", "--email", "a@b.example")
        canaries["API key"] = site.manage("api_key", "create", "x").split()[-1]
        site.environment.pop("DJANGO_SUPERUSER_PASSWORD")
        site.collect_static()
        for name in PROCESSES:
            log = var_dir / f"{name}.log"
            process = stack.enter_context(site.running(command(name), log=log))
            if name == "web":
                site.log = log
                site.wait(process, "readyz")
        yield Guarded(site, redis, postgresql, canaries, {})


def hits(canaries: Mapping[str, str], found: Mapping[str, bytes]) -> list[str]:
    """Where a canary is, as it is, in an address or in base64."""
    return [
        f"{name} in {place}"
        for name, value in canaries.items()
        for place, content in found.items()
        if any(
            form in content
            for form in (value.encode(), quote(value).encode(), base64.b64encode(value.encode()))
        )
    ]


def logged_in(guarded: Guarded) -> urllib.request.OpenerDirector:
    jar = http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    page = guarded.ask(opener, "login", "/admin/login/").decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert token
    given = {
        "csrfmiddlewaretoken": token[1],
        "username": "ann",
        "password": guarded.canaries["admin"],
        "next": "/admin/",
    }
    guarded.ask(opener, "log in", "/admin/login/", data=urlencode(given).encode())
    assert b"Dashboard" in guarded.ask(opener, "admin", "/admin/")
    return opener


def knock(guarded: Guarded) -> None:
    """At every door, with the right secret, without one and with one that is nearly right."""
    plain = urllib.request.build_opener()
    key = guarded.canaries["API key"]
    text = b'{"text": "A joy."}'
    json = {"Content-Type": "application/json"}
    for name, given in (("right", key), ("wrong", "rs_wrong"), ("twice", f"{key}{key}")):
        headers = {**json, "Authorization": f"Bearer {given}"}
        for body in (text, b"{", b""):
            guarded.ask(plain, name, "/api/predict", data=body, headers=headers)
        guarded.ask(plain, name, "/api/predictions", headers=headers)
    for address, secret in (
        ("/metrics", "METRICS_TOKEN"),
        ("/label-studio/health", "LABEL_STUDIO_SECRET"),
    ):
        for given in (guarded.canaries[secret], "wrong"):
            guarded.ask(plain, given[:5], address, headers={"Authorization": f"Bearer {given}"})
    for address in ("/", "/model", "/api/docs", "/api/schema", "/nowhere", "/bulk", "/readyz"):
        guarded.ask(plain, "visitor", address)


def rows(guarded: Guarded, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(guarded.postgresql.url) as connection:
        return connection.execute(query.encode()).fetchall()


def work(guarded: Guarded) -> None:
    """Rate a file, train a model with MLflow, and ask a Hub that does not answer."""
    sent = file_request(guarded.site, "reviews.csv", b"review\na good film\n")
    with urllib.request.urlopen(sent, timeout=60):
        pass
    guarded.site.manage("shell", "--no-imports", "--command", START_RUN)
    for table in ("classifier_bulkjob", "training_trainingrun"):
        until(lambda table=table: _status(guarded, table) not in ("queued", "running"))  # type: ignore[misc]
        assert _status(guarded, table) == "succeeded"
    with pytest.raises(AssertionError) as failed:
        guarded.site.manage("pull_model", "someone/model")
    guarded.seen["pull_model"] = str(failed.value).encode()


def _status(guarded: Guarded, table: str) -> str:
    return str(rows(guarded, f"SELECT status FROM {table}")[0][0])


def dumped(guarded: Guarded) -> dict[str, bytes]:
    """Database, Redis, all files of the site and the arguments of its processes."""
    found: dict[str, bytes] = {}
    tables = rows(guarded, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    for (table,) in tables:
        content = rows(guarded, f'SELECT * FROM "{table}"')
        found[f"table {table}"] = b"\n".join(
            value if isinstance(value, bytes) else str(value).encode()
            for row in content
            for value in row
        )
    client = guarded.redis.client()
    for entry in client.scan_iter():
        found[f"Redis {entry!r}"] = client.dump(entry) or b""
    for file in guarded.site.var_dir.rglob("*"):
        if file.is_file():
            found[str(file.relative_to(guarded.site.var_dir))] = file.read_bytes()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"VAR_DIR={guarded.site.var_dir}\0".encode() in (process / "environ").read_bytes():
                found[f"arguments {process.name}"] = (process / "cmdline").read_bytes()
    return found


def plant(guarded: Guarded) -> None:
    """A secret in a row of the database and one in a file."""
    said = guarded.site.manage("shell", "--no-imports", "--command", PLANTED)
    (guarded.site.var_dir / "planted").write_text(f"a token: {said}")


def test_no_secret_comes_out(guarded: Guarded) -> None:
    knock(guarded)
    work(guarded)
    admin = logged_in(guarded)
    for address in ADMIN:
        page = guarded.ask(admin, "admin", f"/admin/{address}").decode()
        for row in sorted(set(re.findall(rf'"(/admin/{address}[\w-]+/change/)', page)))[:3]:
            guarded.ask(admin, "admin", row)
    found = dumped(guarded)
    assert sum(name.startswith("arguments") for name in found) >= len(PROCESSES)
    assert any(b"canaries" in found[name] for name in found if name.startswith("mlflow.db"))
    assert hits(guarded.canaries, found) == []
    plant(guarded)  # or the look itself would prove nothing
    found = dumped(guarded)
    assert hits(guarded.canaries, found) == [
        "METRICS_TOKEN in planted",
        "HF_TOKEN in table classifier_auditentry",
    ]

    guarded.redis.stop()
    sent = file_request(guarded.site, "late.csv", b"review\na good film\n")
    with urllib.request.urlopen(sent, timeout=60):
        pass
    guarded.postgresql.stop()
    for address in ("/readyz", "/model", "/admin/"):
        guarded.ask(admin, "outage", address)
    time.sleep(3)  # for what the workers say of it
    logs = {log.name: log.read_bytes() for log in guarded.site.var_dir.glob("*.log")}
    assert b"database" in logs["web.log"]
    assert hits(guarded.canaries, logs | guarded.seen) == []
