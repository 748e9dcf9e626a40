"""A request that is refused whatever it asks for: its key, its rate, or one sent twice."""

from collections.abc import Mapping

from classifier.exceptions import ClassifierError


class Refusal(ClassifierError):
    """
    Attributes:
        status: the HTTP status that says so.
        headers: what a client needs besides, such as Retry-After.
    """

    def __init__(
        self, *, status: int, headers: Mapping[str, str] | None = None, **said: str
    ) -> None:
        super().__init__(**said)
        self.status = status
        self.headers = dict(headers or {})
