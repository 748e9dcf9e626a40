"""Models that travel through the database, from the host that trained them to those that serve."""

import logging
import shutil
import tarfile
import tempfile
from pathlib import Path

from django.db import Error

from classifier.artefact import STARTER, open_artefact
from classifier.exceptions import ModelNotReady
from classifier.files import FileWriter, delete_stored, open_stored
from classifier.messages import message
from classifier.models import ModelVersion, StoredFile

logger = logging.getLogger(__name__)


def share(version: ModelVersion, directory: Path) -> None:
    """Keep the files of a model with its version, in place of what was kept before."""
    before = version.archive
    with (
        FileWriter(f"{version.name}.tar") as writer,
        tarfile.open(fileobj=writer, mode="w|") as archive,
    ):
        for path in sorted(path for path in directory.rglob("*") if path.is_file()):
            archive.add(path, arcname=path.relative_to(directory).as_posix())
    version.archive = writer.file
    version.save(update_fields=["archive"])
    delete_stored(before)


def fetch(name: str, *, models_dir: Path) -> bool:
    """Put the newest shared model of that name under `models_dir`, if there is none yet.

    It appears whole and verified, or not at all; whether it was fetched now.

    Raises:
        ModelNotReady: the files are not those that were shared.
    """
    if name == STARTER or Path(name).name != name or (models_dir / name).exists():
        return False
    shared = ModelVersion.objects.filter(name=name, archive__isnull=False)
    try:
        version = shared.select_related("archive").order_by("-created_at").first()
    except Error as error:
        logger.warning("Whether the model %s is shared cannot be asked: %s", name, error)
        return False
    return version is not None and unpack(version, models_dir / name)


def unpack(version: ModelVersion, target: Path) -> bool:
    """Put the files of a shared version at `target`, where nothing is yet; as `fetch`.

    Raises:
        ModelNotReady: the files are not those that were shared.
    """
    if version.archive is None:
        return False
    name, models_dir = version.name, target.parent
    models_dir.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=models_dir))
    try:
        directory = staging / name
        _extract(version.archive, directory, name)
        revision = open_artefact(directory, models_dir=models_dir).revision()
        if revision != version.revision:
            raise ModelNotReady(
                code="model_changed",
                rule=message("A model's files must have the digest that they were shared with."),
                value=message(
                    "{name} has {revision} in place of {expected}",
                    name=name,
                    revision=revision,
                    expected=version.revision,
                ),
                remedy=message("Share it again: train it once more, or pull it from the Hub."),
            )
        directory.chmod(0o755)  # mkdtemp's own would keep other users out
        try:
            directory.rename(target)
        except OSError:
            if not target.is_dir():  # else another process was faster
                raise
            return False
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    logger.info("Fetched the model %s from the database", version)
    return True


def _extract(file: StoredFile, directory: Path, name: str) -> None:
    """
    Raises:
        ModelNotReady: it holds anything but files and folders that lie inside it.
    """
    try:
        with open_stored(file) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                # A sparse file may say of itself that it has any size.
                plain = (member.isfile() or member.isdir()) and not member.issparse()
                if not plain or Path(member.name).is_absolute():
                    raise tarfile.TarError(f"{member.name!r} is no plain file inside it")
                archive.extract(member, directory, filter="data")
    except tarfile.TarError as error:
        raise ModelNotReady(
            code="model_archive",
            rule=message("A shared model is an archive of plain files that lie inside it."),
            value=f"{name}: {str(error)[:200]}",
            remedy=message("Share it again: train it once more, or pull it from the Hub."),
        ) from error
