"""What can go wrong between a text and its rating.

Every error says the rule that was broken, the value that broke it and the remedy.
"""

from classifier.messages import Message, message, told


class ClassifierError(Exception):
    """Base of the classifier's own errors.

    As a string it is English, for logs. What its attributes say is in the reader's language, where
    they were given as messages.

    Attributes:
        code: stable name of the error for programs, such as `text_blank`.
        finding: rule and value in one.
        message: all of it in one, to be kept and told later.
    """

    def __init__(self, *, code: str, rule: str, value: str, remedy: str) -> None:
        self.code = code
        self._rule = rule
        self._value = value
        self._remedy = remedy
        self.finding: Message = message("{rule} Found: {value}.", rule=rule, value=value)
        self.message: Message = message(
            "{rule} Found: {value}. {remedy}", rule=rule, value=value, remedy=remedy
        )
        super().__init__(str(self.message))

    @property
    def rule(self) -> str:
        """What must hold."""
        return told(self._rule)

    @property
    def value(self) -> str:
        """What was found instead; never the review itself."""
        return told(self._value)

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return told(self._remedy)

    @property
    def told(self) -> str:
        """Rule, value and remedy in one."""
        return told(self.message)


class InvalidText(ClassifierError):
    """The text cannot be rated."""


class Overloaded(ClassifierError):
    """More is asked than can be answered in time."""


class ModelNotReady(ClassifierError):
    """No model can answer now: it is missing, broken or of the wrong kind."""


class ExplanationUnavailable(ClassifierError):
    """The model that serves cannot be asked why in this way."""
