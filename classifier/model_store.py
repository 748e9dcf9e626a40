"""The kept files of model versions: one directory each, named by its digest, never changed."""

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connection

from classifier.artefact import Artefact, open_artefact
from classifier.exceptions import ModelNotReady
from classifier.messages import message
from classifier.models import ModelVersion
from classifier.shared_models import unpack
from classifier.task import Task

FOLDER = "versions"  # under MODELS_DIR


def directory_of(version: ModelVersion) -> Path:
    """Where the files of a version are kept on this host, if they are."""
    return Path(settings.MODELS_DIR) / FOLDER / f"{version.name}-{version.revision}"


def version_of(name: str, revision: str, task: Task) -> ModelVersion:
    """The row of a model, written when it is first needed."""
    version, _ = ModelVersion.objects.get_or_create(
        name=name,
        revision=revision,
        defaults={
            "labels": None if task.rated else list(task.labels),
            "reads_pairs": task.pairs,
        },
    )
    return version


def keep_files(version: ModelVersion, artefact: Artefact) -> Path:
    """Copy a model's files to where they stay; what lies there already stays as it is.

    Raises:
        ModelNotReady: a file changed while it was copied.
        OSError: there is no room for them.
    """
    target = directory_of(version)
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".keeping-", dir=target.parent))
    try:
        # Copied, not linked: whoever writes into the original would change what is kept.
        copy = shutil.copytree(artefact.directory, staging / "model")
        _require_digest(replace(artefact, directory=copy), version)
        copy.chmod(0o755)
        try:
            copy.rename(target)
        except OSError:
            if not target.is_dir():  # else another process was faster
                raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return target


def artefact_of(version: ModelVersion) -> Artefact:
    """The kept files of a version, fetched from the database where this host lacks them.

    Raises:
        ModelNotReady: they are nowhere, or not what they were.
    """
    directory = directory_of(version)
    if configured := _configured(version):
        return configured
    if not directory.is_dir() and not _unpacked(version, directory) and not directory.is_dir():
        raise ModelNotReady(
            code="version_missing",
            rule=message(
                "The files of a model version are kept under MODELS_DIR, or in the database."
            ),
            value=message("neither has those of {version}", version=version),
            remedy=message(
                "Register the model again: python manage.py activate_model NAME, or set "
                "SHARE_MODELS on the host that has it."
            ),
        )
    artefact = replace(open_artefact(directory, models_dir=settings.MODELS_DIR), name=version.name)
    _require_digest(artefact, version)
    return artefact


def _configured(version: ModelVersion) -> Artefact | None:
    """The model that CLASSIFIER_MODEL names, if its files are those of a version kept nowhere."""
    if directory_of(version).is_dir() or version.archive is not None:
        return None
    try:
        artefact = open_artefact(settings.CLASSIFIER_MODEL, models_dir=settings.MODELS_DIR)
    except ModelNotReady:
        return None
    same = (artefact.name, artefact.revision()) == (version.name, version.revision)
    return artefact if same else None


def _unpacked(version: ModelVersion, directory: Path) -> bool:
    try:
        return unpack(version, directory)
    except OSError as error:
        raise ModelNotReady(
            code="version_not_stored",
            rule=message("A version that this host lacks is fetched into its MODELS_DIR."),
            value=message(
                "{version} cannot be written there: {error}", version=version, error=error
            ),
            remedy=message("Make room, or let this process write there."),
        ) from error


def active_version() -> ModelVersion | None:
    """The version that all processes serve; None before the first activation.

    Raises:
        DatabaseError: it cannot be asked.
    """
    active = ModelVersion.objects.select_related("archive")
    try:
        return active.filter(status=ModelVersion.Status.ACTIVE).first()
    except DatabaseError:
        if ModelVersion._meta.db_table in connection.introspection.table_names():
            raise
        return None  # files are rated without a site, too: no table, no version


def _require_digest(artefact: Artefact, version: ModelVersion) -> None:
    if (revision := artefact.revision()) != version.revision:
        raise ModelNotReady(
            code="version_changed",
            rule=message("The kept files of a model version never change."),
            value=message(
                "those of {version} have the digest {revision}", version=version, revision=revision
            ),
            remedy=message(
                "Restore them from a backup, or delete the directory {name} and register the "
                "model again.",
                name=artefact.directory.name,
            ),
        )
