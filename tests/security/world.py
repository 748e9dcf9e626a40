"""A site with one row of everything, and an address of every page that shows it."""

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import URLResolver, get_resolver
from django.utils import timezone

from classifier.bulk_jobs import work
from classifier.files import store
from classifier.models import (
    ApiKey,
    AuditEntry,
    BulkJob,
    Feedback,
    Scope,
    audit_entry,
)
from tests.factories import make_answer, make_prediction, make_verdict, make_version
from training.config import FinetuningConfig, with_overrides
from training.models import TrainingRun

LABEL = 100  # characters that the column holds
IMPORT = "/admin/classifier/prediction/import/"


@dataclass
class World:
    """Where its rows are, by the names that routes give them."""

    values: dict[str, str]
    ids: dict[str, str]
    """Of the admin's `object_id` and `id`, by the beginning of the route."""

    def address(self, route: str) -> str:
        """An address of this route.

        Raises:
            KeyError: a part of it is not known here.
        """
        own = next((pk for start, pk in self.ids.items() if route.startswith(start)), None)
        values = self.values | ({} if own is None else {"object_id": own, "id": own, "pk": own})
        if route.startswith("admin/r/"):
            values |= {"object_id": self.ids["admin/classifier/prediction"]}
        if "prediction/import/" in route:
            values |= {"pk": self.values["imported"]}
        path = route.replace("(?P<url>.*)", "nowhere")
        path = re.sub(r"<(?:\w+:)?(\w+)>", lambda part: values[part[1]], path)
        return "/" + path.replace("^", "").replace("$", "").replace("//", "/")


def routes() -> Iterator[str]:
    """Of every view of the site."""
    yield from _routes(get_resolver(), "")


def _routes(resolver: URLResolver, start: str) -> Iterator[str]:
    for pattern in resolver.url_patterns:
        route = start + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _routes(pattern, route)
        elif "(?P<app_label>" in route:
            for label in ("auth", "classifier", "training"):
                yield f"{start}{label}/"
        else:
            yield route


def make_world(client: Client, staff: User, *words: str) -> World:
    """Rows whose every word is one of `words`, written past all validation.

    What is short says the first of them, what is long all.

    Args:
        client: of somebody who may do everything; the served model rates what it sends.
        words: without NUL; what a column cannot hold of one is cut off.
    """
    said, all_said = words[0], "\n".join(words)
    version = make_version(
        said[:200], source=said[:300], card=f"# {said}\n\n{all_said}", metrics=_metrics(words)
    )
    moods = make_version(f"moods {said}"[:200], labels=[said[:LABEL], "calm"])
    first, second = (
        make_prediction(
            f"{all_said} {which}",
            label=said[:LABEL],
            probabilities={said[:LABEL]: 0.9, "calm": 0.1},
            rating=None,
            positive_probability=None,
            model_version=moods,
        )
        for which in ("first", "second")
    )
    pending = make_prediction(f"{all_said} third", positive_probability=0.51, model_version=version)
    make_verdict(first, note=all_said, reviewer=staff)
    Feedback.objects.create(
        prediction=first, visitor="x", label=said[:LABEL], disagrees=True, source="form"
    )
    audit = audit_entry(
        AuditEntry.Action.VERDICT_SET,
        said[:120],
        staff,
        before={one: one for one in words},
        reason=all_said,
    )
    audit.save()
    candidate = make_version(f"candidate {said}"[:200], source=said[:300])
    make_answer(candidate, first, label=said[:LABEL])
    key, _secret = ApiKey.objects.issue(said[:100] or "key", scopes=[Scope.RATE], actor=staff)
    run = TrainingRun.objects.create(
        name=f"run-{TrainingRun.objects.count()}",
        status="failed",
        error=all_said,
        log_tail=all_said,
        recipe=said[:100],
        stage="training",
        started_at=timezone.now() - timedelta(minutes=1),
        finished_at=timezone.now(),
        metrics=_metrics(words),
        config=FinetuningConfig.from_sections(
            with_overrides({}, {"dataset": "reviews"})
        ).to_sections(),
        report=store(io.BytesIO(b"<!doctype html><title>r</title>"), f"{said}.html"[:255]),
    )
    client.post("/", {"text": all_said})
    job = _rated_file(client, words)
    choose = client.post("/bulk", {"file": SimpleUploadedFile(_name(said), _csv(words))})[
        "Location"
    ]
    imported = client.post(IMPORT, {"file": SimpleUploadedFile(_name(said), _csv(words))})[
        "Location"
    ]
    group = Group.objects.create(name=said[:150])
    user = User.objects.create(username=said[:150], first_name=said[:150], is_staff=True)
    user.groups.add(group)
    return World(
        values={
            "prediction_id": str(first.pk),
            "first_id": str(first.pk),
            "second_id": str(second.pk),
            "file_id": str(choose).rsplit("/", 1)[1],
            "job_id": str(job.pk),
            "version_id": str(version.pk),
            "run_id": str(run.pk),
            "content_type_id": str(ContentType.objects.get_for_model(type(first)).pk),
            "imported": str(imported).split("?")[0].rstrip("/").rsplit("/", 1)[1],
        },
        ids={
            "admin/auth/user": str(user.pk),
            "admin/auth/group": str(group.pk),
            "admin/classifier/auditentry": str(audit.pk),
            "admin/classifier/bulkjob": str(job.pk),
            "admin/classifier/apikey": str(key.pk),
            "admin/classifier/prediction/review/": str(pending.pk),
            "admin/classifier/prediction": str(first.pk),
            "admin/classifier/modelversion/<int:pk>/compare": str(candidate.pk),
            "admin/classifier/modelversion": str(version.pk),
            "admin/training/trainingrun": str(run.pk),
        },
    )


def _metrics(words: Sequence[str]) -> dict[str, Any]:
    return {"accuracy": 0.5, "dataset": words[0], "base_model": words[0]} | {w: w for w in words}


def _name(said: str) -> str:
    return f"{said.replace('/', ' ')[-80:]}.csv"


def _csv(words: Sequence[str]) -> bytes:
    """All are names of columns, after the one of the reviews, and cells; the second row is bad."""
    quoted = ",".join('"' + word.replace('"', '""') + '"' for word in words)
    return f"review,{quoted}\r\nA joy,{quoted}\r\n,{quoted}\r\n".encode()


def _rated_file(client: Client, words: Sequence[str]) -> BulkJob:
    sent = client.post("/bulk", {"file": SimpleUploadedFile(_name(words[0]), _csv(words))})
    assert sent.status_code == 302, sent.content
    done = client.post(sent["Location"], {"text_column": 0, "keep_texts": "yes"})
    assert done.status_code == 302, done.content
    job: BulkJob = BulkJob.objects.get(pk=done["Location"].rsplit("/", 1)[1])
    work.work()
    job.refresh_from_db()
    assert job.status == "succeeded", job.error
    return job
