"""What was answered lately: the same text and the same model version need no second inference."""

import threading
from collections import OrderedDict
from collections.abc import Sequence

from classifier import metrics
from classifier.classification import Classification
from classifier.predictor import Predictor

Key = tuple[str, str]  # revision of the model, SHA-256 of what it read of the text


class AnswerCache:
    """The newest answers, least recently used out first. Holds digests, no texts."""

    def __init__(self) -> None:
        self._answers: OrderedDict[Key, Classification] = OrderedDict()
        self._lock = threading.Lock()

    def classify(
        self,
        predictor: Predictor,
        texts: Sequence[str],
        digests: Sequence[str],
        *,
        size: int,
        pairs: Sequence[str] | None = None,
    ) -> list[Classification]:
        """As Predictor.classify; the engine reads each text once, and those not that are known.

        Args:
            digests: of the texts, or of the pairs.
            size: answers to keep at most; 0 keeps none.
        """
        if size < 1:
            return predictor.classify(texts, pairs)
        keys = [(predictor.revision, digest) for digest in digests]
        with self._lock:
            known = {key: self._answers[key] for key in keys if key in self._answers}
        unread = {key: place for place, key in enumerate(keys) if key not in known}
        said = (
            predictor.classify(
                [texts[place] for place in unread.values()],
                None if pairs is None else [pairs[place] for place in unread.values()],
            )
            if unread
            else []
        )
        known |= dict(zip(unread, said, strict=True))
        metrics.CACHE_MISSES.inc(len(unread))
        metrics.CACHE_HITS.inc(len(keys) - len(unread))
        with self._lock:
            for key in keys:
                self._answers[key] = known[key]
                self._answers.move_to_end(key)
            while len(self._answers) > size:
                self._answers.popitem(last=False)
        return [known[key] for key in keys]

    def __len__(self) -> int:
        return len(self._answers)

    def clear(self) -> None:
        """Forget every answer."""
        with self._lock:
            self._answers.clear()


answers = AnswerCache()
