"""Probes of the model in service and of the jobs."""

from datetime import timedelta

from django.apps import apps
from django.conf import settings

from classifier.exceptions import ModelNotReady
from classifier.jobs import Job
from classifier.jobs.database import from_now
from classifier.model_files import revision_of
from classifier.model_store import active_version, directory_of
from classifier.models import ModelVersion
from classifier.predictor import Predictor, load_predictor, load_version
from classifier.versions.golden import GOLDEN_REVIEWS, golden_answers
from reviewsite.doctor import Finding, failed, ok, probe, skipped, warning

REAPED_AFTER = 60.0  # seconds past a lease: by then beat has had its turn
WAITS_LONG = 15 * 60.0  # seconds


def _served() -> Predictor:
    """The model in service, loaded here, having answered its golden reviews.

    Raises:
        ModelNotReady: it does not load, or says something else than it did.
    """
    version = active_version()
    if version is not None:
        return load_version(version)
    predictor = load_predictor(settings.CLASSIFIER_MODEL, models_dir=settings.MODELS_DIR)
    golden_answers(predictor)
    return predictor


@probe("model", seconds=180, needs=["migrations"])
def model() -> Finding:
    try:
        predictor = _served()
    except ModelNotReady as error:
        return failed(f"{error.rule} Found: {error.value}.", str(error.remedy))
    engine = "onnx" if "onnx" in type(predictor.engine).__module__ else "torch"
    told = f"{predictor.name}@{predictor.revision} answers {len(GOLDEN_REVIEWS)} reviews, {engine}"
    if engine == "torch" and settings.CLASSIFIER_DEVICE == "cpu":
        why = (
            "CLASSIFIER_ENGINE=torch"
            if settings.CLASSIFIER_ENGINE == "torch"
            else "the model has no graph"
        )
        return warning(
            f"{told} because {why}: several times slower than the graph",
            "Run manage.py export_model, and leave CLASSIFIER_ENGINE out.",
        )
    return ok(told)


@probe("model files", seconds=180, needs=["migrations"])
def model_files() -> Finding:
    kept = ModelVersion.objects.exclude(status=ModelVersion.Status.SEEN)
    verified = 0
    for version in kept:
        directory = directory_of(version)
        if not directory.is_dir():
            if version.archive_id is None:
                return failed(
                    f"the files of {version} ({version.status}) are neither in {directory} nor in "
                    "the database",
                    "Restore them from a backup, or register the model again: activate_model.",
                )
            continue
        try:
            revision = revision_of(directory)
        except OSError as error:
            revision = str(error)
        if revision != version.revision:
            return failed(
                f"the files of {version} are not what they were: {revision}",
                f"Restore {directory} from a backup, or delete it where the database has a copy.",
            )
        verified += 1
    if not kept:
        return skipped("no version was ever registered: CLASSIFIER_MODEL serves")
    return ok(f"{verified} of {len(kept)} versions are on this host, as they were registered")


@probe("jobs", needs=["migrations"])
def jobs() -> Finding:
    kinds = [each for each in apps.get_models() if issubclass(each, Job)]
    late = from_now(timedelta(seconds=-REAPED_AFTER))
    lost = [
        each for kind in kinds for each in kind.objects.abandoned().filter(lease_until__lt=late)
    ]
    if lost:
        return failed(
            f"{len(lost)} jobs have lost their worker and nobody takes them back, such as "
            f"{lost[0]._meta.verbose_name} {lost[0].pk}",
            "Start the process beat, which does that.",
        )
    long = from_now(timedelta(seconds=-WAITS_LONG))
    waiting = sum(kind.objects.claimable().filter(queued_at__lt=long).count() for kind in kinds)
    if waiting:
        return warning(
            f"{waiting} jobs have waited for more than {WAITS_LONG / 60:.0f} minutes",
            "Start more workers of their queue, or look at why the others stand still.",
        )
    paused = [each for kind in kinds for each in kind.objects.filter(status=kind.Status.PAUSED)]
    if paused:
        return warning(
            f"{len(paused)} jobs are paused, such as {paused[0]._meta.verbose_name} {paused[0]}: "
            f"{paused[0].error}",
            "Give them what they lack: they go on by themselves.",
        )
    running = sum(kind.objects.filter(status=kind.Status.RUNNING).count() for kind in kinds)
    return ok(f"{running} run, none is lost")
