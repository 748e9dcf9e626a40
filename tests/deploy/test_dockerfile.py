"""The Dockerfile keeps what it promises; no engine runs here, so it is read."""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")

Instruction = tuple[str, str]


def stages() -> dict[str, list[Instruction]]:
    """Each stage's instructions, its FROM among them; before the first: ''."""
    found: dict[str, list[Instruction]] = {"": []}
    lines = "\n".join(line for line in TEXT.splitlines() if not line.startswith("#"))
    stage = ""
    for line in lines.replace("\\\n", " ").splitlines():
        if not line.strip():
            continue
        word, _, rest = line.partition(" ")
        if word == "FROM":
            stage = rest.split(" AS ")[1]
            found[stage] = []
        found[stage].append((word, " ".join(rest.split())))
    return found


def image(target: str) -> list[Instruction]:
    """All instructions that make a target: its own after those of the stages it stands on."""
    own = stages()[target]
    base = own[0][1].split(" AS ")[0]
    return (image(base) if base in stages() else []) + own


def last(target: str, word: str) -> str:
    return [rest for name, rest in image(target) if name == word][-1]


targets = pytest.mark.parametrize("target", ["full", "serve"])


def test_the_whole_site_is_what_is_built_by_default() -> None:
    assert [*stages()][-1] == "full"


@targets
def test_an_image_runs_as_nobody_special(target: str) -> None:
    assert last(target, "USER") == "10001:10001"


@targets
def test_an_image_has_no_compiler_and_no_pip_cache_of_a_build(target: str) -> None:
    runs = [rest for word, rest in image(target) if word == "RUN"]
    assert not any("pip install" in run for run in runs)
    assert ("COPY", f"--from=venv-{target} /venv /venv") in image(target)
    for run in runs:
        if "apt-get install" in run:
            assert "--no-install-recommends" in run
            assert "rm -rf /var/lib/apt/lists/*" in run


@targets
def test_the_code_is_copied_last_so_that_a_change_of_it_installs_nothing(target: str) -> None:
    copies = [rest for word, rest in image(target) if word == "COPY"]
    assert copies[-1] == "--from=code /app /app"
    for stage, instructions in stages().items():
        if any("pip install" in rest for _, rest in instructions):
            assert ("COPY", ". .") not in image(stage)


@targets
def test_a_process_gets_signals_and_says_whether_it_is_well(target: str) -> None:
    entrypoint = json.loads(last(target, "ENTRYPOINT"))
    assert entrypoint == ["tini", "--", "/app/deploy/process"]
    assert json.loads(last(target, "CMD"))
    assert last(target, "STOPSIGNAL") == "SIGTERM"
    _, _, check = last(target, "HEALTHCHECK").partition("CMD ")
    assert json.loads(check) == ["python", "deploy/healthy.py"]


def test_no_secret_and_no_state_reach_the_image() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {".git", ".env", "**/.env", "var", ".venv", "shared"} <= set(ignored)
    for word, rest in [instruction for stage in stages().values() for instruction in stage]:
        if word in ("ARG", "ENV"):
            assert not re.search(r"SECRET|TOKEN|PASSWORD", rest)


@pytest.mark.parametrize("name", ["process", "nginx", "redis", "up"])
def test_a_script_is_executable_and_its_syntax_is_right(name: str) -> None:
    script = ROOT / "deploy" / name
    assert script.stat().st_mode & 0o111
    subprocess.run(["sh", "-n", str(script)], check=True)


SETTINGS = "reviewsite.settings"
WITHOUT_THE_REST = """
import sys

LACKING = {lacking!r}


class Refuser:
    def find_spec(self, name, path, target=None):
        if name in LACKING:
            raise ModuleNotFoundError(f"No module named {{name!r}} in the small image", name=name)


sys.meta_path.insert(0, Refuser())
import reviewsite.wsgi
from django.urls import get_resolver

get_resolver().url_patterns

from django.core.checks import run_checks

from classifier import checks
from classifier.predictor import holder
from reviewsite.commands import CONFIGURATION
from reviewsite.safety import TAG

asked = [TAG, CONFIGURATION]
assert checks and not [found for found in run_checks(tags=asked) if found.level >= 30]
print(holder.get().classify(["a superb film"])[0].label)
"""


def test_the_site_rates_on_what_the_small_image_has(
    tmp_path: Path, exported_model_dir: Path
) -> None:
    lines = (ROOT / "deploy" / "requirements-serve.in").read_text().splitlines()
    listed = [Requirement(line) for line in lines if not line.startswith("#")]
    pinned = (ROOT / "requirements.txt").read_text()
    for requirement in listed:
        assert re.search(rf"^{re.escape(requirement.name)}==", pinned, re.M), requirement

    brought = closure(listed)
    lacking = {
        module
        for module, providers in packages_distributions().items()
        if brought.isdisjoint(map(canonicalize_name, providers))
    }
    assert {"torch", "transformers", "mlflow"} <= lacking
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_THE_REST.format(lacking=lacking)],
        cwd=ROOT,
        env={
            **os.environ,
            "VAR_DIR": str(tmp_path),
            "DJANGO_SETTINGS_MODULE": SETTINGS,
            "CLASSIFIER_MODEL": str(exported_model_dir),
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "POSITIVE"


def closure(requirements: list[Requirement]) -> set[str]:
    """The names of the distributions that these bring with them."""
    found: set[str] = set()
    waiting = [(requirement, "") for requirement in requirements]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        asked = {"", *requirement.extras}
        if name in found and asked == {""}:
            continue
        found.add(name)
        try:
            brought = distribution(name).requires or []
        except PackageNotFoundError:
            continue
        waiting += [(Requirement(line), extra) for line in brought for extra in asked]
    return found
