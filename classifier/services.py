"""What form, API and command share."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from classifier import metrics
from classifier.answers import answers
from classifier.classification import Classification
from classifier.keeping import keep
from classifier.models import Prediction, text_digest
from classifier.overload import require_room
from classifier.predictor import holder
from classifier.task import Task
from classifier.text_language import language_of
from classifier.texts import clean_review_text


def review_text(text: object) -> str:
    """`text`, cleaned and within the site's character limit.

    Raises:
        InvalidText: it is not a text that can be rated.
    """
    return clean_review_text(text, max_chars=settings.CLASSIFIER_MAX_CHARS)


def served_task() -> Task:
    """What the loaded model is asked for; while none is loaded, to rate reviews."""
    predictor = holder.loaded
    return predictor.task if predictor else Task()


class Rated(NamedTuple):
    """What is kept of a text, and all that the model said of it."""

    prediction: Prediction
    said: Classification


def rate(
    texts: Sequence[str],
    *,
    source: Prediction.Source,
    kept: Callable[[list[Prediction]], None] | None = None,
    pairs: Sequence[str] | None = None,
) -> list[Prediction]:
    """Rate texts that `review_text` has cleaned, and keep what was said of each.

    All are kept or none: what is returned is in the database.

    Args:
        kept: called in the transaction that keeps them, which it may undo by raising.
        pairs: the second text of each, cleaned, too; None for a model that reads one text.

    Raises:
        WrongPair: the model reads pairs and there are none, or the other way round.
        ModelNotReady: no model can answer; nothing is kept.
        Overloaded: the request has waited too long for its turn; nothing is kept.
    """
    return [rated.prediction for rated in rate_fully(texts, source=source, kept=kept, pairs=pairs)]


def rate_fully(
    texts: Sequence[str],
    *,
    source: Prediction.Source,
    kept: Callable[[list[Prediction]], None] | None = None,
    pairs: Sequence[str] | None = None,
) -> list[Rated]:
    """As `rate`, with the model's own outputs.

    Raises:
        WrongPair, ModelNotReady, Overloaded: as `rate`.
    """
    require_room()
    predictor = holder.get()
    task = predictor.task
    task.require_pairs(pairs is not None)
    most = settings.CLASSIFIER_READ_CHARS
    seconds = [""] * len(texts) if pairs is None else pairs
    read = [text[:most] for text in texts]
    read_pairs = None if pairs is None else [second[:most] for second in pairs]
    digests = [text_digest(*both) for both in zip(texts, seconds, strict=True)]
    read_digests = [
        digest if len(text) <= most >= len(second) else text_digest(text[:most], second[:most])
        for text, second, digest in zip(texts, seconds, digests, strict=True)
    ]
    metrics.TEXTS.observe(len(texts))
    with metrics.INFERENCE.time():
        classifications = answers.classify(
            predictor, read, read_digests, size=settings.CLASSIFIER_CACHE_SIZE, pairs=read_pairs
        )
    predictions = [
        Prediction(
            text=text,
            text_pair=second,
            text_sha256=digest,
            label=said.label,
            score=said.score,
            positive_probability=said.positive_probability,
            rating=said.rating,
            rating_low=said.rating_low,
            rating_high=said.rating_high,
            probabilities=None if task.rated else said.probabilities,
            windows=said.windows,
            truncated=max(len(text), len(second)) > most,
            language=language_of(text) or "",
            source=source,
        )
        for text, second, digest, said in zip(texts, seconds, digests, classifications, strict=True)
    ]
    with metrics.KEEPING.time():
        if kept is None:
            keep(predictions, predictor)
        else:
            with transaction.atomic():
                keep(predictions, predictor)
                kept(predictions)
    metrics.PREDICTIONS.labels(source).inc(len(predictions))
    for prediction in predictions:
        if prediction.rating is not None:
            metrics.rated(prediction.rating).inc()
    return [Rated(*both) for both in zip(predictions, classifications, strict=True)]


def purge_expired_texts() -> int:
    """Empty the texts that are older than TEXT_RETENTION_DAYS; how many there were."""
    if not settings.TEXT_RETENTION_DAYS:
        return 0
    limit = timezone.now() - timedelta(days=settings.TEXT_RETENTION_DAYS)
    return Prediction.objects.purge_texts(before=limit)
