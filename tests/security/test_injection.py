"""Two hundred payloads through every door: whatever page shows them shows them as text."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from pytest_django import Settings

from classifier.model_page.card import read_card
from classifier.models import Prediction
from tests.factories import make_prediction, make_version
from tests.security.payloads import PAYLOADS, alive
from tests.security.world import make_world, routes

pytestmark = pytest.mark.django_db

PARTS = 4
SEARCHED = ("auth/user", "auth/group", "classifier/prediction", "classifier/modelversion")


def of_html(response: Any) -> bool:
    kind = response.headers.get("Content-Type", "")
    return kind.startswith("text/html") and not response.streaming


def test_there_are_two_hundred() -> None:
    assert len(set(PAYLOADS)) >= 200


@pytest.mark.parametrize("part", range(PARTS))
def test_no_page_runs_what_it_shows(
    part: int,
    admin_client: Client,
    admin_user: User,
    served_graph: Path,
    record_property: Callable[[str, object], None],
) -> None:
    words = PAYLOADS[part::PARTS]
    record_property("tried", len(words))
    world = make_world(admin_client, admin_user, *words)
    for word in words[1:]:
        make_version(word)
        Group.objects.create(name=word)
    addresses = [world.address(route) for route in routes()]
    addresses += [f"/admin/{name}/?q={quote(' '.join(words))}" for name in SEARCHED]
    addresses += [f"{address}&o=1&e=1" for address in addresses[-len(SEARCHED) :]]

    lived, shown = {}, 0
    for address in addresses:
        response = admin_client.get(address)
        assert response.status_code < 500, address
        if of_html(response):
            shown += b"xss" in response.content
            if found := alive(response.content):
                lived[address] = found
    assert lived == {}
    assert shown > 40  # pages on which payloads stand


def test_each_is_a_text_on_its_own_pages(
    client: Client, served_graph: Path, record_property: Callable[[str, object], None]
) -> None:
    record_property("tried", len(PAYLOADS))
    for payload in PAYLOADS:
        rated = client.post("/", {"text": f"A good film {payload}"})
        assert alive(client.get(rated["Location"]).content) == [], payload
        assert alive(client.get(f"/{quote(payload, safe='')}").content) == [], payload
    assert Prediction.objects.count() == len(PAYLOADS)


def test_each_is_a_text_in_a_card(record_property: Callable[[str, object], None]) -> None:
    record_property("tried", len(PAYLOADS))
    for payload in PAYLOADS:
        card = f"---\nlicense: mit\n---\n# {payload}\n\n{payload}\n\n[{payload}]({payload})\n"
        assert alive(str(read_card(card).html)) == [], payload


def test_pages_that_do_not_escape_would_be_noticed(
    client: Client, served_graph: Path, settings: Settings
) -> None:
    address = make_prediction(f"A good film {PAYLOADS[2]}").get_absolute_url()
    assert alive(client.get(address).content) == []
    [engine] = settings.TEMPLATES
    settings.TEMPLATES = [{**engine, "OPTIONS": {**engine["OPTIONS"], "autoescape": False}}]
    assert alive(client.get(address).content)


@pytest.mark.parametrize("payload", PAYLOADS[:15])
def test_each_way_of_running_is_noticed(payload: str) -> None:
    assert alive(f"<!doctype html><title>x</title><p>{payload}</p>")
