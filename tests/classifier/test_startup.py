"""What a process imports before it is ready, and what only when somebody asks for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.site import ROOT

HEAVY = ("torch", "transformers", "datasets", "sklearn", "mlflow", "peft", "pandas")
# A process that rates texts for programs needs none of these; together they take as long to
# import as all that it needs.
OF_PAGES_AND_QUEUES = (
    "rest_framework.views",
    "celery",
    "kombu",
    "classifier.admin",
    "training.admin",
)
STARTS = {
    "the site": """
import django
django.setup()
import reviewsite.urls, reviewsite.wsgi
""",
    "manage.py check": """
import sys
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", "check"])
""",
    "the worker's tasks": """
from reviewsite.celery import app
import django
django.setup()
app.loader.import_default_modules()
""",
}


def run(code: str, folder: Path, **environment: str) -> str:
    """The last line that a fresh process prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ
        | {"VAR_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "reviewsite.settings"}
        | environment,
        text=True,
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def imported(names: tuple[str, ...]) -> str:
    """Code that prints which of these modules a process has imported."""
    return f"\nimport sys\nprint([name for name in {names!r} if name in sys.modules])"


@pytest.mark.parametrize("start", STARTS)
def test_a_start_imports_no_heavy_library(start: str, tmp_path: Path) -> None:
    assert run(STARTS[start] + imported(HEAVY), tmp_path) == "[]"


def test_a_review_is_rated_before_anything_else_is_imported(
    exported_model_dir: Path, tmp_path: Path
) -> None:
    """From the start of a gunicorn worker to its first answer, with an exported model."""
    code = """
import io
from reviewsite.wsgi import application
from django.core.management import call_command
call_command("migrate", verbosity=0, skip_checks=True)
body = b'{"text": "A joy from start to end."}'
statuses = []
application(
    {
        "REQUEST_METHOD": "POST", "PATH_INFO": "/api/predict", "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body),
        "SERVER_NAME": "localhost", "SERVER_PORT": "80", "wsgi.url_scheme": "http",
    },
    lambda status, headers: statuses.append(status),
)
assert statuses == ["200 OK"], statuses
"""
    found = run(
        code + imported(HEAVY + OF_PAGES_AND_QUEUES),
        tmp_path,
        CLASSIFIER_MODEL=str(exported_model_dir),
    )

    assert found == "[]"


def test_a_flood_of_refused_requests_imports_no_framework(tmp_path: Path) -> None:
    """A refusal costs less than a rating: no model, no DRF."""
    code = """
import io
from reviewsite.wsgi import application
from django.core.management import call_command
call_command("migrate", verbosity=0, skip_checks=True)
statuses = []
def ask(body, **headers):
    application(
        {
            "REQUEST_METHOD": "POST", "PATH_INFO": "/api/predict", "CONTENT_TYPE":
            "application/json", "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body),
            "SERVER_NAME": "localhost", "SERVER_PORT": "80", "wsgi.url_scheme": "http",
            "REMOTE_ADDR": "203.0.113.7", **headers,
        },
        lambda status, headers: statuses.append(status[:3]),
    )
ask(b'{"text": "A joy."}')
ask(b'{"text": "A joy."}', HTTP_AUTHORIZATION="Bearer rs_another", HTTP_ACCEPT_LANGUAGE="ru")
ask(b'{"text": "A joy."}', HTTP_AUTHORIZATION="Bearer rs_another")
from django.conf import settings
settings.API_KEYS, settings.RATE_LIMIT = "optional", 0
ask(b'{"text": " "}')
ask(b'{"review": "A joy."}')
assert statuses == ["401", "401", "429", "400", "400"], statuses
"""
    environment = {"API_KEYS": "required", "RATE_LIMIT": "2"}

    assert run(code + imported(HEAVY + OF_PAGES_AND_QUEUES), tmp_path, **environment) == "[]"


@pytest.mark.parametrize("asked", ["import reviewsite.urls", "run_checks(tags=['admin'])"])
def test_the_admin_knows_its_pages_once_they_are_needed(asked: str, tmp_path: Path) -> None:
    code = f"""
import django
django.setup()
from django.contrib import admin
from django.core.checks import run_checks
before = len(admin.site._registry)
{asked}
print(before, len(admin.site._registry) > 3)
"""
    assert run(code, tmp_path) == "0 True"
