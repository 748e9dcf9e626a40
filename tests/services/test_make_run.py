import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.site import ROOT, STOP_SECONDS, Site


def test_make_run_serves_and_ctrl_c_stops_all_of_it(tiny_model_dir: Path, tmp_path: Path) -> None:
    site = Site.prepared(tmp_path, CLASSIFIER_MODEL=str(tiny_model_dir), CELERY_SKIP_CHECKS=None)
    # This Python's own programs, and nothing installed by the way.
    made = ["--old-file", ".venv/installed", f"BIN={Path(sys.executable).parent}"]
    with site.log.open("w") as output:
        process = subprocess.Popen(
            ["make", "--no-print-directory", *made, "run"],
            cwd=ROOT,
            env=site.environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        site.wait(process, "readyz")
        assert len(processes_of(site)) > 3
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does at Ctrl-C
        started = time.monotonic()
        process.wait(timeout=STOP_SECONDS)
        # After five seconds honcho kills what is left, and says so.
        assert time.monotonic() - started < 10
    finally:
        said = site.log.read_text()
        left = processes_of(site)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        process.wait()
    assert left == []
    assert f"http://127.0.0.1:{site.url.rpartition(':')[2]}/admin/" in said
    for name in ("web", "worker-training", "worker-bulk", "beat"):
        assert f"{name}.1 stopped (rc=0)" in said
    for alarm in ("Traceback", "WARNING", "ERROR", "SIGKILL", "Loading weights"):
        assert alarm not in said


def processes_of(site: Site) -> list[int]:
    """Those that were started with the site's VAR_DIR, however far they are from the first."""
    mark = f"VAR_DIR={site.var_dir}\0".encode()
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in environ.read_bytes():
                found.append(int(environ.parent.name))
        except OSError:
            continue  # it has ended, or is another user's
    return found
