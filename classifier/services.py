"""What form, API and command share."""

from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from classifier.models import ModelVersion, Prediction, text_digest
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
    classifications = predictor.classify([text[: settings.CLASSIFIER_READ_CHARS] for text in texts])
    version, _ = ModelVersion.objects.get_or_create(
        name=predictor.name, revision=predictor.revision
    )
    return Prediction.objects.bulk_create(
        Prediction(
            text=text,
            text_sha256=text_digest(text),
            label=said.label,
            score=said.score,
            positive_probability=said.positive_probability,
            rating=said.rating,
            windows=said.windows,
            truncated=len(text) > settings.CLASSIFIER_READ_CHARS,
            model_version=version,
            source=source,
        )
        for text, said in zip(texts, classifications, strict=True)
    )


def purge_expired_texts() -> int:
    """Empty the texts that are older than TEXT_RETENTION_DAYS; how many there were."""
    if not settings.TEXT_RETENTION_DAYS:
        return 0
    limit = timezone.now() - timedelta(days=settings.TEXT_RETENTION_DAYS)
    return Prediction.objects.purge_texts(before=limit)
