from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from classifier.api.keys import keys
from classifier.api.limits import waiting
from classifier.models import ApiKey, Scope

Send = Callable[..., Any]
JSON = "application/json"


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    keys.clear()
    waiting.clear()
    yield
    keys.clear()
    waiting.clear()


@pytest.fixture
def secret(db: None) -> str:
    """A key that opens everything."""
    return ApiKey.objects.issue("a program", scopes=Scope.values)[1]


@pytest.fixture
def send(client: Client) -> Send:
    """POST a text to /api/predict, or what is told to another address of the API."""

    def send(path: str = "/api/predict", data: Any = None, key: str = "", **headers: str) -> Any:
        if key:
            headers["Authorization"] = f"Bearer {key}"
        return client.post(path, data or {"text": "good"}, content_type=JSON, headers=headers)

    return send
