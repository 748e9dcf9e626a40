"""Files kept in the database, in pieces, so that hosts need share nothing else."""

import uuid

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class StoredFile(models.Model):
    """A file that is there as a whole; classifier.files writes and reads it."""

    id = models.UUIDField(_("id"), primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=255)
    size = models.PositiveBigIntegerField(_("size"), default=0, help_text=_("Bytes."))
    sha256 = models.CharField(
        _("SHA-256"), max_length=64, blank=True, help_text=_("Empty while written.")
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("stored file")
        verbose_name_plural = _("stored files")

    def __str__(self) -> str:
        return self.name


class FilePiece(models.Model):
    """Bytes of a file: PIECE_BYTES of classifier.files, the last one fewer."""

    file = models.ForeignKey(
        StoredFile, on_delete=models.CASCADE, related_name="pieces", verbose_name=_("file")
    )
    number = models.PositiveIntegerField(_("number"), help_text=_("From 0."))
    content = models.BinaryField(_("content"))

    class Meta:
        verbose_name = _("file piece")
        verbose_name_plural = _("file pieces")
        constraints = [models.UniqueConstraint(fields=["file", "number"], name="file_piece_unique")]

    def __str__(self) -> str:
        return f"{self.file_id}[{self.number}]"
