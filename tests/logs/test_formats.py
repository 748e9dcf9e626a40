import json
import logging
import sys

import pytest

from reviewsite.logs import logging_config, of_gunicorn, request_id
from reviewsite.logs.formats import JsonFormatter, LineFormatter, escaped

FORGED = "a\r\n2030-01-01 ERROR fake: \x1b[2Jgone\u2028\u202e"


def record(
    message: str, *arguments: object, error: bool = False, **extra: object
) -> logging.LogRecord:
    info = None
    if error:
        try:
            raise ValueError(f"a value with hf_abcdef\n{FORGED}")
        except ValueError:
            info = sys.exc_info()
    made = logging.LogRecord("reviewsite.x", logging.INFO, "x.py", 1, message, arguments, info)
    made.__dict__ |= extra
    return made


def test_a_line_cannot_be_forged() -> None:
    line = LineFormatter().format(record("Said: %s", FORGED))

    assert len(line.splitlines()) == 1
    assert line.endswith(r"Said: a\r\n2030-01-01 ERROR fake: \x1b[2Jgone\u2028\u202e")
    assert " INFO reviewsite.x: " in line


def test_no_line_of_a_traceback_looks_like_an_event() -> None:
    head, *more = LineFormatter().format(record("Failed", error=True)).splitlines()

    assert head.endswith(": Failed")
    assert any("ValueError" in line for line in more)
    assert all(line.startswith("    ") and "\x1b" not in line for line in more)
    assert "hf_abcdef" not in "".join(more)


def test_an_event_is_one_json_object() -> None:
    with request_id.bound("0123456789"):
        line = JsonFormatter().format(record("Said: %s", FORGED, error=True, rows=3))

    assert len(line.splitlines()) == 1
    found = json.loads(line)
    assert found["message"] == f"Said: {FORGED}"
    assert (found["level"], found["logger"], found["rows"]) == ("INFO", "reviewsite.x", 3)
    assert found["request_id"] == "0123456789"
    assert "ValueError" in found["exc_info"]
    assert "hf_abcdef" not in line


def test_without_a_request_there_is_no_id() -> None:
    assert "request_id" not in json.loads(JsonFormatter().format(record("x")))
    assert "[" not in LineFormatter().format(record("x"))


@pytest.mark.parametrize("formatter", [JsonFormatter, LineFormatter])
def test_secrets_are_left_out(
    formatter: type[logging.Formatter], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METRICS_TOKEN", 'tok"en')
    line = formatter().format(
        record("%s", 'hf_AbC123 redis://:pass@host/0 postgres://ann:word@db/x tok"en')
    )

    for secret in ("AbC123", "pass@", "word", 'tok"en', 'tok\\"en'):
        assert secret not in line
    assert "redis://:***@host/0" in line


def test_ordinary_characters_stay() -> None:
    assert escaped("Приятный фильм, 5 ★\t日本") == "Приятный фильм, 5 ★\t日本"


def test_a_form_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="LOG_FORMAT is json or line, but it is 'xml'"):
        logging_config(form="xml", level="INFO")


def test_gunicorn_logs_as_the_site_does() -> None:
    def formatter(**environment: str) -> str:
        return str(of_gunicorn(environment)["formatters"]["event"]["()"])

    assert formatter().endswith("LineFormatter")
    assert formatter(ALLOWED_HOSTS="x").endswith("JsonFormatter")
    assert formatter(DATABASE_URL="x", LOG_FORMAT="line").endswith("LineFormatter")
