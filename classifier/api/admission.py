"""The door of the API: the key of a request, what it opens, and how often it may come."""

from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from classifier.api.addresses import client_address
from classifier.api.counters import Rate
from classifier.api.keys import HeldKey, given_key, held_key, key_missing, scope_missing
from classifier.api.limits import count_request, rate_exceeded, rate_headers
from classifier.api.refusals import Refusal
from classifier.models.api_keys import KEYS_REQUIRED


@dataclass(frozen=True)
class Admission:
    """Who asks, and what is left to them."""

    key: HeldKey | None
    wrong: str | None
    """What was sent as a key and is none that opens anything."""
    rate: Rate | None
    address: str

    @property
    def sender(self) -> str:
        """Tells one key or address from another, and is neither."""
        return f"key {self.key.pk}" if self.key else salted_hmac("sender", self.address).hexdigest()

    @property
    def headers(self) -> dict[str, str]:
        return rate_headers(self.rate) if self.rate else {}


def admit(request: HttpRequest, scope: str, *, demanded: bool | None = None) -> Admission:
    """Let a request in, and count it: once, however often it is asked for.

    Args:
        scope: what it needs of its key, if it has one.
        demanded: whether it needs one; None: as the site's API_KEYS say.

    Raises:
        Refusal: 401 for a wrong or missing key, 403 for one that does not open this, 429 for one
            request too many; again at each call.
    """
    admission = admission_of(request) or _looked_at(request)
    if admission.rate and not admission.rate.passes:
        raise rate_exceeded(admission.rate)
    if admission.wrong:
        held_key(admission.wrong)
    if admission.key is None:
        if settings.API_KEYS == KEYS_REQUIRED if demanded is None else demanded:
            raise key_missing()
    elif scope not in admission.key.scopes:
        raise scope_missing(admission.key, scope)
    return admission


def admission_of(request: HttpRequest) -> Admission | None:
    """What is known of a request that came to the door, even if it was refused there."""
    return getattr(request, "_admission", None)


def _looked_at(request: HttpRequest) -> Admission:
    key, wrong = None, None
    if given := given_key(request.META):
        try:
            key = held_key(given)
        except Refusal:
            wrong = given  # it counts for the address, so that nobody can try keys without end
    address = client_address(request.META, proxies=settings.NUM_PROXIES)
    rate = count_request(
        key=key.pk if key else None, limit=key.limit if key else None, address=address
    )
    admission = Admission(key, wrong, rate, address)
    request._admission = admission  # type: ignore[attr-defined]
    return admission
