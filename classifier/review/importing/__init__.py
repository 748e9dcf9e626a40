"""A labelled file as verdicts: what was labelled elsewhere, or exported from a site like this."""

from classifier.review.importing.preview import Preview, preview_import
from classifier.review.importing.rows import FORMATS, Columns
from classifier.review.importing.writing import Imported, import_verdicts

__all__ = ["FORMATS", "Columns", "Imported", "Preview", "import_verdicts", "preview_import"]
