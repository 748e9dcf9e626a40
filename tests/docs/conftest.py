"""A site as the tutorial starts it, and a folder that looks like the top of the checkout."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from classifier.starter import installer
from tests.docs.shell import Shell
from tests.gates import missing
from tests.site import ROOT, Site, command


@dataclass(frozen=True)
class Desk:
    """Where a reader of the documentation sits."""

    site: Site
    folder: Path

    @property
    def shell(self) -> Shell:
        return Shell(self.folder, self.site)


@pytest.fixture(scope="package")
def documented_site(
    exported_model_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """The tiny model takes the starter's place, so that `starter` is trained in seconds."""
    var_dir = tmp_path_factory.mktemp("documented")
    starter = installer.directory(var_dir / "models")
    shutil.copytree(exported_model_dir, starter)
    with ExitStack() as stack:
        site = stack.enter_context(
            Site.started(var_dir, CLASSIFIER_MODEL=None, MLFLOW_TRACKING_URI=None)
        )
        log = var_dir / "worker-bulk.log"
        stack.enter_context(site.running(command("worker-bulk"), log=log))
        yield site


@pytest.fixture
def desk(documented_site: Site, tmp_path: Path) -> Desk:
    """What commands write goes there, and what they read is the checkout's."""
    if shutil.which("curl") is None:
        missing("SERVICES", "curl is not installed.")
    for name in ("manage.py", "docs", "benchmarks", "deploy", "training"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    # A refusal of the site's fails the command.
    (tmp_path / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n")
    return Desk(documented_site, tmp_path)
