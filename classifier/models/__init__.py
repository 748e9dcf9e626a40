"""The rows that are kept, one file a subject."""

from classifier.models.bulk import BulkChunk, BulkJob
from classifier.models.files import FilePiece, StoredFile
from classifier.models.reviews import (
    ModelVersion,
    Prediction,
    PredictionQuerySet,
    Verdict,
    text_digest,
)

__all__ = [
    "BulkChunk",
    "BulkJob",
    "FilePiece",
    "ModelVersion",
    "Prediction",
    "PredictionQuerySet",
    "StoredFile",
    "Verdict",
    "text_digest",
]
