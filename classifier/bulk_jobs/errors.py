"""What is wrong with a bulk job as a whole."""

from classifier.exceptions import ClassifierError


class BulkError(ClassifierError):
    """The file is not accepted, or the job cannot be had, retried or purged now."""
