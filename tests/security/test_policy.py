"""Every answer says what a browser may do with it, and every page lives with that."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from reviewsite.headers import HEADERS, NOTHING
from tests.security import markup
from tests.security.world import World, make_world, routes

pytestmark = pytest.mark.django_db

PAGE = {
    "default-src": "'none'",
    "style-src": "'self'",
    "img-src": "'self'",
    "font-src": "'self'",
    "connect-src": "'self'",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
REPORT = "/report/"  # has a policy of its own, which lets it do less
ERRORS = ("/nowhere", "/bulk/nowhere", "/admin/nowhere/", "/predictions/%ff")


@pytest.fixture
def world(admin_client: Client, admin_user: User, served_graph: Path) -> World:
    return make_world(admin_client, admin_user, "Warm & witty")


def policy_of(response: Any) -> dict[str, str]:
    parts = (part.strip().partition(" ") for part in response["Content-Security-Policy"].split(";"))
    return {name: value for name, _space, value in parts}


def problems(response: Any) -> list[str]:
    """What a page has that the policy of every page forbids, or needs."""
    found = []
    policy = policy_of(response)
    scripts = policy.pop("script-src", "'none'")
    frames = policy.pop("frame-src", "'self'")
    if policy != PAGE or frames != "'self'":
        found.append(f"policy {response['Content-Security-Policy']}")
    nonce = re.fullmatch(r"'nonce-([A-Za-z0-9+/=]{22,})'", scripts)
    document = markup.parsed(response.content)
    for script in markup.elements(document, "script"):
        if not nonce or script.get("nonce") != nonce[1]:
            found.append(f"script {script.attrib}")
        if not (script.get("src") or "").startswith(("/static/", "/admin/jsi18n/", "static/")):
            found.append(f"script inline or from elsewhere: {script.attrib}")
    found += [f"style {style.attrib}" for style in markup.elements(document, "style")]
    found += [f"style={e.get('style')!r}" for e in document.iter() if e.get("style") is not None]
    return found + markup.handlers(document)


def test_every_page_has_the_policy_and_keeps_to_it(world: World, admin_client: Client) -> None:
    pages, wrong = [], {}
    for address in (*(world.address(route) for route in routes()), *ERRORS):
        response = admin_client.get(address)
        assert response.status_code < 500, address
        for name in HEADERS:
            assert name in response.headers, (address, name)
        if response.headers.get("Content-Type", "").startswith("text/html"):
            if REPORT in address:
                assert policy_of(response)["default-src"] == "'none'"
                assert "sandbox" in policy_of(response)
            elif response.status_code not in (301, 302, 405):
                pages.append(address)
                if found := problems(response):
                    wrong[address] = found
        else:
            assert response["Content-Security-Policy"] == NOTHING, address
    assert wrong == {}
    assert len(pages) > 60, pages


@pytest.mark.parametrize("address", ["/", "/admin/login/", "/compare", "/bulk", "/model"])
def test_visitors_pages_and_the_login_have_it_too(
    address: str, client: Client, served_graph: Path
) -> None:
    assert problems(client.get(address)) == []


def test_no_two_pages_have_one_nonce(client: Client, served_graph: Path) -> None:
    policies = {policy_of(client.get("/"))["script-src"] for _ in range(20)}
    assert len(policies) == 20


@pytest.mark.parametrize(
    "planted",
    [
        "<script>alert(1)</script>",
        "<script src='/static/reviewsite/theme.js'></script>",
        "<svg><script href='data:text/javascript,1'></script></svg>",
        "<p onclick='alert(1)'>",
        "<a href=' java\tscript:alert(1)'>x</a>",
        "<p hx-on:click='alert(1)'>",
        "<p style='color:red'>",
        "<style>p{}</style>",
    ],
)
def test_what_breaks_the_policy_is_found(planted: str, client: Client, served_graph: Path) -> None:
    response = client.get("/")
    response.content = response.content.replace(b"</main>", planted.encode() + b"</main>")
    assert problems(response)


@pytest.mark.parametrize(
    "address", ["/livez", "/startupz", "/readyz", "/metrics", "/api/errors", "/api/schema"]
)
def test_answers_for_programs_may_do_nothing(
    address: str, client: Client, served_graph: Path
) -> None:
    response = client.get(address)
    assert {name: response[name] for name in HEADERS} == HEADERS


@pytest.mark.parametrize("body", [{"text": "A joy."}, {}])
def test_answers_of_the_model_may_do_nothing(
    body: dict[str, str], client: Client, served_graph: Path
) -> None:
    response = client.post("/api/predict", body, content_type="application/json")
    assert {name: response[name] for name in HEADERS} == HEADERS


def test_a_request_for_another_host_is_refused_with_them(client: Client) -> None:
    response = client.get("/", headers={"host": "evil.example"})
    assert response.status_code == 400
    assert all(name in response.headers for name in HEADERS)
    assert policy_of(response)["default-src"] == "'none'"
