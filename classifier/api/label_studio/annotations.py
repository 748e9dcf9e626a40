"""What Label Studio's webhooks tell of annotations, as verdicts.

The events: https://labelstud.io/guide/webhook_reference. Label Studio sends each once and does not
read the answer, so what gives no verdict is logged, too.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Q
from django.utils.dateparse import parse_datetime

from classifier.api.label_studio.label_config import (
    InvalidLabelConfig,
    LabelConfig,
    read_label_config,
)
from classifier.api.label_studio.regions import Said, said_in
from classifier.api.label_studio.tasks import review_in
from classifier.api.requests import InvalidField, InvalidRequest
from classifier.exceptions import InvalidText
from classifier.messages import message
from classifier.models import AuditEntry, Prediction, Verdict, text_digest
from classifier.review.labelled import Known, LabelledText, meant_by
from classifier.review.verdicts import Judgement, record_verdicts, withdraw_verdict
from classifier.texts import json_type

logger = logging.getLogger(__name__)

GIVEN = ("ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_CREATED")
DELETED = "ANNOTATIONS_DELETED"
SEND_EVENT = message(
    "Switch the webhook's payload on, so that Label Studio sends "
    '{"action": "ANNOTATION_CREATED", "annotation": {...}, "task": {...}, "project": {...}}.'
)


@dataclass
class Received:
    """What came of an event."""

    verdicts: int = 0
    """Given or changed."""
    unchanged: int = 0
    withdrawn: int = 0
    ignored: list[str] = field(default_factory=list)
    """What gave no verdict, and why."""

    def ignore(self, what: str, reason: str) -> None:
        """Say it to the sender and in the log."""
        logger.warning("%s gives no verdict: %s", what, reason)
        self.ignored.append(f"{what}: {reason}")


@dataclass(frozen=True)
class _Annotation:
    number: int
    updated_at: datetime
    cancelled: bool
    said: Said
    completed_by: object
    """Number of the annotator or, from newer versions and other senders, more than that."""
    task: object
    """None where the event has none."""
    config: LabelConfig

    @property
    def note(self) -> str:
        return _note(self.number)

    @property
    def reason(self) -> str:
        """Names this state of the annotation in the audit log."""
        return f"{self.note} as of {self.updated_at.isoformat()}"

    def annotator(self) -> Any:
        """The site's one user of the annotator's e-mail address or name, if that is said."""
        by = self.completed_by
        names = [by.get("email"), by.get("username")] if isinstance(by, dict) else [by]
        query = Q()
        for name in names:
            if isinstance(name, str) and name and name.isprintable():
                query |= Q(email__iexact=name) | Q(username=name)
        users = list(get_user_model().objects.filter(query)[:2]) if query else []
        return users[0] if len(users) == 1 else None


def receive(event: Mapping[str, Any]) -> Received:
    """Do what an event asks for; an event of another kind asks for nothing.

    The same event again changes nothing.

    Raises:
        InvalidRequest, InvalidField: it is no such event.
        ModelNotReady: a text must be rated and no model can.
    """
    action = event.get("action")
    received = Received()
    if not isinstance(action, str):
        raise _refused("action", message("An event has the name of its action."), json_type(action))
    if action in GIVEN:
        _give(_annotations(event), received)
    elif action == DELETED:
        for annotation in _objects(event, "annotations"):
            number = _number(annotation)
            received.withdrawn += _withdraw(number, f"{_note(number)} deleted")
    else:
        received.ignored.append(
            f"{action[:100]!r}: only {', '.join([*GIVEN, DELETED])} concern a verdict."
        )
    return received


def _give(annotations: list[_Annotation], received: Received) -> None:
    given = []
    for one in annotations:
        if one.cancelled or (one.said.label is None and one.said.stars is None):
            reason = "it was skipped." if one.cancelled else "it says neither label, or both."
            received.ignore(one.note, reason)
            received.withdrawn += _withdraw(one.number, one.reason)
            continue
        try:
            given.append((one, _labelled(one)))
        except InvalidText as error:
            received.ignore(one.note, str(error))
    texts = [text for _, text in given]
    known = Known.to(texts)
    known.rate_unknown(texts, source=Prediction.Source.STUDIO)
    for one, text in given:
        if prediction := known.prediction(text):  # each has one: its text is here
            changed = _record(one, text, prediction)
            received.verdicts += changed
            received.unchanged += not changed


def _labelled(one: _Annotation) -> LabelledText:
    """
    Raises:
        InvalidText: the task's review cannot be rated.
    """
    text = review_in(one.task, one.config)
    digest = text_digest(text)
    # What it said before was of this prediction, even if the text has been rated again since.
    earlier = Verdict.objects.filter(note=one.note, prediction__text_sha256=digest).first()
    return LabelledText(
        prediction=earlier.prediction_id if earlier else one.said.prediction,
        text=text,
        digest=digest,
        label=one.said.label,
        rating=None,
        note=one.note,
    )


def _record(one: _Annotation, text: LabelledText, prediction: Prediction) -> bool:
    if AuditEntry.objects.of(prediction).filter(reason=one.reason).exists():
        return False  # this event was here before, and what came after it stays
    text = replace(text, rating=one.said.rating_beside(prediction.sentiment.rating))
    label, rating = meant_by(text, prediction)
    by = one.annotator()
    said = Judgement(prediction, label, rating, by, text.note, text.chosen_by)
    [recorded] = record_verdicts([said], actor=by, reason=one.reason)
    return recorded is not None and recorded.changed


def _withdraw(number: int, reason: str) -> int:
    """Take back the verdict that an annotation gave, unless somebody has changed it since."""
    note, withdrawn = _note(number), 0
    with transaction.atomic():
        for verdict in Verdict.objects.select_for_update().filter(note=note):
            last = AuditEntry.objects.of(verdict.prediction).first()
            if last and last.reason.startswith(f"{note} as of "):
                withdraw_verdict(verdict, reviewer=None, reason=reason)
                withdrawn += 1
    return withdrawn


def _annotations(event: Mapping[str, Any]) -> list[_Annotation]:
    """
    Raises:
        InvalidField: an annotation, its task or its project is missing or is not one.
    """
    project = event.get("project")
    if not isinstance(project, dict):
        raise _refused(
            "project", message("Such an event has its {part}.", part="project"), json_type(project)
        )
    try:
        config = read_label_config(project.get("label_config"))
    except InvalidLabelConfig as error:
        raise InvalidField("project.label_config", error) from error
    annotations = _objects(event, "annotation")
    tasks = {str(task.get("id")): task for task in _objects(event, "task")}
    return [
        _Annotation(
            number=_number(annotation),
            updated_at=_time(annotation),
            cancelled=annotation.get("was_cancelled") is True,
            said=said_in(annotation.get("result"), config),
            completed_by=annotation.get("completed_by"),
            task=tasks.get(str(annotation.get("task"))),
            config=config,
        )
        for annotation in annotations
    ]


def _objects(event: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The object, or the list of them, that an event has under a name."""
    found = event.get(name)
    objects: list[Any] = found if isinstance(found, list) else [found]
    for one in objects:
        if not isinstance(one, dict):
            raise _refused(
                name, message("Such an event has its {part}.", part=name), json_type(one)
            )
    return objects


def _number(annotation: Mapping[str, Any]) -> int:
    number = annotation.get("id")
    if isinstance(number, bool) or not isinstance(number, int):
        raise _refused(
            "annotation.id", message("An annotation has a whole number."), json_type(number)
        )
    return number


def _time(annotation: Mapping[str, Any]) -> datetime:
    given = annotation.get("updated_at")
    try:
        time = parse_datetime(given) if isinstance(given, str) else None
    except ValueError:
        time = None
    if time is None:
        raise _refused(
            "annotation.updated_at",
            message("An annotation has a time such as 2026-01-31T12:30:15.123456Z."),
            repr(given)[:50],
        )
    return time


def _note(number: int) -> str:
    return f"Label Studio annotation {number}"


def _refused(field: str, rule: str, value: str) -> InvalidField:
    error = InvalidRequest(code="webhook_event", rule=rule, value=value, remedy=SEND_EVENT)
    return InvalidField(field, error)
