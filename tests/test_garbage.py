"""Each process of the site looks for garbage seldom, from its start on."""

import os
import subprocess
import sys

import pytest

from reviewsite.garbage import SELDOM
from tests.site import ROOT

TELL = "import gc; print(gc.get_threshold())"
STARTS = {
    "a command": ("manage.py", "shell", "--no-imports", "--command", TELL),
    "gunicorn": ("-c", f"import reviewsite.gunicorn; {TELL}"),
    "a worker": ("-c", f"import reviewsite.celery; {TELL}"),
}


@pytest.mark.parametrize("start", STARTS)
def test_garbage_is_looked_for_seldom(start: str) -> None:
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "reviewsite.settings"}
    said = subprocess.check_output(
        [sys.executable, *STARTS[start]], cwd=ROOT, env=environment, text=True
    )
    assert said.split("\n")[0] == str(SELDOM)
