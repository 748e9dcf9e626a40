"""The rows that are kept, one file a subject."""

from classifier.models.bulk import BulkChunk, BulkJob
from classifier.models.files import FilePiece, StoredFile
from classifier.models.reviewing import (
    RATING_TOLERANCE,
    AuditEntry,
    Feedback,
    ReviewClaim,
    ReviewSkip,
    audit_entry,
)
from classifier.models.reviews import (
    LABEL_CHOICES,
    ModelVersion,
    Prediction,
    PredictionQuerySet,
    Verdict,
    VerdictQuerySet,
    text_digest,
)

__all__ = [
    "LABEL_CHOICES",
    "RATING_TOLERANCE",
    "AuditEntry",
    "BulkChunk",
    "BulkJob",
    "Feedback",
    "FilePiece",
    "ModelVersion",
    "Prediction",
    "PredictionQuerySet",
    "ReviewClaim",
    "ReviewSkip",
    "StoredFile",
    "Verdict",
    "VerdictQuerySet",
    "audit_entry",
    "text_digest",
]
