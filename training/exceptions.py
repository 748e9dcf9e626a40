"""What can be wrong with a run that somebody wants to start."""

from classifier.exceptions import ClassifierError
from training.config import ConfigError


class InvalidRun(ClassifierError, ConfigError):
    """A run that cannot be started so.

    Attributes:
        field: which parameter is wrong; None where it is none alone.
    """

    def __init__(
        self, *, code: str, rule: str, value: str, remedy: str, field: str | None = None
    ) -> None:
        super().__init__(code=code, rule=rule, value=value, remedy=remedy)
        self.field = field
