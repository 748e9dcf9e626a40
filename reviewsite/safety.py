"""What a site does not start with: old libraries with known holes, a broker that is open to all.

manage.py and Celery's workers run these as system checks, and so does each worker of gunicorn,
which runs none by itself.
"""

import ipaddress
import os
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, register

TAG = "safety"
FLOORS = {
    "torch": "2.10",  # CVE-2025-32434, CVE-2026-24747: weights that run code or corrupt memory
    "transformers": "5.5",  # CVE-2026-1839, -4372, -5241: configurations that run code
    "djangorestframework": "3.17.2",  # CVE-2026-73228: bodies of any size
    "gunicorn": "26.1",  # smuggled requests, two Host headers
    "celery": "5.2.2",  # CVE-2021-23727: commands from a result backend
}
"""Distribution and the first version without what stands beside it."""
KEY_CHARS = 50
KEY_DIFFERENT = 5  # different characters, as Django's own check of a deployment has it


@register(TAG)
def libraries_are_new_enough(**kwargs: Any) -> list[CheckMessage]:
    """Nothing is imported: an image that serves graphs has no torch, and needs none."""
    from packaging.version import Version  # takes milliseconds, which only a start has

    found: list[CheckMessage] = []
    for name, floor in FLOORS.items():
        try:
            installed = version(name)
        except PackageNotFoundError:
            continue
        if Version(installed) < Version(floor):
            found.append(
                Error(
                    f"{name} must be {floor} or newer, for older ones have known holes, but it is "
                    f"{installed}.",
                    hint="Run: pip install -r requirements.txt",
                    id="reviewsite.E001",
                )
            )
    return found


@register(TAG)
def broker_is_guarded(**kwargs: Any) -> list[CheckMessage]:
    """Whoever writes into the queue starts jobs; on another host that may be anybody."""
    url = urlsplit(settings.REDIS_URL)
    if not settings.REDIS_URL or url.password or _is_here(url.hostname, url.scheme):
        return []
    return [
        Error(
            "A Redis that is not on this machine must have a password, but REDIS_URL, of "
            f"{url.hostname}, has none.",
            hint="Give Redis one (requirepass), and set REDIS_URL to "
            "redis://:PASSWORD@HOST:PORT/0.",
            id="reviewsite.E002",
        )
    ]


@register(TAG)
def redis_tls_is_whole(**kwargs: Any) -> list[CheckMessage]:
    """TLS that was meant is there, and verifies whom it talks to."""
    found: list[CheckMessage] = []
    url = urlsplit(settings.REDIS_URL)
    files = {
        name: getattr(settings, name)
        for name in ("REDIS_CA_FILE", "REDIS_CERT_FILE", "REDIS_KEY_FILE")
        if getattr(settings, name)
    }
    if files and url.scheme != "rediss":
        found.append(
            Error(
                f"{' and '.join(files)} are for a REDIS_URL that begins with rediss://, but it "
                f"begins with {url.scheme or 'nothing'}: what is sent would be readable.",
                hint="Write rediss:// in REDIS_URL, or leave them out.",
                id="reviewsite.E006",
            )
        )
    found += [
        Error(
            f"{name} must be a file that this process can read, but it cannot read {path}.",
            hint="Correct the path, and the rights of the file.",
            id="reviewsite.E007",
        )
        for name, path in files.items()
        if not (os.path.isfile(path) and os.access(path, os.R_OK))
    ]
    if "ssl_" in url.query:
        found.append(
            Error(
                "How Redis is verified stands in REDIS_CA_FILE, REDIS_CERT_FILE and "
                "REDIS_KEY_FILE, but REDIS_URL has parameters of its own (ssl_...).",
                hint="Take them out of REDIS_URL.",
                id="reviewsite.E008",
            )
        )
    return found


@register(TAG)
def deployment_is_closed(**kwargs: Any) -> list[CheckMessage]:
    """A deployment has a key that cannot be guessed, and shows no pages for developers."""
    if not settings.DEPLOYED:
        return []
    found: list[CheckMessage] = []
    key = settings.SECRET_KEY
    if len(key) < KEY_CHARS or len(set(key)) < KEY_DIFFERENT or key.startswith("django-insecure-"):
        found.append(
            Error(
                f"SECRET_KEY must be {KEY_CHARS} random characters or more, but it has "
                f"{len(key)}, {len(set(key))} of them different.",
                hint="Make one: python -c 'import secrets; print(secrets.token_urlsafe(64))'",
                id="reviewsite.E003",
            )
        )
    if settings.DEBUG:
        found.append(
            Error(
                "A deployment must not run with DEBUG, which shows its code and settings to "
                "everybody, but DEBUG is true while DATABASE_URL or ALLOWED_HOSTS is set.",
                hint="Set DEBUG to false.",
                id="reviewsite.E004",
            )
        )
    return found


@register(TAG, deploy=True)
def https_is_used(**kwargs: Any) -> list[CheckMessage]:
    """In the place of four warnings of Django's, which HTTPS=false silences."""
    if settings.HTTPS or not settings.DEPLOYED:
        return []
    return [
        Info(
            "HTTPS is set to false: passwords and sessions travel as they are.",
            hint="That is for a first look. Put something that ends HTTPS in front, and leave "
            "HTTPS out.",
            id="reviewsite.I005",
        )
    ]


def refuse_unsafe() -> None:
    """
    Raises:
        RuntimeError: a check of this module finds an error.
    """
    checks = (
        *(libraries_are_new_enough, broker_is_guarded, redis_tls_is_whole),
        deployment_is_closed,
    )
    found = [f"{error.msg} {error.hint}" for check in checks for error in check()]
    if found:
        raise RuntimeError("\n".join(found))


def _is_here(host: str | None, scheme: str) -> bool:
    if scheme.endswith("unix") or host in (None, "localhost"):
        return True
    try:
        return ipaddress.ip_address(str(host)).is_loopback
    except ValueError:  # a name
        return False
