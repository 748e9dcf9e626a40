"""compose.yaml keeps what it promises; no engine runs here, so it is read."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "compose.yaml").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PROCFILE = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
APP = {
    name: service for name, service in SERVICES.items() if "REVIEWSITE_IMAGE" in service["image"]
}
PASSWORDS = ("SECRET_KEY", "POSTGRES_PASSWORD", "REDIS_PASSWORD", "ALLOWED_HOSTS")
# Read by libraries, gunicorn and the Hub's client, not by the settings.
READ_BY_OTHERS = {
    "OMP_NUM_THREADS",
    "GUNICORN_CMD_ARGS",
    "MLFLOW_TRACKING_URI",
    "HF_TOKEN",
    "HF_ENDPOINT",
    "HF_HUB_OFFLINE",
    "HUB_ALLOWED",
}
every_service = pytest.mark.parametrize("name", SERVICES)


def test_all_services_are_there() -> None:
    assert set(SERVICES) == {*PROCFILE, "proxy", "migrate", "redis", "postgres", "mlflow"}
    assert SERVICES["mlflow"]["profiles"] == ["mlflow"]


def test_only_the_proxy_can_be_reached_and_by_this_host_alone_unless_told_otherwise() -> None:
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"proxy"}
    assert SERVICES["proxy"]["ports"] == ["${PUBLISH:-127.0.0.1:8080}:8080"]
    assert COMPOSE["networks"]["back"] == {"internal": True}
    assert SERVICES["proxy"]["networks"] == ["front"]
    for name in ("redis", "postgres"):
        assert SERVICES[name]["networks"] == ["back"]


def test_the_host_is_trusted_under_the_address_that_the_front_network_gives_it() -> None:
    trusted = SERVICES["proxy"]["environment"]["TRUSTED_PROXY"]
    (network,) = COMPOSE["networks"]["front"]["ipam"]["config"]
    assert trusted == f"${{TRUSTED_PROXY:-{network['gateway']}}}"


@pytest.mark.parametrize("variable", PASSWORDS)
def test_it_refuses_to_start_without(variable: str) -> None:
    uses = re.findall(rf"\$\{{{variable}(.*?)\}}", TEXT)
    assert uses
    assert all(use.startswith(":?") and len(use) > 20 for use in uses)


@every_service
def test_a_service_is_contained(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert str(service["user"]).split(":")[0] not in ("0", "root", "")
    assert "privileged" not in service
    assert "cap_add" not in service
    assert not any("docker.sock" in str(volume) for volume in service.get("volumes", []))


@every_service
def test_a_service_has_limits_and_comes_back(name: str) -> None:
    service = SERVICES[name]
    limits = service["deploy"]["resources"]["limits"]
    assert set(limits) == {"cpus", "memory"}
    assert service["restart"] == ("no" if name == "migrate" else "unless-stopped")


@every_service
def test_a_service_says_whether_it_is_well_or_why_it_cannot(name: str) -> None:
    healthcheck = SERVICES[name]["healthcheck"]
    if healthcheck.get("disable"):
        assert len(SERVICES[name]["x-no-healthcheck"]) > 20
    else:
        assert healthcheck["test"][0] in ("CMD", "CMD-SHELL")


@every_service
def test_what_a_service_waits_for_can_come_true(name: str) -> None:
    for other, wait in SERVICES[name].get("depends_on", {}).items():
        if wait["condition"] == "service_healthy":
            assert "test" in SERVICES[other]["healthcheck"]
        else:
            assert wait["condition"] == "service_completed_successfully"
            assert SERVICES[other]["restart"] == "no"


@pytest.mark.parametrize("name", sorted(APP.keys() - {"mlflow", "migrate"}))
def test_a_process_is_one_of_the_procfile_and_waits_for_its_services(name: str) -> None:
    assert APP[name]["command"] == [name]
    assert name in PROCFILE
    assert APP[name]["depends_on"].keys() == {"migrate", "postgres", "redis"}


@pytest.mark.parametrize(
    ("name", "seconds"), [("web", 30), ("worker-training", 120), ("worker-bulk", 30)]
)
def test_a_process_has_longer_to_stop_than_it_takes(name: str, seconds: int) -> None:
    assert int(APP[name]["stop_grace_period"].removesuffix("s")) > seconds


def test_the_web_process_has_time_for_as_much_draining_as_the_example_allows() -> None:
    assert APP["web"]["environment"]["DRAIN_SECONDS"] is None  # taken from .env
    example = (ROOT / "deploy" / "env.example").read_text()
    (most,) = re.findall(r"at most (\d+), for it is killed after (\d+)\n# DRAIN_SECONDS=", example)
    assert int(APP["web"]["stop_grace_period"].removesuffix("s")) == int(most[1])
    assert int(most[1]) > 30 + int(most[0])


def test_the_web_process_reads_what_training_writes() -> None:
    assert "data:/data:ro" in APP["web"]["volumes"]
    assert "data:/data" in APP["worker-training"]["volumes"]


@every_service
def test_a_named_volume_is_declared(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        source = volume.split(":")[0]
        assert source in COMPOSE["volumes"] or (ROOT / source).is_dir()


@pytest.mark.parametrize("name", sorted(APP.keys() - {"mlflow"}))
def test_each_variable_is_one_that_something_reads(name: str) -> None:
    table = (ROOT / "docs" / "reference" / "settings.md").read_text()
    documented = set(re.findall(r"`([A-Z_]+)`", "".join(re.findall(r"^\|[^|]*\|", table, re.M))))
    assert APP[name]["environment"].keys() <= documented | READ_BY_OTHERS


def test_the_example_names_every_variable_and_its_default() -> None:
    example = (ROOT / "deploy" / "env.example").read_text()
    shown = dict(re.findall(r"^(?:# )?([A-Z_]+)=(.*)$", example, re.M))
    used = dict(re.findall(r"\$\{([A-Z_]+)(?::-([^}]*))?", TEXT))
    passed_on = {
        variable
        for service in SERVICES.values()
        for variable, value in service.get("environment", {}).items()
        if value is None
    }
    assert shown.keys() == used.keys() | passed_on
    for variable, default in used.items():
        assert shown[variable] == default, variable


def test_redis_keeps_messages_on_disk_and_drops_none() -> None:
    assert SERVICES["redis"]["entrypoint"] == ["/deploy/redis"]
    lines = (ROOT / "deploy" / "redis.conf").read_text().splitlines()
    assert {"appendonly yes", "appendfsync everysec", "maxmemory-policy noeviction"} <= {*lines}
    assert "requirepass" in (ROOT / "deploy" / "redis").read_text()


def test_the_rehearsal_has_the_services_of_compose() -> None:
    rehearsal = dict(
        line.split(": ", 1) for line in (ROOT / "deploy" / "Procfile").read_text().splitlines()
    )
    commands = {line.split("deploy/process ")[-1].split()[0] for line in rehearsal.values()}
    assert set(PROCFILE) <= commands
    assert {"nginx", "redis", "postgres"} <= rehearsal.keys()


def test_every_queue_that_a_task_goes_to_has_a_process() -> None:
    from reviewsite.celery import app

    app.loader.import_default_modules()
    consumed = {
        queue
        for line in PROCFILE.values()
        for queues in re.findall(r"--queues (\S+)", line)
        for queue in queues.split(",")
    }
    ours = [name for name in app.tasks if not name.startswith("celery.")]
    assert ours
    for name in ours:
        task = app.tasks[name]
        route = app.amqp.router.route({"queue": getattr(task, "queue", None)}, name)
        assert route["queue"].name in consumed, name


def test_python_is_the_one_that_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    version = project["requires-python"].removeprefix(">=")
    assert f"python:{version}-slim" in TEXT
