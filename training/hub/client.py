"""The HTTP client that huggingface_hub is given: every request bounded, no failure retried twice.

huggingface_hub 2.4 sends most requests without any timeout, and retries some of them itself (5
times, 1 to 8 s apart) and others never. Here whatever may pass becomes `Transient`, which none of
its layers catches, so that `training.hub.connection` alone decides about retries.
"""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

import httpx2
from huggingface_hub.utils import parse_ratelimit_headers  # type: ignore[attr-defined]

TRANSIENT_STATUSES = {408, 412, 429, 500, 502, 503, 504}
# huggingface_hub fetches this first, for its user agent, does without it where it cannot, and would
# so make a blocked Hub be waited for twice.
TELEMETRY = "/api/agent-harnesses"
BUSY = "conflicting operation is in progress"  # a 409 that huggingface_hub repeats for ever


class Transient(Exception):
    """A failure that may pass; the text says which, without address or headers."""

    def __init__(self, reason: str, *, retry_after: float | None = None) -> None:
        self.reason = reason
        self.retry_after = retry_after
        """Seconds that the server asks to wait, where it says so."""
        super().__init__(reason)


@dataclass
class Contact:
    """What is known of the way to the Hub; outlives the client, which huggingface_hub may close."""

    seconds: tuple[float, ...]
    """Longest wait for the first answer, of each attempt."""
    silence: float
    """Once it has answered: seconds without a byte after which a request has failed."""
    made: bool = False
    attempts: int = 0


class BoundedClient(httpx2.Client):
    """A client whose requests end in an answer or, in time, in `Transient`."""

    def __init__(self, contact: Contact) -> None:
        super().__init__(follow_redirects=True)
        self._contact = contact

    def send(self, request: httpx2.Request, **kwargs: Any) -> httpx2.Response:
        if request.url.path.endswith(TELEMETRY):
            raise Transient("telemetry is not asked for")
        contact = self._contact
        seconds = contact.silence
        if not contact.made:
            seconds = contact.seconds[min(contact.attempts, len(contact.seconds) - 1)]
            contact.attempts += 1
        # huggingface_hub gives some requests a timeout of its own and most of them none.
        request.extensions["timeout"] = httpx2.Timeout(seconds).as_dict()
        ask = partial(super().send, request, **kwargs)
        try:
            response = ask() if contact.made else _within(seconds, ask)
        except httpx2.RequestError as error:
            raise Transient(_reason(error)) from error
        contact.made = True
        if response.status_code == 409 and BUSY in response.read().decode(errors="replace"):
            raise Transient("it is busy with another operation on the repository")
        if response.status_code in TRANSIENT_STATUSES:
            response.close()
            raise Transient(
                f"it answers {response.status_code}", retry_after=_retry_after(response.headers)
            )
        if isinstance(response.stream, httpx2.SyncByteStream) and not response.is_closed:
            response.stream = _Body(response.stream)
        return response


class _Body(httpx2.SyncByteStream):
    """A response's body whose breaking off is Transient too."""

    def __init__(self, stream: httpx2.SyncByteStream) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._stream
        except httpx2.RequestError as error:
            raise Transient(_reason(error)) from error

    def close(self) -> None:
        self._stream.close()


def _within(seconds: float, ask: "partial[httpx2.Response]") -> httpx2.Response:
    """The answer of `ask` in `seconds`, whatever hangs: a resolver, for one, has no timeout."""
    answers: list[httpx2.Response] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            answers.append(ask())
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="first contact with the Hub", daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not answers:
        raise Transient(f"no answer in {seconds:g} s")
    return answers[0]


def _reason(error: httpx2.RequestError) -> str:
    # The words of the system for a refused or unknown host; never the request with its headers.
    words = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    if isinstance(error, httpx2.ReadTimeout):
        return "no answer in time"
    if isinstance(error, httpx2.ConnectTimeout):
        return "no connection in time"
    return words


def _retry_after(headers: httpx2.Headers) -> float | None:
    limits = parse_ratelimit_headers(headers)
    if limits is not None and limits.remaining == 0:
        return float(limits.reset_in_seconds)
    value = headers.get("Retry-After", "").strip()
    if not value:
        return None
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
