"""The catalogue has the errors of the code; tests/docs says whether it is up to date."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from classifier.api import error_sources
from classifier.api.catalogue import catalogue, with_plain_places
from classifier.api.errors import exception_handler
from classifier.exceptions import ClassifierError
from tests.site import ROOT

CODES = {entry["code"] for entry in catalogue()}
SEMVER = re.compile(r"\d+\.\d+\.\d+")


def test_every_code_in_the_code_stands_in_the_catalogue() -> None:
    """Found without the reader of the catalogue: by the text of the modules of the API."""
    for file in (ROOT / "classifier" / "api").rglob("*.py"):
        for code in re.findall(r'\bcode="([a-z_]+)"', file.read_text(encoding="utf-8")):
            assert code in CODES, (file, code)
        for code in re.findall(r'default_code = "([a-z_]+)"', file.read_text(encoding="utf-8")):
            assert code in CODES, (file, code)


def test_every_kind_of_error_is_one_of_the_api_or_known_not_to_be() -> None:
    def below(kind: type[Any]) -> set[str]:
        kinds = {one.__name__ for one in kind.__subclasses__()}
        return kinds.union(*(below(one) for one in kind.__subclasses__()))

    known = error_sources.STATUSES.keys() | error_sources.NOT_OF_THE_API
    raised = {name for name in error_sources.kinds() if name not in ("__init__", "_refused")}
    assert raised <= known
    assert {name for name in below(ClassifierError) if name in raised} <= known


def test_each_error_says_rule_remedy_and_status() -> None:
    for entry in catalogue():
        assert entry["rule"], entry
        assert entry["remedy"], entry
        assert all(400 <= status < 600 for status in entry["status"]), entry
        assert re.fullmatch(r"[a-z_]+", entry["code"])


def test_a_new_error_is_noticed(tmp_path: Path) -> None:
    module = tmp_path / "classifier" / "new.py"
    module.parent.mkdir()
    module.write_text(
        "ASK = message('Ask {whom}.', whom='the site')\n"
        "def refuse(rule, most):\n"
        "    raise InvalidRequest(code='new', rule=rule, value='',\n"
        "                         remedy=message('At most {most:,}.', most=most))\n"
        "def one():\n"
        "    refuse(message('One is enough.'), 1)\n"
        "    refuse(message('None is.') if one else message('Some are.'), 1)\n"
        "def two(said):\n"
        "    raise Refusal(status=409, code='two', rule=message('Not {n}.', n=2), value='',\n"
        "                  remedy=message('Wait.') if True else ASK)\n"
        "def three(said):\n"
        "    raise Refusal(status=409, code='three', rule=said.rule, value='', remedy=ASK)\n"
    )

    assert error_sources.collect(tmp_path) == [
        {
            "code": "new",
            "status": [400],
            "rule": ["One is enough.", "None is.", "Some are."],
            "remedy": ["At most {most:,}."],
        },
        {
            "code": "three",
            "status": [409],
            "rule": ["The error itself says it."],
            "remedy": ["Ask {whom}."],
        },
        {"code": "two", "status": [409], "rule": ["Not {n}."], "remedy": ["Wait.", "Ask {whom}."]},
    ]


def test_places_are_shown_without_how_they_are_written() -> None:
    assert with_plain_places("{most:,} of {name!r}: {rest}") == "{most} of {name}: {rest}"
    assert with_plain_places('Send {"text": "..."}.') == 'Send {"text": "..."}.'


def test_the_framework_has_no_error_without_a_rule() -> None:
    """Its codes that a view of ours can raise have an entry each."""
    for code in ("parse_error", "not_found", "method_not_allowed", "not_acceptable"):
        assert code in CODES
    assert exception_handler(ValueError("unknown"), {}) is None


@pytest.mark.django_db
def test_the_catalogue_is_open_to_all(client: Client, settings: Any) -> None:
    settings.API_KEYS = "required"

    answer = client.get("/api/errors")

    assert answer.status_code == 200
    assert {entry["code"] for entry in answer.json()["errors"]} == CODES
    assert client.post("/api/errors").status_code == 405


@pytest.mark.django_db
def test_the_schema_has_a_version_and_the_versioned_addresses_are_the_same(client: Client) -> None:
    headers = {"Accept": "application/vnd.oai.openapi+json"}
    schema = client.get("/api/schema", headers=headers)

    assert SEMVER.fullmatch(schema.json()["info"]["version"])
    assert client.get("/api/v1/schema", headers=headers).content == schema.content
    assert client.get("/api/v1/errors").content == client.get("/api/errors").content
    assert client.get("/api/v2/errors").status_code == 404
