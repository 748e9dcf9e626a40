"""The model of this worker, and the jobs that it may rate."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Q

from classifier.classification import Classification
from classifier.jobs import persistently
from classifier.messages import message
from classifier.model_store import version_of
from classifier.models import BulkJob, ModelVersion
from classifier.predictor import Predictor, holder

WAITS_FOR_MODEL = "waiting for a model"


@dataclass(frozen=True)
class Served:
    predictor: Predictor
    version: ModelVersion

    def classify(self, texts: Sequence[str]) -> list[Classification]:
        """One classification a text; each is cut to what the model reads.

        Raises:
            ModelNotReady: the model gave NaN.
        """
        return self.predictor.classify([text[: settings.CLASSIFIER_READ_CHARS] for text in texts])

    @property
    def mine(self) -> Q:
        """Jobs that this model may rate: one job is rated by one model."""
        return Q(model_version=None) | Q(model_version=self.version)


def served() -> Served:
    """The model of this process and its row.

    Raises:
        ModelNotReady: none can be loaded, or it reads pairs of texts.
    """
    found = _served(holder.get())
    # Jobs that this version has begun are rated by it to their end.
    begun = BulkJob.objects.filter(model_version=found.version, finished_at=None)
    if not persistently(begun.exists) and persistently(holder.follow):
        found = _served(holder.get())
    return found


def _served(predictor: Predictor) -> Served:
    predictor.require_single_texts()
    version = persistently(lambda: version_of(predictor.name, predictor.revision, predictor.task))
    return Served(predictor=predictor, version=version)


def tell_waiting_for_model(reason: str) -> None:
    """Say on all jobs that wait why they do; they stay queued."""
    _tell(Q(), reason)


def tell_waiting_for_other_model(model: Served) -> None:
    """The same on those that another version has begun."""
    _tell(
        ~model.mine,
        message(
            "A file must be rated by one version of the model. Found: a worker that serves "
            "{version}, while this job was begun by another. Serve that one again, or retry "
            "the job anew.",
            version=model.version,
        ),
    )


def _tell(which: Q, reason: str) -> None:
    def tell() -> None:
        waiting = BulkJob.objects.claimable().filter(which).exclude(error=reason)
        waiting.update(error=reason, stage=WAITS_FOR_MODEL)

    persistently(tell)
