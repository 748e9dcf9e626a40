"""What a version says of texts that others have answered: frozen verdicts, and live traffic.

Neither is rated in the web process: a visitor waits for nobody but the version in service.
"""

import math
import time
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet
from django.utils import timezone

from classifier.exceptions import ModelNotReady
from classifier.models import ModelVersion, Prediction, Verdict, VersionAnswer
from classifier.predictor import load_version
from classifier.review.split import FROZEN
from reviewsite.celery import app

FROZEN_TASK = "classifier.tasks.rate_frozen"
BATCH = 32
MOST = 2000  # texts of live traffic that are looked up together
OVERLAP = timedelta(minutes=10)  # by which a prediction may be stored after a later one


def frozen_rows(version: ModelVersion) -> dict[str, Verdict]:
    """The verdicts that a version is measured on, by the digest of their text; the newest of each.

    They are verdicts on as many texts as it reads, whatever their labels.

    Their texts are not read: there may be many, and long ones.
    """
    frozen = Verdict.objects.with_text().filter(FROZEN).select_related("prediction")
    verdicts = frozen.filter(_has_pair(version, "prediction__"))
    ordered = verdicts.defer("prediction__text").order_by("reviewed_at", "pk")
    return {verdict.prediction.text_sha256: verdict for verdict in ordered}


def frozen_answers(version: ModelVersion) -> dict[str, VersionAnswer]:
    """What a version has said of frozen texts so far, by their digests."""
    reviewed = Verdict.objects.filter(FROZEN).values("prediction_id")
    answers = VersionAnswer.objects.filter(version=version, prediction__in=reviewed)
    return {
        answer.text_sha256: answer
        for answer in answers.annotate(text_sha256=F("prediction__text_sha256"))
    }


def owed_frozen(version: ModelVersion) -> int:
    """How many frozen texts a version has not answered."""
    return len(frozen_rows(version).keys() - frozen_answers(version).keys())


def request_frozen(version: ModelVersion) -> None:
    """Send a worker to let a version answer the frozen texts.

    Raises:
        OperationalError, OSError: the queue does not answer.
    """
    # By name: tasks stand above all that work for them.
    app.signature(FROZEN_TASK, [version.pk]).apply_async(retry=False)


def rate_frozen(version: ModelVersion, *, seconds: float = math.inf) -> int:
    """Ask a version for the frozen texts that it has not answered.

    Args:
        seconds: after which no more are begun.

    Returns:
        How many it still owes.

    Raises:
        ModelNotReady: it cannot be loaded.
    """
    known = frozen_answers(version)
    owed = [
        row.prediction_id for digest, row in frozen_rows(version).items() if digest not in known
    ]
    return len(owed) - _rate(version, owed, shadow=False, until=time.monotonic() + seconds)


def set_shadow(version: ModelVersion, share: float) -> None:
    """Let a version rate a share, 0..1, of the live traffic from now on, unheard; 0 ends it."""
    if share and not version.shadow_share:
        version.shadow_since = timezone.now()
    version.shadow_share = share
    version.save(update_fields=["shadow_share", "shadow_since"])


def rate_shadows(*, seconds: float) -> int:
    """Let each version that has a share in the shadow rate what came in; how many texts that was.

    Args:
        seconds: for all of them; after which no more texts are begun.

    Raises:
        ModelNotReady: one cannot be loaded; the others have had their turn.
    """
    until, rated, failure = time.monotonic() + seconds, 0, None
    for version in ModelVersion.objects.filter(shadow_share__gt=0).order_by("pk"):
        owed = list(_owed_in_shadow(version).values_list("pk", flat=True)[:MOST])
        try:
            rated += _rate(version, owed, shadow=True, until=until)
        except ModelNotReady as error:
            failure = error
    if failure:
        raise failure
    return rated


def _owed_in_shadow(version: ModelVersion) -> QuerySet[Prediction]:
    """Live predictions of the version's share that it has not answered, the oldest first."""
    answers = VersionAnswer.objects.filter(version=version)
    newest = answers.filter(shadow=True).aggregate(at=Max("prediction__created_at"))["at"]
    since = version.shadow_since or timezone.now()
    if newest:
        since = max(since, newest - OVERLAP)
    return (
        Prediction.objects.live(version.shadow_share)
        .filter(created_at__gte=since)
        .exclude(text="")
        .filter(_has_pair(version))
        .exclude(Exists(answers.filter(prediction=OuterRef("pk"))))
        .exclude(model_version=version)
        .order_by("created_at")
    )


def _has_pair(version: ModelVersion, of: str = "") -> Q:
    """Predictions with a second text for a version that reads pairs, those without for others."""
    alone = Q(**{f"{of}text_pair": ""})
    return ~alone if version.reads_pairs else alone


def _rate(version: ModelVersion, owed: Sequence[UUID], *, shadow: bool, until: float) -> int:
    """How many of these predictions' texts were rated before it was time to end."""
    if not owed or time.monotonic() > until:
        return 0
    predictor = load_version(version)
    done = 0
    while done < len(owed) and time.monotonic() < until:
        keys = owed[done : done + BATCH]
        # A text may have been purged since.
        found = Prediction.objects.exclude(text="").in_bulk(keys).values()
        most = settings.CLASSIFIER_READ_CHARS
        texts = [prediction.text[:most] for prediction in found]
        pairs = [prediction.text_pair[:most] for prediction in found]
        answers = predictor.classify(texts, pairs if version.reads_pairs else None)
        VersionAnswer.objects.bulk_create(
            (
                VersionAnswer(
                    version=version,
                    prediction=prediction,
                    label=said.label,
                    positive_probability=said.positive_probability,
                    rating=said.rating,
                    shadow=shadow,
                )
                for prediction, said in zip(found, answers, strict=True)
            ),
            ignore_conflicts=True,  # another worker was quicker
        )
        done += len(keys)
    return done
