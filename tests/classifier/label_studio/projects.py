"""What Label Studio sends, in the shapes of its api_connector and of its webhooks."""

import base64
import json
from typing import Any

from django.test import Client

SECRET = "a secret: with a colon"
ACCESS_TOKEN = "an access token of the project's owner"

CONFIG = """
<View>
  <Header value="How does it sound?"/>
  <Text name="review" value="$text"/>
  <Choices name="sentiment" toName="review" choice="single">
    <Choice value="Positive"/>
    <Choice value="Negative"/>
    <Choice value="Neither"/>
  </Choices>
  <Rating name="stars" toName="review"/>
</View>
"""
"""A Rating without maxRating has five stars."""


def basic(password: str = SECRET, user: str = "label studio") -> dict[str, str]:
    encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {encoded}"}


def post(client: Client, address: str, body: Any, headers: dict[str, str] | None = None) -> Any:
    return client.post(
        f"/label-studio/{address}",
        body if isinstance(body, str | bytes) else json.dumps(body),
        content_type="application/json",
        headers=basic() if headers is None else headers,
    )


def task(text: Any, number: int = 1) -> dict[str, Any]:
    return {"id": number, "project": 7, "meta": {}, "data": {"text": text}}


def predict_request(*tasks: Any, config: Any = CONFIG) -> dict[str, Any]:
    return {
        "tasks": list(tasks),
        "project": "7.1790000000",
        "label_config": config,
        "params": {"login": None, "password": None, "context": None},
    }


def setup_request(config: Any = CONFIG) -> dict[str, Any]:
    return {
        "project": "7.1790000000",
        "schema": config,
        "hostname": "http://studio.example",
        "access_token": ACCESS_TOKEN,
        "extra_params": None,
    }


def choice(*choices: str, id: str = "WArqkkifYE") -> dict[str, Any]:
    return {
        "id": id,
        "from_name": "sentiment",
        "to_name": "review",
        "type": "choices",
        "value": {"choices": list(choices)},
        "origin": "manual",
    }


def stars(given: Any) -> dict[str, Any]:
    return {
        "id": "5dC-jDgBtG",
        "from_name": "stars",
        "to_name": "review",
        "type": "rating",
        "value": {"rating": given},
    }


def annotation(*regions: dict[str, Any], number: int = 17, **values: Any) -> dict[str, Any]:
    defaults = {
        "id": number,
        "result": list(regions),
        "was_cancelled": False,
        "ground_truth": False,
        "created_at": "2026-01-31T12:30:15.123456Z",
        "updated_at": "2026-01-31T12:30:15.123456Z",
        "draft_created_at": "2026-01-31T12:29:00Z",  # saved from a draft, and none itself
        "lead_time": 37.13,
        "prediction": {},
        "task": 1,
        "completed_by": 1,
    }
    return defaults | values


def event(
    annotation: Any, task: Any, action: str = "ANNOTATION_CREATED", **values: Any
) -> dict[str, Any]:
    project = {"id": 7, "title": "Reviews", "label_config": CONFIG, "created_by": 1}
    return {"action": action, "annotation": annotation, "task": task, "project": project} | values


def deletion(*numbers: int) -> dict[str, Any]:
    return {
        "action": "ANNOTATIONS_DELETED",
        "annotations": [{"id": number} for number in numbers],
        "project": {"id": 7, "label_config": CONFIG},
    }
