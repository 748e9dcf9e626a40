"""The process-wide loaded model: loaded once, at the start of a worker or on first use."""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from django.conf import settings
from django.db import Error
from numpy.typing import NDArray

from classifier.artefact import Artefact, open_artefact
from classifier.classification import Classification, Outputs
from classifier.engines import AUTO, CPU, Engine, open_engine
from classifier.exceptions import ModelNotReady
from classifier.labels import POSITIVE
from classifier.messages import message
from classifier.model_files import revisions_of
from classifier.model_store import active_version, artefact_of
from classifier.models import ModelVersion
from classifier.rating_file import OF_MODEL, RatingFile, read_rating_file
from classifier.shared_models import fetch
from classifier.task import Task
from classifier.windows import combine, softmax

logger = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
GOLDEN_TOLERANCE = 0.3  # in probability; an int8 graph may differ so much from its weights
WARM_UP = ("Fine.", "An evening well spent, from the first scene to the last. " * 60)


class Predictor:
    """A loaded model and what it is called. Safe to share between threads.

    Args:
        rating: how its ratings are made, and one answer of several windows.
    """

    def __init__(
        self,
        artefact: Artefact,
        revision: str,
        engine: Engine,
        rating: RatingFile = RatingFile(),  # noqa: B008 (frozen)
    ) -> None:
        self.artefact = artefact
        self.name = artefact.name
        self.revision = revision
        self.rating = rating
        self._engine = engine

    @property
    def engine(self) -> Engine:
        return self._engine

    def outputs(
        self,
        texts: Sequence[str],
        pairs: Sequence[str] | None = None,
        *,
        rule: str | None = None,
    ) -> Outputs:
        """What the model says of each text.

        Args:
            pairs: the second text of each, or None.
            rule: how the windows of a long text are combined; None for the model's own.

        Raises:
            ModelNotReady: the model gave NaN or infinity.
        """
        if not texts:
            return Outputs(np.empty((0, len(self.artefact.labels))), None, [])
        read = self._engine.read(texts, pairs)
        said = [combine(windows, rule or self.rating.window_rule) for windows in read]
        logits = np.stack([text.logits for text in said])
        stars = [text.stars for text in said if text.stars is not None]
        star_logits = np.stack(stars) if stars else None
        if not all(np.isfinite(each).all() for each in (logits, *stars)):
            raise ModelNotReady(
                code="model_broken",
                rule=message("A model's outputs must be finite numbers."),
                value=message("{name} gave NaN or infinity", name=self.name),
                remedy=message(
                    "Train it again at a lower --learning-rate, or serve another model."
                ),
            )
        return Outputs(logits, star_logits, [len(windows.tokens) for windows in read])

    def require_single_texts(self) -> None:
        """
        Raises:
            ModelNotReady: the model reads pairs, where only one text is at hand.
        """
        if self.task.pairs:
            raise ModelNotReady(
                code="model_reads_pairs",
                rule=message("What rates files and lists of reviews reads one text at a time."),
                value=message("{name} reads pairs of texts", name=self.name),
                remedy=message(
                    "Send pairs to /api/predict, or let a model be served that reads one text."
                ),
            )

    def require_reviews(self) -> None:
        """
        Raises:
            ModelNotReady: the model is not one that rates a review by its sentiment.
        """
        self.require_single_texts()
        self.artefact.positive_index()

    def count_tokens(self, text: str) -> int:
        """How many tokens the model reads of a text, the special ones left out."""
        return self._engine.count_tokens(text)

    @property
    def task(self) -> Task:
        """What the model is asked for."""
        return self.artefact.task

    def classify(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None
    ) -> list[Classification]:
        """One classification a text, in their order; with a rating where the task has one.

        Args:
            pairs: the second text of each, or None.

        Raises:
            WrongPair: the model reads pairs and there are none, or the other way round.
            ModelNotReady: the model gave NaN.
        """
        task = self.task
        task.require_pairs(pairs is not None)
        positive = self.artefact.positive_index() if task.rated else None
        said = self.outputs(texts, pairs)
        stars = [None] * len(texts) if said.star_logits is None else said.star_logits.tolist()
        return [
            self._classification(row, positive, count, star_logits)
            for row, count, star_logits in zip(said.logits, said.windows, stars, strict=True)
        ]

    def _classification(
        self,
        logits: NDArray[np.float64],
        positive: int | None,
        windows: int,
        star_logits: Sequence[float] | None,
    ) -> Classification:
        probabilities = softmax(logits)
        winner = int(probabilities.argmax())
        if positive is None:
            return Classification(
                label=self.artefact.labels[winner],
                score=float(probabilities[winner]),
                positive_probability=None,
                rating=None,
                windows=windows,
                labels=self.artefact.labels,
                logits=tuple(logits.tolist()),
            )
        positive_probability = float(probabilities[positive])
        rating = self.rating.rating_map.rate(positive_probability, star_logits)
        return Classification(
            label=self.artefact.labels[winner],
            score=float(probabilities[winner]),
            positive_probability=positive_probability,
            rating=rating.value,
            windows=windows,
            rating_low=rating.low,
            rating_high=rating.high,
            labels=self.artefact.labels,
            logits=tuple(logits.tolist()),
        )


def open_predictor(
    artefact: Artefact, *, engine: str = AUTO, device: str = CPU, rating: str = OF_MODEL
) -> Predictor:
    """Load a model with the engine that is asked for; arguments and errors as open_engine.

    Args:
        rating: "auto" for ratings as the model's rating.json says, "confidence" for those of its
            confidence alone.

    Raises:
        ModelNotReady: as open_engine and read_rating_file.
    """
    how = read_rating_file(artefact.directory, choice=rating)
    revisions = revisions_of(artefact.directory)
    opened = open_engine(artefact.directory, revisions.weights, kind=engine, device=device)
    return Predictor(artefact, revisions.model, opened, how)


def load_predictor(model: str | Path, *, models_dir: Path, name: str = "") -> Predictor:
    """Load a model and rate a short and a long text with it, so that it is warm and works.

    Args:
        name: what it is called, where its directory is called something else.

    Raises:
        ModelNotReady: it is missing or broken.
    """
    artefact = open_artefact(model, models_dir=models_dir)
    return load_artefact(replace(artefact, name=name or artefact.name))


def load_artefact(artefact: Artefact) -> Predictor:
    """As `load_predictor`, from a directory that has been looked at."""
    try:
        predictor = open_predictor(
            artefact,
            engine=settings.CLASSIFIER_ENGINE,
            device=settings.CLASSIFIER_DEVICE,
            rating=settings.CLASSIFIER_RATING,
        )
        predictor.classify(WARM_UP, WARM_UP if predictor.task.pairs else None)
    except ModelNotReady:
        raise
    except Exception as error:
        # Whatever a damaged file makes the libraries raise, the site stays up and says so.
        logger.exception("The model %s cannot be loaded", artefact.name)
        raise ModelNotReady(
            code="model_broken",
            rule=message("The model that is served must load and rate a text."),
            value=f"{artefact.name}: {type(error).__name__}: {str(error).splitlines()[0][:200]}"
            if str(error)
            else f"{artefact.name}: {type(error).__name__}",
            remedy=message(
                "Remove its directory and install or train it again "
                "(the starter: python manage.py install_starter)."
            ),
        ) from error
    return predictor


def load_version(version: ModelVersion) -> Predictor:
    """Load the kept files of a version, and ask it for its golden reviews.

    Raises:
        ModelNotReady: as load_predictor; or it says something else than when it was registered.
    """
    predictor = load_artefact(artefact_of(version))
    texts = [text for text, _ in version.golden]
    said = predictor.classify(texts, texts if predictor.task.pairs else None)
    for one, (text, known) in zip(said, version.golden, strict=True):
        given, expected = _farthest(one, known)
        if abs(given - expected) > GOLDEN_TOLERANCE:
            raise ModelNotReady(
                code="golden_missed",
                rule=message(
                    "A version says of the golden reviews what it said when it was registered."
                ),
                value=message(
                    "{version} gives {positive_probability:.3f} in place of {expected:.3f} to "
                    "{text!r}",
                    version=version,
                    positive_probability=given,
                    expected=expected,
                    text=text,
                ),
                remedy=message(
                    "Check CLASSIFIER_ENGINE and the model's graph: manage.py export_model."
                ),
            )
    return predictor


def _farthest(said: Classification, known: float | dict[str, float]) -> tuple[float, float]:
    """A label's probability now and when it was known: of the label that differs most."""
    wanted = known if isinstance(known, dict) else {POSITIVE: known}
    given = said.probabilities
    label = max(wanted, key=lambda name: abs(given.get(name, 0.0) - wanted[name]))
    return given.get(label, 0.0), wanted[label]


class PredictorHolder:
    """Keeps the one predictor of this process, and why there is none if there is none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._predictor: Predictor | None = None
        self._failure: ModelNotReady | None = None
        self._failed_at = 0.0
        self._following = threading.Lock()
        self._refused: int | None = None
        self._refused_until = 0.0

    def get(self) -> Predictor:
        """The predictor, loaded on the first call.

        A failure is remembered for RETRY_SECONDS, so that a missing model costs a request
        nothing and yet a model that has been put there is found without a restart.

        Raises:
            ModelNotReady: it cannot be loaded.
        """
        if self._predictor is not None:
            return self._predictor
        with self._lock:
            if self._predictor is None:
                if self._failure and time.monotonic() - self._failed_at < RETRY_SECONDS:
                    # Without it each raise would lengthen the traceback, and keep its frames.
                    raise self._failure.with_traceback(None)
                try:
                    self._predictor = _load_served()
                except ModelNotReady as error:
                    self._failure, self._failed_at = error, time.monotonic()
                    raise
                self._failure = None
            return self._predictor

    def follow(self) -> bool:
        """Serve the version that is active now, if it is another; whether it was taken over.

        It is loaded and checked beside the one that serves, which answers meanwhile and is
        then replaced by one assignment. A version that is broken here is left out for
        RETRY_SECONDS, and the one that serves goes on.

        Raises:
            DatabaseError: which one is active cannot be asked.
        """
        with self._following:
            version, serving = active_version(), self._predictor
            if version is None or serving is None or _is(serving, version):
                return False
            if version.pk == self._refused and time.monotonic() < self._refused_until:
                return False
            try:
                predictor = load_version(version)
            except ModelNotReady as error:
                logger.error("%s@%s goes on serving: %s", serving.name, serving.revision, error)
                self._refused = version.pk
                self._refused_until = time.monotonic() + RETRY_SECONDS
                return False
            with self._lock:
                self._predictor = predictor
            logger.info("Serving %s in place of %s@%s", version, serving.name, serving.revision)
            return True

    @property
    def loaded(self) -> Predictor | None:
        """The predictor if it is loaded; never loads, never waits."""
        return self._predictor

    @property
    def failure(self) -> ModelNotReady | None:
        """Why the last attempt to load failed, if it did."""
        return self._failure

    def reset(self) -> None:
        """Forget the predictor; the next call loads anew."""
        with self._lock:
            self._predictor = self._failure = None


def _load_served() -> Predictor:
    """The active version; before the first activation, the model that CLASSIFIER_MODEL names.

    Raises:
        ModelNotReady: it cannot be loaded, or which it is cannot be asked.
    """
    try:
        version = active_version()
    except Error as error:
        raise ModelNotReady(
            code="database_not_ready",
            rule=message("The database says which model version is active."),
            value=message("it does not answer: {error}", error=type(error).__name__),
            remedy=message("Wait, or start it; the model is then loaded without a restart."),
        ) from error
    if version:
        return load_version(version)
    fetch(settings.CLASSIFIER_MODEL, models_dir=settings.MODELS_DIR)
    return load_predictor(settings.CLASSIFIER_MODEL, models_dir=settings.MODELS_DIR)


def _is(predictor: Predictor, version: ModelVersion) -> bool:
    return (predictor.name, predictor.revision) == (version.name, version.revision)


holder = PredictorHolder()
