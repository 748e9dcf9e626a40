"""This host: its disk, its files, its memory and its clock."""

import os
import shutil
import stat
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.db import connection

from classifier.artefact import open_artefact
from classifier.cores import usable_cores
from classifier.exceptions import ModelNotReady
from classifier.management.commands.prepare import static_files_changed
from classifier.model_files import FILES, GRAPH, GRAPH_WEIGHTS
from classifier.model_store import active_version, directory_of
from classifier.models import Worker
from reviewsite.doctor.examination import Finding, failed, ok, probe, skipped, warning

GIB = 2**30
LEAST_FREE, GOOD_FREE = GIB, 5 * GIB  # a checkpoint of a base model takes 1.3 GB
NETWORK_FILE_SYSTEMS = {
    *("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "lustre", "glusterfs", "afs"),
    *("fuse.sshfs", "fuse.s3fs", "fuse.glusterfs", "fuse.rclone", "fuse.gcsfuse"),
}
MOUNTS = Path("/proc/mounts")
MEMORY_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
MEMINFO = Path("/proc/meminfo")
# Of one web worker, without its model: measured as docs/performance.md says, rounded up
BYTES_OF_WORKER = {"onnx": 180 * 2**20, "torch": 450 * 2**20}
SKEW_WARNING, SKEW_FAILED = 2.0, 30.0  # seconds


@probe("disk")
def disk() -> Finding:
    found = {}
    for name in ("VAR_DIR", "MODELS_DIR"):
        folder = _existing(Path(getattr(settings, name)))
        found[f"{name} {folder}"] = shutil.disk_usage(folder).free
    told = ", ".join(f"{name}: {free / GIB:.1f} GiB free" for name, free in found.items())
    least = min(found.values())
    if least >= GOOD_FREE:
        return ok(told)
    remedy = "Make room: delete runs that are not needed from VAR_DIR/runs, or use a larger disk."
    return (failed if least < LEAST_FREE else warning)(told, remedy)


@probe("permissions")
def permissions() -> Finding:
    folder = Path(settings.VAR_DIR)
    if not folder.is_dir():
        return failed(f"VAR_DIR is no folder: {folder}", "Make it: manage.py prepare")
    if folder.stat().st_mode & stat.S_IWOTH:
        return failed(f"every user of this host may write to {folder}", f"chmod o-w {folder}")
    key = folder / "secret_key"
    if key.is_file() and key.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return failed(f"other users of this host may read {key}", f"chmod 600 {key}")
    if not os.access(folder, os.W_OK):
        return warning(
            f"this process cannot write to {folder}: right for a web or bulk process with a "
            "read-only volume, wrong for one that trains",
            f"Where it trains, give it the folder: chown -R {os.getuid()} {folder}",
        )
    return ok(f"{folder} is the site's own")


@probe("sqlite", needs=["migrations"])
def sqlite() -> Finding:
    if connection.vendor != "sqlite":
        return skipped("the database is PostgreSQL")
    file = Path(connection.settings_dict["NAME"])
    kind = _file_system(file)
    if kind in NETWORK_FILE_SYSTEMS:
        return failed(
            f"{file} is on a network file system ({kind}), where its locks do not hold",
            "Put VAR_DIR on a disk of this host, or set DATABASE_URL to PostgreSQL.",
        )
    hosts = sorted(Worker.objects.alive().values_list("host", flat=True).distinct())
    if len(hosts) > 1:
        return failed(
            f"workers of several hosts share one SQLite file: {', '.join(hosts)}",
            "Set DATABASE_URL to PostgreSQL on all of them.",
        )
    return ok(f"a file of this host ({kind or 'unknown file system'})")


@probe("memory", needs=["migrations"])
def memory() -> Finding:
    budget = _memory_limit()
    workers = int(os.environ.get("WEB_CONCURRENCY", usable_cores()))
    try:
        engine, own, shared = _engine_and_bytes()
    except (ModelNotReady, OSError) as error:
        return skipped(f"the model's files cannot be measured: {error}")
    need = workers * (BYTES_OF_WORKER[engine] + own) + shared
    told = (
        f"{workers} web workers with the model ({engine}) take about {need / GIB:.1f} of "
        f"{budget / GIB:.1f} GiB"
    )
    if need <= 0.8 * budget:
        return ok(told)
    remedy = "Lower WEB_CONCURRENCY, give more memory, or export the model's graph (export_model)."
    return (failed if need > budget else warning)(told, remedy)


@probe("clock", needs=["database"])
def clock() -> Finding:
    if connection.vendor == "sqlite":
        return skipped("database and site have one clock")
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        there = cursor.fetchone()[0]
    skew = abs((datetime.now(UTC) - there).total_seconds())
    told = f"{skew:.1f} s between this host and the database"
    if skew <= SKEW_WARNING:
        return ok(told)
    return (failed if skew > SKEW_FAILED else warning)(
        told, "Let both hosts follow one time server: timedatectl set-ntp true"
    )


@probe("static files")
def static_files() -> Finding:
    if static_files_changed():
        return failed(
            f"{settings.STATIC_ROOT} does not have the static files as they are now",
            "Run: manage.py collectstatic --no-input",
        )
    return ok(f"collected in {settings.STATIC_ROOT}")


def _existing(path: Path) -> Path:
    """The folder itself, or the nearest one above it that is there."""
    return next(each for each in (path, *path.parents) if each.is_dir())


def _file_system(path: Path) -> str:
    """The kind of the file system that `path` is on; "" where the host does not say."""
    if not MOUNTS.is_file():
        return ""
    mounts = {
        fields[1].encode().decode("unicode_escape"): fields[2]
        for line in MOUNTS.read_text().splitlines()
        if len(fields := line.split()) > 2
    }
    above = [str(each) for each in (path.resolve(), *path.resolve().parents)]
    return next((mounts[each] for each in above if each in mounts), "")


def _memory_limit() -> int:
    """Bytes that this container or host has."""
    total = 0
    for line in MEMINFO.read_text().splitlines():
        if line.startswith("MemTotal:"):
            total = int(line.split()[1]) * 1024
    for file in MEMORY_LIMITS:
        if file.is_file() and (said := file.read_text().strip()).isdecimal():
            return min(int(said), total)
    return total


def _engine_and_bytes() -> tuple[str, int, int]:
    """What the served model is run by; bytes that each process loads, and that all share.

    Raises:
        ModelNotReady, OSError: its files are not there.
    """
    version = active_version()
    directory = directory_of(version) if version else None
    if directory is None or not directory.is_dir():
        directory = open_artefact(
            settings.CLASSIFIER_MODEL, models_dir=settings.MODELS_DIR
        ).directory
    graph = directory / GRAPH
    torch = settings.CLASSIFIER_ENGINE == "torch" or settings.CLASSIFIER_DEVICE != "cpu"
    if graph.is_file() and not torch:
        shared = sum(each.stat().st_size for each in directory.glob(GRAPH_WEIGHTS))
        return "onnx", graph.stat().st_size, shared
    return "torch", (directory / FILES[1]).stat().st_size, 0
