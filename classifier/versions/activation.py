"""Which version serves: registered, checked, activated and rolled back.

One row says which version is active; every process follows it (`PredictorHolder.follow`) and
loads the new one beside the old one, which answers until then.
"""

import logging
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from classifier.artefact import Artefact, open_artefact, require_tame_tokenizer
from classifier.card import card_of
from classifier.exceptions import ModelNotReady
from classifier.messages import message
from classifier.model_files import metrics_of
from classifier.model_store import active_version, directory_of, keep_files, version_of
from classifier.models import AuditEntry, ModelVersion, audit_entry
from classifier.predictor import load_artefact, load_version
from classifier.shared_models import share
from classifier.versions.comparison import compare
from classifier.versions.gate import judge
from classifier.versions.golden import golden_answers

logger = logging.getLogger(__name__)

Status = ModelVersion.Status
Action = AuditEntry.Action


def register(model: str | Path, *, source: str = "") -> ModelVersion:
    """Keep a model's files as a version that may be activated, or find it registered already.

    Args:
        model: "starter", a name under MODELS_DIR, or a directory.
        source: where it was taken from, in words.

    Raises:
        ModelNotReady: there is no such model, or it is broken.
    """
    artefact = open_artefact(model, models_dir=settings.MODELS_DIR)
    version = _named(artefact)
    if version.status == Status.SEEN or not directory_of(version).is_dir():
        require_tame_tokenizer(artefact.directory, artefact.name)
        golden = golden_answers(load_artefact(artefact))
        keep_files(version, artefact)
        if settings.SHARE_MODELS and version.archive is None:
            share(version, directory_of(version))
        version.golden = golden
        version.metrics = metrics_of(artefact.directory)
        version.card = card_of(artefact.directory)
        version.source = source or version.source or str(model)
        if version.status == Status.SEEN:
            version.status = Status.CANDIDATE
        version.save()
    return version


def find_version(model: str) -> ModelVersion:
    """The version that is called name@revision, else the model of that name, registered.

    Raises:
        as register.
    """
    name, _, revision = model.partition("@")
    known = ModelVersion.objects.filter(name=name, revision=revision).first() if revision else None
    return known if known and known.status != Status.SEEN else register(model)


def activate(version: ModelVersion, *, actor: Any, reason: str = "") -> None:
    """Let every process serve a version, once it has been loaded and checked here.

    Processes follow within seconds; each answer names the version that gave it.

    Args:
        actor: a user, or None for a command.
        reason: kept in the audit log; with one, the gate may be failed.

    Raises:
        ModelNotReady: the version is broken. Nothing changes, save an entry in the audit log.
        GateFailed: it does worse than the version in service, or nobody knows, and there is no
            reason. Nothing changes.
    """
    try:
        load_version(version)
    except ModelNotReady as error:
        audit_entry(Action.MODEL_REFUSED, version, actor, reason=error.message).save()
        raise
    before = in_service()
    gate = judge(compare(version, before)) if before and before != version else None
    if gate and not reason.strip():
        gate.require()
    with transaction.atomic():
        # All rows, so that two who activate at once take turns.
        for other in ModelVersion.objects.select_for_update().order_by("pk"):
            if other.status == Status.ACTIVE:
                if other == version:
                    return
                before = other
                other.status = Status.RETIRED
                other.save(update_fields=["status"])
        version.status, version.activated_at = Status.ACTIVE, timezone.now()
        version.shadow_share = 0.0
        version.save(update_fields=["status", "activated_at", "shadow_share"])
        audit_entry(
            Action.MODEL_ACTIVATED,
            version,
            actor,
            before={"version": before.pk, "name": str(before)}
            if before and before != version
            else None,
            after={
                "version": version.pk,
                "name": str(version),
                "gate": gate.failures() or "passed" if gate else "not asked",
            },
            reason=reason,
        ).save()


def in_service() -> ModelVersion | None:
    """The active version; before the first activation, the model that CLASSIFIER_MODEL names.

    That one is registered, so that one can go back to it even when CLASSIFIER_MODEL names another;
    where this process may not write files, it is just named. None where there is no such model.
    """
    if version := active_version():
        return version
    try:
        version = register(settings.CLASSIFIER_MODEL, source="CLASSIFIER_MODEL")
    except ModelNotReady as error:
        logger.warning("No version is in service: %s", error)
        return None
    except OSError as error:
        logger.warning("The model in service cannot be kept: %s", error)
        return _named(open_artefact(settings.CLASSIFIER_MODEL, models_dir=settings.MODELS_DIR))
    if version.status == Status.CANDIDATE:
        version.status = Status.RETIRED
        version.save(update_fields=["status"])
    return version


def roll_back(*, actor: Any, reason: str = "") -> ModelVersion:
    """Activate the version that served before the active one.

    Raises:
        ModelNotReady: there was none, or it is broken.
    """
    active = active_version()
    entries = AuditEntry.objects.filter(action=Action.MODEL_ACTIVATED)
    last = entries.of(active).first() if active else None
    before = (
        ModelVersion.objects.filter(pk=last.before["version"]).first()
        if last and last.before
        else None
    )
    if before is None:
        raise ModelNotReady(
            code="nothing_before",
            rule=message("Rolling back goes to the version that served before."),
            value=message("there was none") if active else message("no version has been activated"),
            remedy=message("Activate a version of your choice: python manage.py list_models"),
        )
    activate(before, actor=actor, reason=reason or f"rolled back from {active}")
    return before


def _named(artefact: Artefact) -> ModelVersion:
    return version_of(artefact.name, artefact.revision(), artefact.task)
