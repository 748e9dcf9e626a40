"""The typed client that `make client` generates, against a site that demands keys."""

import importlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from classifier.api.keys import KEY_SECONDS
from tests.site import ROOT, Site

PACKAGE = "reviewsite_client"


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Gives its modules by their names in the package."""
    folder = tmp_path_factory.mktemp("client") / "python"
    generator = Path(sys.executable).with_name("openapi-python-client")
    arguments = ["generate", "--path", "docs/reference/openapi.yaml", "--output-path", str(folder)]
    done = subprocess.run(
        [generator, *arguments, "--fail-on-warning"],
        cwd=ROOT,
        env={**os.environ, "PATH": f"{generator.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / PACKAGE / "py.typed").exists()
    sys.path.insert(0, str(folder))
    yield lambda name: importlib.import_module(f"{PACKAGE}{name}")
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def closed_site(
    exported_model_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SimpleNamespace]:
    """A site that demands keys, and one that opens it."""
    var_dir = tmp_path_factory.mktemp("closed")
    with Site.started(
        var_dir, CLASSIFIER_MODEL=str(exported_model_dir), API_KEYS="required"
    ) as site:
        scopes = ("rate", "read", "feedback")
        made = site.manage("api_key", "create", "client", "--scopes", *scopes, "--limit", "1000")
        yield SimpleNamespace(site=site, url=site.url, key=made.strip())


@pytest.fixture
def open_client(generated: Any, closed_site: SimpleNamespace) -> Iterator[Callable[[str], Any]]:
    """Opens a client with a key; its connections end with the test."""
    with ExitStack() as clients:

        def opened(key: str) -> Any:
            client = generated("").AuthenticatedClient(base_url=closed_site.url, token=key)
            return clients.enter_context(client)

        yield opened


def test_the_generated_client_rates_reads_and_gives_feedback(
    generated: Any, open_client: Callable[[str], Any], closed_site: SimpleNamespace
) -> None:
    models = generated(".models")
    predict = generated(".api.predict.predict")
    predictions = generated(".api.predictions.predictions_list")
    feedback = generated(".api.predictions.feedback")
    client = open_client(closed_site.key)

    asked = models.PredictRequest(text="a lovely film")
    key = str(uuid4())
    said = predict.sync_detailed(client=client, body=asked, idempotency_key=key)
    again = predict.sync_detailed(client=client, body=asked, idempotency_key=key)
    assert isinstance(said.parsed, models.Prediction)
    assert said.parsed.label == "POSITIVE"
    assert said.headers["RateLimit-Limit"] == "1000"
    assert again.parsed.id == said.parsed.id
    assert again.headers["Idempotent-Replayed"] == "true"

    several = predict.sync(client=client, body=models.PredictRequest(texts=["superb", "awful"]))
    assert [one.label for one in several.results] == ["POSITIVE", "NEGATIVE"]

    page = predictions.sync(client=client, limit=2)
    assert [one.text for one in page.results] == ["awful", "superb"]
    assert page.next_
    [first] = predictions.sync(client=client, rating_min=said.parsed.rating, limit=1).results
    assert first.rating >= said.parsed.rating

    given = feedback.sync(
        said.parsed.id,
        client=client,
        body=models.FeedbackRequest(label="NEGATIVE", rating=3),
    )
    assert given.disagrees is True


def test_the_generated_client_gets_errors_as_objects(
    generated: Any, open_client: Callable[[str], Any], closed_site: SimpleNamespace
) -> None:
    models, predict = generated(".models"), generated(".api.predict.predict")
    client, stranger = open_client(closed_site.key), open_client("rs_stranger")

    blank = predict.sync_detailed(client=client, body=models.PredictRequest(text=" "))
    refused = predict.sync_detailed(client=stranger, body=models.PredictRequest(text="good"))

    assert (blank.status_code, refused.status_code) == (400, 401)
    assert isinstance(blank.parsed, models.Error)
    assert (blank.parsed.error.code, blank.parsed.error.field) == ("text_blank", "text")
    assert refused.parsed.error.code == "key_unknown"


def test_a_revoked_key_stops_working_while_the_site_runs(closed_site: SimpleNamespace) -> None:
    site = closed_site.site
    secret = site.manage("api_key", "create", "leaver", "--scopes", "read").strip()

    def status() -> int:
        request = urllib.request.Request(
            f"{site.url}/api/predictions", headers={"Authorization": f"Bearer {secret}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    assert status() == 200
    site.manage("api_key", "revoke", secret[:11])  # a new process, which takes its seconds
    time.sleep(KEY_SECONDS)
    assert status() == 401
