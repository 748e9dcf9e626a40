"""deploy/kubernetes is what Kubernetes takes, and what the site reads; no cluster runs here."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from django.utils import timezone

from training.models import TrainingRun

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
BASE, EXAMPLE = FOLDER / "base", FOLDER / "overlays" / "example"
VERSION = "1.33"
USER = 10001
READ_BY_OTHERS = {"OMP_NUM_THREADS", "GUNICORN_CMD_ARGS"}
OF_KEDA = {"ScaledJob"}  # its schema is not Kubernetes's own


def documents(file: Path) -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all(file.read_text(encoding="utf-8")) if each]


RESOURCES = [
    each
    for name in yaml.safe_load((BASE / "kustomization.yaml").read_text())["resources"]
    for each in documents(BASE / name)
]


def named(kind: str, name: str) -> dict[str, Any]:
    (found,) = [
        each for each in RESOURCES if each["kind"] == kind and each["metadata"]["name"] == name
    ]
    return found


def template(resource: dict[str, Any]) -> dict[str, Any] | None:
    """What its pods are made by."""
    spec = resource.get("spec", {})
    found: dict[str, Any] | None = spec.get("jobTargetRef", spec).get("template")
    return found


PODS = {
    each["metadata"]["name"]: made for each in RESOURCES if (made := template(each)) is not None
}
CONTAINERS = {
    f"{name}/{container['name']}": container
    for name, made in PODS.items()
    for container in (*made["spec"].get("initContainers", []), *made["spec"]["containers"])
}
every_pod = pytest.mark.parametrize("name", PODS)
every_container = pytest.mark.parametrize("name", CONTAINERS)


def validate(resource: dict[str, Any]) -> None:
    if resource["kind"] in OF_KEDA:
        # Its pods are those of a Job.
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "checked"}}
        of_job = {"template", "backoffLimit", "ttlSecondsAfterFinished"}
        spec = resource["spec"]["jobTargetRef"]
        assert set(spec) <= of_job
        kubernetes_validate.validate({**job, "spec": spec}, VERSION, strict=True)
        return
    kubernetes_validate.validate(resource, VERSION, strict=True)


@pytest.mark.parametrize(
    "resource", RESOURCES, ids=lambda each: f"{each['kind']}-{each['metadata']['name']}"
)
def test_each_resource_is_one_that_kubernetes_takes(resource: dict[str, Any]) -> None:
    validate(resource)


def test_a_misspelt_field_is_found() -> None:
    web = yaml.safe_load(yaml.safe_dump(named("Deployment", "web")))
    web["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        validate(web)


@pytest.mark.parametrize("folder", [BASE, EXAMPLE], ids=lambda path: path.name)
def test_a_kustomization_lists_every_file(folder: Path) -> None:
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text())
    files = {each for each in listed["resources"] if each.endswith(".yaml")}
    files |= {each["path"] for each in listed.get("patches", [])}
    assert {"kustomization.yaml", *files} == {path.name for path in folder.glob("*")}


def test_the_example_is_built_and_what_comes_out_is_valid() -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed: it builds without a cluster.")
    done = subprocess.run(
        ["kubectl", "kustomize", str(EXAMPLE)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    built = list(yaml.safe_load_all(done.stdout))
    assert len(built) == len(RESOURCES)
    for resource in built:
        validate(resource)
    images = set(re.findall(r"image: (\S+)", done.stdout))
    assert images == {"registry.example/reviewsite:0.1.0"}
    assert {each["metadata"].get("namespace", "") for each in built} <= {"reviewsite", ""}


@every_pod
def test_a_pod_is_contained(name: str) -> None:
    pod = PODS[name]["spec"]
    security = pod["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] == security["runAsGroup"] == security["fsGroup"] == USER
    assert f"USER {USER}:{USER}" in (ROOT / "Dockerfile").read_text()
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert not any("hostPath" in volume for volume in pod["volumes"])
    # Policies find it by this label.
    labels = PODS[name]["metadata"]["labels"]
    assert labels["app.kubernetes.io/part-of"] == "reviewsite"


@every_container
def test_a_container_may_do_nothing_and_has_limits(name: str) -> None:
    container = CONTAINERS[name]
    security = container["securityContext"]
    assert security["allowPrivilegeEscalation"] is False
    assert security["readOnlyRootFilesystem"] is True
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert set(container["resources"]["requests"]) == {"cpu", "memory"}
    assert "memory" in container["resources"]["limits"]
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounted == {"/data", "/tmp"}
    volumes = {volume["name"] for volume in PODS[name.partition("/")[0]]["spec"]["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} <= volumes


@every_container
def test_a_container_runs_what_the_image_has(name: str) -> None:
    container = CONTAINERS[name]
    assert container["image"] == "reviewsite"
    process, *arguments = container["args"]
    lines = (ROOT / "Procfile").read_text()
    script = (ROOT / "deploy" / "process").read_text()
    if process == "python":
        assert arguments[0] == "manage.py"
        assert arguments[1:] in (["migrate", "--no-input"], ["run_training", "--next"])
    else:
        assert f"\n{process}: " in f"\n{lines}" or f"\n{process})" in script


def settings_of(container: dict[str, Any]) -> Iterator[str]:
    yield from (each["name"] for each in container.get("env", []))
    for source in container["envFrom"]:
        if "configMapRef" in source:
            yield from named("ConfigMap", source["configMapRef"]["name"])["data"]


@every_container
def test_each_variable_is_one_that_something_reads(name: str) -> None:
    table = (ROOT / "docs" / "reference" / "settings.md").read_text()
    documented = set(re.findall(r"`([A-Z_]+)`", "".join(re.findall(r"^\|[^|]*\|", table, re.M))))
    assert set(settings_of(CONTAINERS[name])) <= documented | READ_BY_OTHERS


def test_secrets_are_named_and_not_held() -> None:
    text = "".join(path.read_text() for path in FOLDER.rglob("*.yaml"))
    assert not [each for each in RESOURCES if each["kind"] == "Secret"]
    assert "secretGenerator" not in text
    config = named("ConfigMap", "reviewsite")["data"]
    assert not {"SECRET_KEY", "DATABASE_URL", "REDIS_URL", "METRICS_TOKEN", "HF_TOKEN"} & set(
        config
    )
    for name, container in CONTAINERS.items():
        secrets = {
            each["secretRef"]["name"] for each in container["envFrom"] if "secretRef" in each
        }
        hub = {"reviewsite-hub"} if name == "training/training" else set()
        assert secrets == {"reviewsite", *hub}, name


def test_the_web_is_asked_where_it_answers() -> None:
    from reviewsite.middleware import PROBES

    (web,) = PODS["web"]["spec"]["containers"]
    port = web["ports"][0]
    assert f"BIND=0.0.0.0:{port['containerPort']}" in (ROOT / "Dockerfile").read_text()
    for probe, path in (("startup", "/startupz"), ("readiness", "/readyz"), ("liveness", "/livez")):
        asked = web[f"{probe}Probe"]["httpGet"]
        assert asked == {"path": path, "port": port["name"]}
        assert path in PROBES
    service = named("Service", "web")["spec"]
    assert service["selector"].items() <= PODS["web"]["metadata"]["labels"].items()
    assert service["ports"][0]["targetPort"] == port["name"]


def test_the_web_ends_after_what_it_was_asked() -> None:
    from reviewsite import gunicorn

    (web,) = PODS["web"]["spec"]["containers"]
    environment = {each["name"]: each["value"] for each in web["env"]}
    drain = float(environment["DRAIN_SECONDS"])
    # Longer than a probe that fails needs to be noticed
    assert drain >= web["readinessProbe"]["periodSeconds"] + web["readinessProbe"]["timeoutSeconds"]
    grace = PODS["web"]["spec"]["terminationGracePeriodSeconds"]
    assert gunicorn.drain_seconds == 0
    assert drain + gunicorn.graceful_timeout < grace
    assert (
        environment["WEB_CONCURRENCY"] == web["resources"]["requests"]["cpu"]
    )  # one thread of computing each


def test_replicas_are_the_autoscalers_and_one_beat_alone_runs() -> None:
    scaled = named("HorizontalPodAutoscaler", "web")["spec"]
    assert scaled["scaleTargetRef"]["name"] == "web"
    assert scaled["minReplicas"] >= 2
    assert "replicas" not in named("Deployment", "web")["spec"]
    assert named("PodDisruptionBudget", "web")["spec"]["maxUnavailable"] == 1
    beat = named("Deployment", "beat")["spec"]
    assert (beat["replicas"], beat["strategy"]["type"]) == (1, "Recreate")


def test_nothing_is_reached_but_what_is_named() -> None:
    policies = {each["metadata"]["name"]: each["spec"] for each in RESOURCES
                if each["kind"] == "NetworkPolicy"}  # fmt: skip
    deny = policies["default-deny"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    incoming = [name for name, spec in policies.items() if spec.get("ingress")]
    assert incoming == ["web-from-ingress-and-prometheus"]
    abroad = {
        name: [each["ipBlock"]["cidr"] for rule in spec.get("egress", []) for each in rule["to"]
               if "ipBlock" in each]
        for name, spec in policies.items()
    }  # fmt: skip
    assert {name for name, cidrs in abroad.items() if cidrs} == {"training-to-the-hub"}
    assert policies["training-to-the-hub"]["podSelector"]["matchLabels"].items() <= (
        PODS["training"]["metadata"]["labels"].items()
    )


@pytest.mark.django_db
def test_a_run_that_waits_starts_a_job_and_one_that_runs_none(transactional_db: None) -> None:
    from django.db import connection

    scaled = named("ScaledJob", "training")["spec"]
    (trigger,) = scaled["triggers"]
    assert trigger["type"] == "postgresql"
    assert trigger["metadata"]["connectionFromEnv"] == "DATABASE_URL"
    assert scaled["scalingStrategy"]["strategy"] == "accurate"
    assert scaled["jobTargetRef"]["backoffLimit"] == 0

    def waiting() -> int:
        with connection.cursor() as cursor:
            cursor.execute(trigger["metadata"]["query"])
            return int(cursor.fetchone()[0])

    assert waiting() == 0
    run = TrainingRun.objects.create(name="one", config={})
    TrainingRun.objects.create(name="two", config={}, cancel_requested=True)
    assert waiting() == 1
    claim = TrainingRun.objects.claim(run.pk)
    assert claim
    assert waiting() == 0

    claim.pause("The disk is full.")
    assert waiting() == 0
    TrainingRun.objects.update(look_at=timezone.now() - timedelta(seconds=2))
    assert waiting() == 1  # two, cancelled, is not paused
