"""Texts that were labelled elsewhere: which prediction each is about, and what is said of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from classifier.models import Prediction, Verdict
from classifier.predictor import holder
from classifier.ratings import HIGHEST, LOWEST, label_of
from classifier.services import rate


@dataclass(frozen=True, kw_only=True)
class LabelledText:
    """What somebody says of a text: a label, a rating or both."""

    prediction: UUID | None
    """The one that it is said of, where that is known; it may be of another site."""
    text: str
    """Cleaned; empty where only its digest is known."""
    digest: str
    """Of the text; empty where only its prediction is named."""
    label: str | None
    rating: int | None
    note: str
    chosen_by: str = Verdict.ChosenBy.IMPORT


@dataclass
class Known:
    """The predictions that labelled texts may be about."""

    by_id: dict[UUID, Prediction]
    by_text: dict[str, Prediction]
    """The newest one of each text, by its digest."""

    @classmethod
    def to(cls, labelled: Sequence[LabelledText]) -> "Known":
        """Those that are named, and those of the texts."""
        # What comes from elsewhere is about the sentiment of reviews.
        rated = Prediction.objects.filter(rating__isnull=False, text_pair="")
        needed = rated.only("text_sha256", "label", "rating", "positive_probability")
        named = needed.in_bulk({said.prediction for said in labelled if said.prediction})
        same = needed.filter(text_sha256__in={said.digest for said in labelled if said.digest})
        return cls(
            by_id=named,
            by_text={each.text_sha256: each for each in same.order_by("created_at", "pk")},
        )

    def prediction(self, said: LabelledText) -> Prediction | None:
        """What a labelled text is about; None where neither it nor its prediction is known."""
        named = self.by_id.get(said.prediction) if said.prediction else None
        # An id of another site may be of another text here.
        if named and said.digest in ("", named.text_sha256):
            return named
        return self.by_text.get(said.digest)

    def rate_unknown(self, labelled: Sequence[LabelledText], *, source: Prediction.Source) -> int:
        """Rate the texts without any prediction, each once; how many there were.

        Raises:
            ModelNotReady: there are some, and no model can; or that one has other labels.
        """
        unknown = {said.text: None for said in labelled if said.text and not self.prediction(said)}
        if not unknown:
            return 0
        holder.get().require_reviews()
        rated = rate(list(unknown), source=source)
        self.by_text |= {prediction.text_sha256: prediction for prediction in rated}
        return len(rated)


def meant_by(said: LabelledText, prediction: Prediction) -> tuple[str, int]:
    """The label and the rating of the verdict that a labelled text gives a prediction.

    A label that is the model's keeps the model's rating, another one mirrors it; without a label
    the rating says which.
    """
    label, rating = said.label, said.rating
    if rating is None:
        models = prediction.sentiment.rating
        rating = models if label == prediction.label else LOWEST + HIGHEST - models
    return label or label_of(rating), rating
