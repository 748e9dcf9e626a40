"""One attempt of a run, in the process that was started for it."""

import logging
from pathlib import Path

from django.conf import settings
from django.db import InterfaceError, OperationalError

from classifier.artefact import open_artefact
from classifier.exceptions import ClassifierError, ModelNotReady
from classifier.files import delete_stored, store
from classifier.jobs import CancelRequested, Claim, ClaimLost, persistently
from classifier.messages import message, message_of
from classifier.models import ModelVersion
from classifier.shared_models import fetch, share
from classifier.versions.activation import register
from training.checkpoints import DiskFull, Interrupted, TrainingStopped
from training.config import ConfigError, FinetuningConfig
from training.data.reading import DataError
from training.finetuning.run import FinetuningResult, run_finetuning
from training.hub import HubError
from training.jobs.output import output_file
from training.jobs.pausing import disk_full, pause
from training.jobs.watch import RunHeart, Watch
from training.models import TrainingRun
from training.reporting.report import REPORT
from training.runs.history import finite
from training.runs.records import recorded_config
from training.runs.sources import located
from training.served import fetch_kept
from training.tracking import tracking_uri
from training.tracking.redaction import redacted
from training.verdicts.reviewed import with_reviewed

logger = logging.getLogger(__name__)

UNANSWERED = (OperationalError, InterfaceError)
# What these say is the rule, the value and the remedy; anything else is a fault of ours.
EXPECTED = (ClassifierError, ConfigError, DataError, HubError)


def carry_out(claim: Claim) -> None:
    """Train until the end, or until the run has to stop, and write to the row which it was.

    Its directories belong to one attempt at a time: one whose claim is lost writes nothing more.

    Raises:
        OperationalError, InterfaceError: the database does not answer for too long.
    """
    run = persistently(lambda: TrainingRun.objects.get(pk=claim.pk))
    run_dir = Path(settings.RUNS_DIR) / run.name
    heart = RunHeart(claim, output_file(run.name))
    watch = Watch(heart, claim, run_dir / "checkpoints")
    try:
        with heart:
            try:
                result = _finetune(run, run_dir, claim, watch)
                _succeed(run, run_dir, claim, heart, result)
            except CancelRequested:
                claim.cancel(**heart.last_words() | {"stage": ""})
            except Interrupted as stopped:
                logger.info("%s", stopped)
                # With cancel_requested it ends, else it goes on from the checkpoint.
                claim.release(keep_place=True, **heart.last_words() | {"stage": ""})
            except ClaimLost:
                raise
            except UNANSWERED:
                raise  # no fault of the run: whoever takes it up again goes on
            except Exception as error:
                if lack := disk_full(error):
                    logger.warning("%s", error, exc_info=not isinstance(error, DiskFull))
                    pause(claim, lack, **heart.last_words() | {"stage": ""})
                else:
                    logger.exception("The run failed")
                    claim.fail(_said(error), **heart.last_words())
    except ClaimLost as error:
        logger.warning("Nothing more is written: %s", error)


def _finetune(run: TrainingRun, run_dir: Path, claim: Claim, watch: Watch) -> FinetuningResult:
    config = FinetuningConfig.from_sections(run.config)
    base = config.model.base_model  # which another host may have trained
    if not fetch_kept(base):
        fetch(base, models_dir=settings.MODELS_DIR)
    config = located(config, models_dir=settings.MODELS_DIR, datasets_dir=settings.DATASETS_DIR)
    config = with_reviewed(config, run_dir)
    resume = claim.attempt > 1
    begun = (run_dir / "config.json").exists()
    if resume and begun and recorded_config(FinetuningConfig, run_dir.parent, run.name) != config:
        raise ConfigError(
            message(
                "A run goes on in a folder of its own, but {name} is that of a run with "
                "other parameters. Start it again under another name.",
                name=run_dir.name,
            )
        )
    return run_finetuning(
        config,
        name=run.name,
        models_dir=settings.MODELS_DIR,
        runs_dir=settings.RUNS_DIR,
        datasets_dir=settings.DATASETS_DIR,
        pseudo_dir=settings.PSEUDO_DIR,
        resume=resume,
        tracking_uri=tracking_uri(settings.VAR_DIR),
        observer=watch,
    )


def _succeed(
    run: TrainingRun, run_dir: Path, claim: Claim, heart: RunHeart, result: FinetuningResult
) -> None:
    claim.heartbeat(stage="storing")  # a cancelling that comes now is too late
    version = _registered(run.name)
    with (run_dir / REPORT).open("rb") as file:
        report = store(file, f"{run.name}.html")
    found = {"model_version": version, "report": report, "metrics": finite(result.metrics)}
    claim.succeed(**heart.last_words() | {"stage": ""} | found)
    delete_stored(run.report)


def _registered(name: str) -> ModelVersion:
    """The model of a run as a candidate; as a version that is merely seen where it can be none."""
    try:
        return persistently(lambda: register(name, source=f"run {name}"))
    except (ModelNotReady, OSError) as error:
        logger.warning("The model is no candidate to be activated: %s", error)
    artefact = open_artefact(name, models_dir=settings.MODELS_DIR)
    revision = artefact.revision()
    version, _ = persistently(
        lambda: ModelVersion.objects.get_or_create(name=name, revision=revision)
    )
    if settings.SHARE_MODELS and version.archive is None:
        share(version, artefact.directory)
    return version


def _said(error: Exception) -> str:
    text = message_of(error)
    if isinstance(error, TrainingStopped):
        text = message("{error} Here: Retry goes on from the checkpoint.", error=text)
    elif not isinstance(error, EXPECTED):
        text = message(
            "{kind}: {error} The log says where.", kind=type(error).__name__, error=str(error)
        )
    clean = redacted(text).replace("\0", "")
    # What had to be taken out of it stays out: it is then kept as it reads in English.
    return text if clean == text else clean
