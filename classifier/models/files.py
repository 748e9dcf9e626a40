"""Files kept in the database, in pieces, so that hosts need share nothing else."""

import uuid

from django.db import models
from django.db.models.functions import Now


class StoredFile(models.Model):
    """A file that is there as a whole; classifier.files writes and reads it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=255)
    size = models.PositiveBigIntegerField(default=0, help_text="Bytes.")
    sha256 = models.CharField(
        "SHA-256", max_length=64, blank=True, help_text="Empty while written."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    def __str__(self) -> str:
        return self.name


class FilePiece(models.Model):
    """Bytes of a file: PIECE_BYTES of classifier.files, the last one fewer."""

    file = models.ForeignKey(StoredFile, on_delete=models.CASCADE, related_name="pieces")
    number = models.PositiveIntegerField(help_text="From 0.")
    content = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["file", "number"], name="file_piece_unique")]

    def __str__(self) -> str:
        return f"{self.file_id}[{self.number}]"
