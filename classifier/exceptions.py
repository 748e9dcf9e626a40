"""What can go wrong between a text and its rating.

Every error says the rule that was broken, the value that broke it and the remedy.
"""


class ClassifierError(Exception):
    """Base of the classifier's own errors.

    Attributes:
        code: stable name of the error for programs, such as `text_blank`.
        rule: what must hold.
        value: what was found instead; never the review itself.
        remedy: what to do about it.
    """

    def __init__(self, *, code: str, rule: str, value: str, remedy: str) -> None:
        self.code = code
        self.rule = rule
        self.value = value
        self.remedy = remedy
        super().__init__(f"{rule} Found: {value}. {remedy}")


class InvalidText(ClassifierError):
    """The text cannot be rated."""


class ModelNotReady(ClassifierError):
    """No model can answer now: it is missing, broken or of the wrong kind."""
