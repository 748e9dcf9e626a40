"""Probes of what training reaches out to: the Hub and MLflow."""

import os
import urllib.error
import urllib.request
from dataclasses import replace

from reviewsite.doctor import Finding, failed, ok, probe, skipped
from training.hub.connection import Hub, HubError, Patience
from training.tracking.redaction import without_password

SECONDS = 5.0


@probe("hub", seconds=30)
def hub() -> Finding:
    from huggingface_hub import constants

    if constants.is_offline_mode():
        return skipped("HF_HUB_OFFLINE says to ask no Hub")
    if not os.environ.get("HF_TOKEN"):
        return skipped("HF_TOKEN is not set: nothing is pushed")
    patience = Patience(contact_seconds=(3.0,), silence_seconds=SECONDS, attempts=1)
    try:
        reached = replace(Hub.from_environment(), patience=patience)
        with reached.session() as session:
            name = session.persist(session.api.whoami)["name"]
    except HubError as error:
        rule, _, remedy = str(error).partition(". ")
        return failed(rule, remedy)
    return ok(f"{reached.shown} knows the token as {name}")


@probe("mlflow")
def mlflow() -> Finding:
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    if not uri.startswith(("http://", "https://")):
        return skipped("MLFLOW_TRACKING_URI names no server: runs are tracked in files")
    address = without_password(uri).rstrip("/")
    try:
        # Of no other scheme, as said above.
        well = f"{address}/health"
        # nosemgrep: no-address-of-a-user
        with urllib.request.urlopen(well, timeout=SECONDS):  # noqa: S310  # nosec B310
            return ok(f"{address} answers")
    except (urllib.error.URLError, OSError) as error:
        return failed(
            f"{address} must answer, but: {error}",
            "Start it, or correct MLFLOW_TRACKING_URI. Runs go on: they are sent later.",
        )
