"""One chunk, from its claim to what was said of it."""

from collections.abc import Iterator, Sequence

from django.conf import settings

from classifier.bulk.chunks import Chunk
from classifier.bulk.ratings import RowRating, Summary, bad_row, rate_chunk, ratings_to_bytes
from classifier.bulk_jobs.chunk_claims import MAX_CHUNK_LOSSES, ChunkClaim
from classifier.bulk_jobs.served import Served
from classifier.jobs import Heart
from classifier.messages import message
from classifier.models import Prediction, text_digest
from classifier.text_language import language_of

LOST = message(
    "Workers must survive rating it. Found: {losses} that were lost with this row or "
    "one beside it, most likely for want of memory.",
    losses=MAX_CHUNK_LOSSES,
)


def rate(claim: ChunkClaim, model: Served, *, keep_texts: bool) -> None:
    """Rate the chunk and keep what was said; its lease is renewed as long as that takes.

    Where anything goes wrong the chunk is left to others, at once.

    Raises:
        ModelNotReady: the model cannot rate these texts.
        ClaimLost: another worker has the chunk by now, or the job is gone; nothing is kept.
    """
    try:
        with Heart(claim):
            chunk = Chunk.from_bytes(claim.input)
            if claim.worker_losses < MAX_CHUNK_LOSSES:
                ratings = rate_chunk(chunk, model.classify)
            else:
                ratings = [bad_row(item.problem or LOST) for item in chunk.items]
        counts = Summary()
        for item, rating in zip(chunk.items, ratings, strict=True):
            counts.add(item.row, rating)
        claim.finish(
            ratings_to_bytes(ratings),
            bad_rows=counts.bad,
            ratings=counts.as_dict()["ratings"],
            predictions=[*_predictions(chunk, ratings, model)] if keep_texts else (),
        )
    except Exception:
        claim.give_back()
        raise


def _predictions(chunk: Chunk, ratings: Sequence[RowRating], model: Served) -> Iterator[Prediction]:
    for item, rating in zip(chunk.items, ratings, strict=True):
        if item.text is None or rating.label is None:
            continue
        said = rating._asdict()
        del said["error"]
        yield Prediction(
            **said,
            text=item.text,
            text_sha256=text_digest(item.text),
            truncated=len(item.text) > settings.CLASSIFIER_READ_CHARS,
            language=language_of(item.text) or "",
            model_version=model.version,
            source=Prediction.Source.BULK,
        )
