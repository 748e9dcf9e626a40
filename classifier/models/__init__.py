"""The rows that are kept, one file a subject."""

from classifier.models.api_keys import (
    ApiKey,
    IdempotentRequest,
    RateWindow,
    Scope,
    key_digest,
)
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
    Prediction,
    PredictionQuerySet,
    Verdict,
    VerdictQuerySet,
    text_digest,
)
from classifier.models.versions import ModelVersion, VersionAnswer
from classifier.models.workers import Worker

__all__ = [
    "RATING_TOLERANCE",
    "ApiKey",
    "AuditEntry",
    "BulkChunk",
    "BulkJob",
    "Feedback",
    "FilePiece",
    "IdempotentRequest",
    "ModelVersion",
    "Prediction",
    "PredictionQuerySet",
    "RateWindow",
    "ReviewClaim",
    "ReviewSkip",
    "Scope",
    "StoredFile",
    "Verdict",
    "VerdictQuerySet",
    "VersionAnswer",
    "Worker",
    "audit_entry",
    "key_digest",
    "text_digest",
]
