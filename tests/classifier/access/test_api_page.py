"""The API as a page, and that what it tells programs to send is what they can send."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from classifier.api.reference import read_schema, reference

pytestmark = pytest.mark.django_db


def test_every_operation_is_there_with_its_fields(client: Client) -> None:
    schema = json.loads(
        client.get("/api/schema", headers={"Accept": "application/vnd.oai.openapi+json"}).content
    )
    page = client.get("/api/docs").content.decode()
    for path, methods in schema["paths"].items():
        for method, said in methods.items():
            assert f'id="{said["operationId"]}"' in page
            assert f"{method.upper()} {path}</code>" in page
    for name in ("text_pairs", "Idempotency-Key", "rating_interval"):
        assert f"<code>{name}</code>" in page
    assert 'id="shape-PredictRequest"' in page


def test_it_loads_nothing_from_other_hosts_and_runs_no_script(client: Client) -> None:
    page = client.get("/api/docs").content.decode()
    assert "<script" not in page
    assert "https://" not in page
    assert "http://" not in page.replace("http://testserver", "")


def test_its_examples_are_answered(client: Client, served_model: Path) -> None:
    operations = {one.anchor: one for _name, operations in reference().groups for one in operations}
    asked = 0
    for name in ("predict", "inference", "tei_predict"):
        for example in operations[name].examples:
            if "wet?" in example:
                continue  # this model reads one text
            answer = client.post(operations[name].path, example, "application/json")
            assert answer.status_code == 200, answer.content
            asked += 1
    assert asked >= 5


def test_the_curl_of_an_operation_sends_its_example(client: Client, served_model: Path) -> None:
    predict = reference().groups[0][1][0]
    program, address, flag, body = shlex.split(predict.curl("http://testserver"))
    assert (program, address, flag) == ("curl", "http://testserver/api/predict", "--json")
    assert client.post("/api/predict", body, "application/json").status_code == 200


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({"type": "string"}, "string"),
        ({"type": "string", "format": "uuid", "nullable": True}, "uuid or null"),
        ({"type": "array", "items": {"$ref": "#/components/schemas/One"}}, "list of One"),
        ({"allOf": [{"$ref": "#/components/schemas/One"}], "nullable": True}, "One or null"),
        ({"enum": ["a", 1]}, '"a" or 1'),
        ({}, "anything"),
    ],
)
def test_a_field_says_what_it_is(said: dict[str, Any], kind: str) -> None:
    schema = {
        "paths": {},
        "components": {"schemas": {"Some": {"properties": {"x": said}, "required": ["x"]}}},
    }
    [shape] = read_schema(json.loads(json.dumps(schema))).shapes
    [field] = shape.fields
    assert (field.name, field.kind, field.required) == ("x", kind, True)
