"""What can be wrong with a file of reviews as a whole; a bad row is no error, it has a reason."""

from classifier.exceptions import ClassifierError


class TableError(ClassifierError):
    """The file cannot be read as a table, or its result cannot be written."""


class PartsError(ClassifierError):
    """What was kept of a chunk is not what was written."""


class EngineError(ClassifierError):
    """The engine that was asked for cannot rate."""
