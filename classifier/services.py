"""What form, API and command share."""

from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from classifier import metrics
from classifier.answers import answers
from classifier.keeping import keep
from classifier.models import Prediction, text_digest
from classifier.predictor import holder
from classifier.texts import clean_review_text


def review_text(text: object) -> str:
    """`text`, cleaned and within the site's character limit.

    Raises:
        InvalidText: it is not a text that can be rated.
    """
    return clean_review_text(text, max_chars=settings.CLASSIFIER_MAX_CHARS)


def rate(texts: Sequence[str], *, source: Prediction.Source) -> list[Prediction]:
    """Rate texts that `review_text` has cleaned, and keep what was said of each.

    All are kept or none: what is returned is in the database.

    Raises:
        ModelNotReady: no model can answer; nothing is kept.
    """
    predictor = holder.get()
    read = [text[: settings.CLASSIFIER_READ_CHARS] for text in texts]
    digests = [text_digest(text) for text in texts]
    read_digests = [
        digest if part == text else text_digest(part)
        for part, text, digest in zip(read, texts, digests, strict=True)
    ]
    with metrics.INFERENCE.time():
        classifications = answers.classify(
            predictor, read, read_digests, size=settings.CLASSIFIER_CACHE_SIZE
        )
    predictions = [
        Prediction(
            text=text,
            text_sha256=digest,
            label=said.label,
            score=said.score,
            positive_probability=said.positive_probability,
            rating=said.rating,
            rating_low=said.rating_low,
            rating_high=said.rating_high,
            windows=said.windows,
            truncated=len(text) > settings.CLASSIFIER_READ_CHARS,
            source=source,
        )
        for text, digest, said in zip(texts, digests, classifications, strict=True)
    ]
    with metrics.KEEPING.time():
        keep(predictions, predictor)
    metrics.PREDICTIONS.labels(source).inc(len(predictions))
    return predictions


def purge_expired_texts() -> int:
    """Empty the texts that are older than TEXT_RETENTION_DAYS; how many there were."""
    if not settings.TEXT_RETENTION_DAYS:
        return 0
    limit = timezone.now() - timedelta(days=settings.TEXT_RETENTION_DAYS)
    return Prediction.objects.purge_texts(before=limit)
