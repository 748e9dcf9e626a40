"""What the site talks to: database, Redis, and its own workers."""

import os
from datetime import timedelta
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.models.functions import Now
from django_otp.plugins.otp_totp.models import TOTPDevice

from classifier.cores import usable_cores
from classifier.jobs import Job
from classifier.jobs.database import from_now
from classifier.models import Worker
from reviewsite.doctor.examination import Finding, failed, ok, probe, skipped, warning

SECONDS = 3.0  # that Redis may take for one answer
CONNECTIONS_OF_WORKER = 9  # eight threads of a web worker, and the one that follows activations
RESERVED = 3  # superuser_reserved_connections
START = "Start it: make run, docker compose up --detach, or its line of the Procfile."
CARRIED_OUT_SECONDS = 5.0  # from what beat sends to the mark that it was done
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@probe("database", seconds=15)
def database() -> Finding:
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT sqlite_version()")
        else:
            cursor.execute("SHOW server_version")
        version = cursor.fetchone()[0]
    return ok(f"{connection.display_name} {version} answers")


@probe("migrations", seconds=20, needs=["database"])
def migrations() -> Finding:
    loader = MigrationLoader(connection)
    newer = [
        f"{app}.{name}"
        for app, name in loader.applied_migrations
        if app in loader.migrated_apps and (app, name) not in loader.disk_migrations
    ]
    if newer:
        return failed(
            f"the database is of a newer version: {', '.join(sorted(newer))}",
            "Run the version that made it, or restore a backup of before.",
        )
    waiting = sorted(set(loader.disk_migrations) - set(loader.applied_migrations))
    if waiting:
        first = ".".join(waiting[0])
        return failed(
            f"{len(waiting)} are not applied, the first {first}", "Run: manage.py prepare"
        )
    return ok("all are applied")


@probe("second_factor", needs=["migrations"])
def second_factor() -> Finding:
    if not settings.ADMIN_SECOND_FACTOR:
        return skipped("ADMIN_SECOND_FACTOR is off: a password alone opens the admin")
    staff = User.objects.filter(is_staff=True, is_active=True)
    without = staff.exclude(pk__in=TOTPDevice.objects.filter(confirmed=True).values("user"))
    names = [user.get_username() for user in without.order_by("username")]
    if names:
        return warning(
            f"{len(names)} of {staff.count()} accounts have set none up, the first {names[0]}",
            "Have their owners log in once: whoever knows such a password may set it up instead.",
        )
    return ok(f"all {staff.count()} accounts of the admin have one")


@probe("connections", needs=["database"])
def connections() -> Finding:
    if connection.vendor == "sqlite":
        return skipped("SQLite has no limit of connections")
    with connection.cursor() as cursor:
        cursor.execute("SHOW max_connections")
        most = int(cursor.fetchone()[0]) - RESERVED
    workers = int(os.environ.get("WEB_CONCURRENCY", usable_cores()))
    others = Worker.objects.alive().count() if Worker.is_migrated() else 0
    need = workers * CONNECTIONS_OF_WORKER + 3 * others
    told = f"{workers} web workers and {others} others keep up to {need} of {most} connections"
    if need <= 0.8 * most:
        return ok(told)
    remedy = "Raise max_connections, put a pool such as PgBouncer in front, or lower CONN_MAX_AGE."
    return (failed if need > most else warning)(told, remedy)


@probe("redis")
def redis() -> Finding:
    if not settings.REDIS_URL:
        if settings.DEPLOYED and connection.vendor != "sqlite":
            return warning(
                "REDIS_URL is not set: the queue is a folder, which workers of other hosts do not "
                "see",
                "Set REDIS_URL.",
            )
        return skipped("REDIS_URL is not set: the queue is a folder of this host")
    import redis as library

    try:
        version = _redis().info("server")["redis_version"]
    except library.AuthenticationError:
        return failed("it refuses the password in REDIS_URL", "Set it to Redis's own requirepass.")
    except library.RedisError as error:
        return failed(
            f"it must answer within {SECONDS:g} s, but: {error}",
            "Start it, or correct REDIS_URL. Until then jobs wait as rows, and are not lost.",
        )
    return ok(f"Redis {version} answers")


@probe("redis password", needs=["redis"])
def redis_password() -> Finding:
    if urlsplit(settings.REDIS_URL).password:
        return ok("it demands one")
    told = "REDIS_URL has no password: who reaches Redis gives the workers orders"
    remedy = "Start Redis with requirepass (deploy/redis does) and put it into REDIS_URL."
    host = urlsplit(settings.REDIS_URL).hostname
    return (warning if host in LOOPBACK else failed)(told, remedy)


@probe("redis memory", needs=["redis"])
def redis_memory() -> Finding:
    policy = _configured("maxmemory-policy")
    if policy is None:
        return skipped("Redis does not tell its configuration")
    if policy == "noeviction":
        return ok("noeviction: what is queued stays")
    return failed(
        f"maxmemory-policy is {policy}: full, Redis drops the queues' bindings, and Celery cannot "
        "send",
        "Set maxmemory-policy noeviction, as deploy/redis.conf does.",
    )


@probe("redis persistence", needs=["redis"])
def redis_persistence() -> Finding:
    said = _configured("appendonly")
    if said is None:
        return skipped("Redis does not tell its configuration")
    if said == "yes":
        return ok("appendonly: a restart loses no message")
    return warning(
        "appendonly is off: after a restart of Redis jobs start half a minute late",
        "Set appendonly yes, as deploy/redis.conf does.",
    )


def _queue(queue: str, kind: str) -> Finding:
    alive = [each.name for each in Worker.objects.alive() if queue in each.queues]
    if alive:
        return ok(", ".join(alive))
    told = f"no worker of the queue {queue!r} has given a sign of life in the last minute"
    waiting = sum(
        (model.objects.claimable() | model.objects.filter(status=model.Status.PAUSED)).count()
        for model in apps.get_models()
        if issubclass(model, Job) and model._meta.model_name == kind
    )
    if kind and not waiting:
        return warning(f"{told}; nothing waits for one", START)
    return failed(f"{told}; {waiting} jobs wait" if kind else told, START)


@probe("worker training", needs=["migrations"])
def worker_training() -> Finding:
    return _queue("training", "trainingrun")


@probe("worker bulk", needs=["migrations"])
def worker_bulk() -> Finding:
    return _queue("bulk", "bulkjob")


@probe("worker celery", needs=["migrations"])
def worker_celery() -> Finding:
    return _queue("celery", "")


@probe("schedule", needs=["migrations"])
def schedule() -> Finding:
    mark = Worker.objects.filter(pk=Worker.SCHEDULE).annotate(now=Now()).first()
    told = "nothing periodic has ever run"
    if mark is not None:
        age = (mark.now - mark.seen_at).total_seconds()
        told = f"what is periodic last ran {age:.0f} s ago"
        if age <= Worker.SILENT_SECONDS + settings.REAP_SECONDS:
            return ok(told)
    # Beat first sends what is periodic when one interval of its own is over.
    began = from_now(timedelta(seconds=-settings.REAP_SECONDS - CARRIED_OUT_SECONDS))
    if any("celery" in each.queues for each in Worker.objects.alive().filter(since__gt=began)):
        return skipped(
            f"{told}; beat was started less than {settings.REAP_SECONDS:g} s ago and has not "
            "sent it yet"
        )
    return failed(f"{told}: beat shall send it every {settings.REAP_SECONDS:g} s", START)


@cache
def _client(url: str) -> Any:
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return Redis.from_url(
        url,
        socket_connect_timeout=SECONDS,
        socket_timeout=SECONDS,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
        **settings.REDIS_TLS,
    )


def _redis() -> Any:
    return _client(settings.REDIS_URL)


def _configured(name: str) -> str | None:
    """What Redis is configured with; None where it may not be asked."""
    from redis import ResponseError

    try:
        return str(_redis().config_get(name)[name])
    except (ResponseError, KeyError):
        return None
