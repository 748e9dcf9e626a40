"""One connection to the Hub: its address, the token, how long to be patient, and what it said."""

import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn, Self, TypeVar
from urllib.parse import urlsplit

from classifier.messages import message

if TYPE_CHECKING:
    from huggingface_hub import HfApi

    from training.hub.client import Contact, Transient

logger = logging.getLogger(__name__)
T = TypeVar("T")
E = TypeVar("E", bound=BaseException)

PUBLIC_HUB = "https://huggingface.co"
LOCAL_WAY = (
    "Without it: --base-model takes a directory, data sets are read from DATASETS_DIR, and a model "
    "copied to the models folder is served by its name; with HF_HUB_OFFLINE=1, what was fetched "
    "before is taken from the cache."
)
# Letters, digits, . _ - on both sides of one slash; the Hub itself forbids -- and .. in names.
_NAME = r"(?!.*(?:--|\.\.))[A-Za-z0-9](?:[\w.-]{0,94}[A-Za-z0-9_])?"
_REPO_ID = re.compile(rf"(?!.*(?:--|\.\.)){_NAME}/{_NAME}", re.ASCII)
_REVISION = re.compile(r"(?!.*(?:\.\.|//))[A-Za-z0-9](?:[\w./-]{0,126}[\w])?", re.ASCII)
_TOKEN = re.compile(r"[\x21-\x7e]+")
_ANY_TOKEN = re.compile(r"\bhf_\w+")


class HubError(Exception):
    """The Hub was not reached, refused, or holds something else; says rule, value and remedy."""


@dataclass(frozen=True)
class Patience:
    """How long to wait for the Hub, in seconds, and how often to ask again."""

    contact_seconds: tuple[float, ...] = (3.0, 4.0)
    """For the first answer, of each attempt: a Hub that is blocked is given up in under 10 s."""
    silence_seconds: float = 60.0
    """Once it has answered, a request that hears nothing for so long has failed."""
    attempts: int = 6
    """Of one step, after which the Hub is given up."""
    first_wait: float = 1.0
    """Between the first attempts; it doubles from one to the next."""
    longest_wait: float = 30.0
    longest_retry_after: float = 300.0
    """A Hub that asks for a longer pause is not waited for."""
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Hub:
    """Where the Hub is and who asks. Nothing of it comes from a form, a row or a recipe."""

    endpoint: str
    token: str = field(default="", repr=False)
    patience: Patience = Patience()

    @classmethod
    def from_environment(cls) -> Self:
        """The Hub of HF_ENDPOINT, asked with the token of HF_TOKEN.

        Raises:
            HubError: one of the two cannot be used.
        """
        endpoint = os.environ.get("HF_ENDPOINT", "").strip().rstrip("/") or PUBLIC_HUB
        parts = urlsplit(endpoint)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise HubError(
                message(
                    "HF_ENDPOINT must be an address that begins with https:// or http://, but it "
                    "is {shown!r}. Unset it for {public_hub}.",
                    shown=_shown(endpoint),
                    public_hub=PUBLIC_HUB,
                )
            )
        token = os.environ.get("HF_TOKEN", "").strip()
        if token and not _TOKEN.fullmatch(token):
            raise HubError(
                message(
                    "HF_TOKEN must be a token of the Hub, one word of ASCII characters, but it has "
                    "others in it. Copy it again from the Hub's settings."
                )
            )
        return cls(endpoint, token)

    @property
    def shown(self) -> str:
        """The endpoint as messages may show it."""
        return _shown(self.endpoint)

    def masked(self, text: str) -> str:
        """`text` in one line, without tokens: a server may quote them in its errors."""
        if self.token:
            text = text.replace(self.token, "<token>")
        printable = "".join(c if c.isprintable() else " " for c in text)
        return " ".join(_ANY_TOKEN.sub("<token>", printable).split())[:400]

    @contextmanager
    def session(self) -> Iterator["Session"]:
        """Let huggingface_hub of this process speak through a bounded client, for a while.

        Raises:
            HubError: HF_HUB_OFFLINE says not to ask the Hub.
        """
        self._switch_xet_off()
        from huggingface_hub import HfApi, constants, set_client_factory
        from huggingface_hub.utils._http import default_client_factory

        from training.hub.client import BoundedClient, Contact

        if constants.is_offline_mode():
            raise HubError(
                "HF_HUB_OFFLINE must be unset to use the Hub, but it is set. Unset it. " + LOCAL_WAY
            )
        contact = Contact(self.patience.contact_seconds, self.patience.silence_seconds)
        # Without a token of ours False keeps huggingface_hub from taking one out of a file.
        api = HfApi(endpoint=self.endpoint, token=self.token or False)
        set_client_factory(lambda: BoundedClient(contact))
        # It logs every address at INFO, and the address of an upload carries its signature.
        addresses = logging.getLogger("httpx2")
        level = addresses.level
        addresses.setLevel(logging.WARNING)
        try:
            yield Session(self, api, contact)
        finally:
            addresses.setLevel(level)
            set_client_factory(default_client_factory)

    def _switch_xet_off(self) -> None:
        if self.endpoint == PUBLIC_HUB:
            return
        # Against any other Hub an upload by Xet fails and does not fall back.
        os.environ["HF_HUB_DISABLE_XET"] = "1"
        if constants := sys.modules.get("huggingface_hub.constants"):
            constants.HF_HUB_DISABLE_XET = True  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Session:
    """The Hub while we speak with it."""

    hub: Hub
    api: "HfApi"
    contact: "Contact"

    def persist(self, step: Callable[[], T]) -> T:
        """The result of `step`, tried again while its failures may pass.

        Args:
            step: may be run any number of times; its effect must be that of one run.

        Raises:
            HubError: it fails in a way that does not pass (401 and 403 among them), or too often.
        """
        from training.hub.client import Transient

        failures = 0
        while True:
            try:
                return step()
            except HubError:
                raise
            except Exception as error:
                transient = _origin(error, Transient)
                if transient is None:
                    self._refused(error)
                failures += 1
                self._wait(transient, failures)

    def _wait(self, transient: "Transient", failures: int) -> None:
        patience = self.hub.patience
        reason = self.hub.masked(transient.reason)
        limit = patience.attempts if self.contact.made else len(patience.contact_seconds)
        if failures >= limit:
            raise HubError(
                message(
                    "The Hub at {shown} must answer, but after {failures} attempts: {reason}. "
                    "Try again later, or check HF_ENDPOINT. {local_way}",
                    shown=self.hub.shown,
                    failures=failures,
                    reason=reason,
                    local_way=LOCAL_WAY,
                )
            ) from None
        wait = min(patience.first_wait * 2 ** (failures - 1), patience.longest_wait)
        if not self.contact.made:
            wait = min(wait, 0.5)
        elif transient.retry_after is not None:
            wait = transient.retry_after
        if wait > patience.longest_retry_after:
            raise HubError(
                message(
                    "The Hub at {shown} must let us go on within {longest_retry_after:.0f} s, "
                    "but it asks to wait {wait:.0f} s. Try again then. {local_way}",
                    shown=self.hub.shown,
                    longest_retry_after=patience.longest_retry_after,
                    wait=wait,
                    local_way=LOCAL_WAY,
                )
            ) from None
        logger.warning("The Hub: %s; asking again in %.1f s", reason, wait)
        patience.sleep(wait)

    def _refused(self, error: Exception) -> NoReturn:
        """Say why the Hub refused. From None: the error it came from may quote the token."""
        from huggingface_hub.errors import HfHubHTTPError

        answer = self.hub.masked(str(error))
        if refusal := _origin(error, HfHubHTTPError):
            status = refusal.response.status_code
            said = self.hub.masked(refusal.server_message or "") or "no reason"
            raise HubError(
                f"The Hub at {self.hub.shown} must allow this, but it answers {status} ({said}). "
                + _REMEDIES.get(status, "Check the repository's name and the request.")
            ) from None
        if isinstance(error, (OSError, ValueError, KeyError, TypeError, RuntimeError)):
            raise HubError(
                message(
                    "The Hub at {shown} must answer as a Hub does, but: {name}: {answer}. Check "
                    "HF_ENDPOINT, a proxy that answers in its place, and the free disk. "
                    "{local_way}",
                    shown=self.hub.shown,
                    name=type(error).__name__,
                    answer=answer,
                    local_way=LOCAL_WAY,
                )
            ) from None
        raise error


_REMEDIES = {
    401: "Set HF_TOKEN to a valid token of the Hub; to read a public repository, unset it.",
    403: "Use a token that may write to this repository (to read: that was granted access to it).",
    404: "Check the name and the revision; a private repository needs HF_TOKEN.",
}


def require_repo_id(repo_id: str) -> str:
    """`repo_id` where it has the form user/name.

    Raises:
        HubError: it has another form.
    """
    if not _REPO_ID.fullmatch(repo_id):
        raise HubError(
            message(
                "A repository is user/name, of letters, digits, single - and ., and _, but "
                "it is {repo_id!r}. Copy it from the repository's page.",
                repo_id=repo_id[:100],
            )
        )
    return repo_id


def require_revision(revision: str) -> str:
    """`revision` where it can be a branch, a tag or a commit.

    Raises:
        HubError: it cannot.
    """
    if not _REVISION.fullmatch(revision):
        raise HubError(
            message(
                "A revision is a branch, a tag or a commit, of letters, digits, . _ - and /, "
                "but it is {revision!r}. Leave it out for the newest.",
                revision=revision[:100],
            )
        )
    return revision


def _origin(error: BaseException | None, kind: type[E]) -> E | None:
    """The error of that kind that `error` is or was raised from: uploads wrap theirs."""
    while error is not None and not isinstance(error, kind):
        error = error.__cause__
    return error


def _shown(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
