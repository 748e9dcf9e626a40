"""Logs: one event a line, without secrets, with the id of the request that it came from.

No Django here: gunicorn's own process, which has none, logs the same way.
"""

from collections.abc import Mapping
from typing import Any

JSON, LINE = FORMATS = ("json", "line")


def logging_config(*, form: str, level: str) -> dict[str, Any]:
    """What logging.config.dictConfig takes.

    Args:
        form: "json" for programs, "line" for people.

    Raises:
        ValueError: there is no such form.
    """
    if form not in FORMATS:
        raise ValueError(f"LOG_FORMAT is {' or '.join(FORMATS)}, but it is {form!r}.")
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"event": {"()": f"reviewsite.logs.formats.{form.capitalize()}Formatter"}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "event"}},
        # It logs addresses, and those of uploads carry signatures.
        "loggers": {"httpx2": {"level": "WARNING"}},
        "root": {"handlers": ["console"], "level": level},
    }


def of_gunicorn(environment: Mapping[str, str]) -> dict[str, Any]:
    """The same for gunicorn's process, as reviewsite.settings reads the environment."""
    deployed = "DATABASE_URL" in environment or "ALLOWED_HOSTS" in environment
    form = environment.get("LOG_FORMAT", JSON if deployed else LINE)
    config = logging_config(form=form, level=environment.get("LOG_LEVEL", "INFO"))
    # Its own handlers would print each event a second time, in another form.
    own = {"handlers": [], "propagate": True, "level": "INFO"}
    return config | {"loggers": {**config["loggers"], "gunicorn.error": own}}
