"""The web process must start without the heavy libraries: an engine imports them when it loads."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.site import ROOT

HEAVY = ("torch", "transformers", "datasets", "sklearn", "mlflow", "peft", "pandas")
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


@pytest.mark.parametrize("start", STARTS)
def test_a_start_imports_no_heavy_library(start: str, tmp_path: Path) -> None:
    code = f"{STARTS[start]}\nimport sys\nprint([n for n in {HEAVY!r} if n in sys.modules])"

    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ
        | {"VAR_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "reviewsite.settings"},
        text=True,
        capture_output=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_serving_an_exported_model_imports_no_heavy_library(
    exported_model_dir: Path, tmp_path: Path
) -> None:
    """Loading and rating, as a worker of gunicorn does it."""
    code = """
import django, sys
django.setup()
from classifier.predictor import load_predictor
from django.conf import settings
load_predictor(settings.CLASSIFIER_MODEL, models_dir=settings.MODELS_DIR).classify(["good", "bad"])
"""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nprint([n for n in {HEAVY!r} if n in sys.modules])"],
        cwd=ROOT,
        env=os.environ
        | {
            "VAR_DIR": str(tmp_path),
            "DJANGO_SETTINGS_MODULE": "reviewsite.settings",
            "CLASSIFIER_MODEL": str(exported_model_dir),
        },
        text=True,
        capture_output=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
