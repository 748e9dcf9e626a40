import json
import os
import subprocess
import sys
from pathlib import Path

from tests.site import ROOT

# In a process of its own, for only the first schema is of interest.
ASK_AT_ONCE = """
import json, threading, time
import django
django.setup()
from django.test import Client
from django.urls import get_resolver
from drf_spectacular import plumbing
get_resolver().url_patterns
found = plumbing.import_string
def slowly(path):
    time.sleep(0.005)  # as on a machine with much to do
    return found(path)
plumbing.import_string = slowly
together, statuses = threading.Barrier(4), []
def ask(path):
    client = Client(raise_request_exception=False, SERVER_NAME="localhost")
    together.wait()
    statuses.append(client.get(path).status_code)
threads = [threading.Thread(target=ask, args=[path]) for path in ["/api/docs", "/api/schema"] * 2]
for each in threads: each.start()
for each in threads: each.join()
print(json.dumps(statuses))
"""


def test_all_who_ask_a_fresh_process_for_the_schema_at_once_get_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASK_AT_ONCE],
        cwd=ROOT,
        env={**os.environ, "VAR_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [200] * 4, done.stderr
