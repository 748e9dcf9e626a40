"""Settings that contradict each other, or leave a door open."""

import os

from django.conf import settings
from django.core import checks

from classifier.cores import usable_cores
from reviewsite import catalogue
from reviewsite.doctor.examination import Finding, failed, ok, probe, skipped, warning

KEY_CHARS = 50
KEY_KINDS = 5  # as Django's security.W009
TOKEN_CHARS = 16
NEW_KEY = "Set it to what this prints: python -c 'import secrets; print(secrets.token_urlsafe(64))'"


@probe("https")
def https() -> Finding:
    if not settings.DEPLOYED:
        return skipped("this is no deployment: neither DATABASE_URL nor ALLOWED_HOSTS is set")
    if settings.HTTPS:
        return ok("cookies are for HTTPS alone, and HTTP is sent there")
    return failed(
        "HTTPS is off on a deployment: passwords and reviews travel as they are",
        "End HTTPS in front of the site and set HTTPS=true.",
    )


@probe("proxies")
def proxies() -> Finding:
    trusted, number = settings.TRUST_PROXY, settings.NUM_PROXIES
    if trusted and number < 1:
        return failed(
            f"TRUST_PROXY is on, but NUM_PROXIES is {number}: everybody has the proxy's address, "
            "and all share one limit of requests",
            "Set NUM_PROXIES to the number of your own proxies in front, or leave it out.",
        )
    if number > 0 and not trusted and settings.HTTPS:
        return failed(
            f"NUM_PROXIES is {number}, but TRUST_PROXY is off: behind HTTPS every request looks "
            "like HTTP and is sent back to HTTPS, without end",
            "Set TRUST_PROXY=true.",
        )
    if settings.HTTPS and not trusted:
        return warning(
            "HTTPS is on and no proxy is trusted: the site itself speaks HTTP, so what ends HTTPS "
            "is not believed unless it is on this host",
            "Set TRUST_PROXY=true behind a proxy that sets X-Forwarded-Proto.",
        )
    return ok(f"{number} in front" if trusted else "none in front")


@probe("keys")
def keys() -> Finding:
    weak = []
    key = settings.SECRET_KEY
    if len(key) < KEY_CHARS or len(set(key)) < KEY_KINDS or key.startswith("django-insecure-"):
        weak.append(f"SECRET_KEY (fewer than {KEY_CHARS} characters, or too much alike)")
    weak += [
        f"{name} (fewer than {TOKEN_CHARS} characters)"
        for name in ("METRICS_TOKEN", "LABEL_STUDIO_SECRET")
        if 0 < len(getattr(settings, name)) < TOKEN_CHARS
    ]
    if not weak:
        return ok("long enough to be guessed by nobody")
    return failed(f"too weak: {', '.join(weak)}", NEW_KEY)


@probe("debug")
def debug() -> Finding:
    if settings.DEPLOYED and settings.DEBUG:
        return failed("DEBUG is on: error pages show settings and code", "Unset DEBUG.")
    if settings.DEPLOYED and "*" in settings.ALLOWED_HOSTS:
        return warning(
            "ALLOWED_HOSTS has *: links in answers are to whatever name a request made up",
            "Name the hosts that people reach the site by.",
        )
    return ok("off" if not settings.DEBUG else "on, for this machine alone")


@probe("metrics token")
def metrics_token() -> Finding:
    if settings.METRICS_TOKEN:
        return ok("/metrics is open to who has it")
    if not settings.DEPLOYED:
        return skipped("/metrics of this machine's own site needs none")
    return warning(
        "METRICS_TOKEN is not set: /metrics is shut, and nothing watches the site",
        f"{NEW_KEY} Then give it to Prometheus.",
    )


@probe("system checks", seconds=30)
def system_checks() -> Finding:
    found = checks.run_checks(include_deployment_checks=settings.DEPLOYED)
    bad = [each for each in found if each.level >= checks.WARNING and not each.is_silenced()]
    if not bad:
        return ok("Django and the site find nothing")
    worst = max(bad, key=lambda each: each.level)
    told = "; ".join(f"{each.id}: {str(each.msg).splitlines()[0]}" for each in bad[:5])
    remedy = f"{worst.hint or 'See the check by its id.'} All: manage.py check --deploy"
    return (failed if worst.level >= checks.ERROR else warning)(told, remedy)


@probe("translations")
def translations() -> Finding:
    stale = [each for each in catalogue.LANGUAGES if not catalogue.is_compiled(each)]
    if not stale:
        return ok("compiled")
    return failed(
        f"not compiled as they are now: {', '.join(stale)}", "Run: manage.py compilemessages"
    )


@probe("threads")
def threads() -> Finding:
    cores = usable_cores()
    workers = int(os.environ.get("WEB_CONCURRENCY", cores))
    each = os.environ.get("OMP_NUM_THREADS")
    if each is None:
        count = max(1, cores // workers)  # as reviewsite.gunicorn sets it
    elif each.isdecimal() and int(each) > 0:
        count = int(each)
    else:
        return failed(f"OMP_NUM_THREADS is {each!r}, no number of threads", "Set it to 1.")
    told = f"{workers} web workers with {count} threads each on {cores} cores"
    if workers * count <= cores:
        return ok(told)
    return warning(
        f"{told}: threads that wait for each other are many times slower",
        f"Set WEB_CONCURRENCY={cores} and OMP_NUM_THREADS=1.",
    )
