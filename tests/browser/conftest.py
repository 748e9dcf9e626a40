"""A real browser on the real site; every page is watched for errors and for requests elsewhere."""

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from tests.gates import missing
from tests.site import Site

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",  # as root, Chromium starts with no other
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# Chromium also calls an error what the tests of errors ask for.
ASKED_FOR = ("status of 400", "status of 403", "status of 404", "status of 503")

PASSWORD = "open sesame, said the reviewer"

# Chromium says so of most violations by itself, and not of those in frames.
REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI, sourceFile }) =>
  console.error(`${violatedDirective} forbids ${blockedURI} in ${sourceFile}`));
"""

OpenPage = Callable[..., Page]
CheckPage = Callable[[Page], None]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Not for the session: while Playwright's event loop lives, Django refuses its database."""
    executable = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if executable is None:
        missing("BROWSER", "Chromium is not installed.")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def open_page(browser: Browser, site: Site) -> Iterator[OpenPage]:
    """Opens a page of the site in a context of its own, with Playwright's context options."""
    contexts = []
    errors: list[str] = []
    asked: list[str] = []

    def open_(path: str = "/", *, base: Site = site, **options: Any) -> Page:
        context = browser.new_context(base_url=base.url, **options)
        context.set_default_timeout(30_000)  # milliseconds
        contexts.append(context)
        page = context.new_page()
        page.add_init_script(REPORT_VIOLATIONS)
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert [error for error in errors if not any(known in error for known in ASKED_FOR)] == []
    hosts = {urlsplit(url).hostname for url in asked if urlsplit(url).scheme != "data"}
    assert hosts <= {"127.0.0.1"}


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """The form, in a window of a common size."""
    return open_page()


@pytest.fixture(scope="package")
def accessible() -> CheckPage:
    """Asserts that axe-core finds nothing wrong with a page as it is, light and dark."""
    axe = Axe()

    def check(page: Page) -> None:
        for scheme in ("dark", "light"):
            page.emulate_media(color_scheme=scheme)
            found = axe.run(page)
            assert not found.violations_count, f"{page.url}, {scheme}:\n{found.generate_report()}"

    return check


@pytest.fixture(scope="package")
def reviewer(site: Site) -> str:
    """The name of an account that may review."""
    return create_account(site, "reviewer")


def create_account(site: Site, name: str) -> str:
    """An account that may do everything, with PASSWORD."""
    account = {"DJANGO_SUPERUSER_PASSWORD": PASSWORD, "DJANGO_SUPERUSER_EMAIL": "a@reviews.example"}
    replace(site, environment={**site.environment, **account}).manage(
        "createsuperuser", "--no-input", "--username", name
    )
    return name


def log_in(page: Page, reviewer: str) -> None:
    """Fill in the admin's login, which a page of the admin has led to."""
    page.get_by_label("Username").fill(reviewer)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


def until(page: Page, true: str, argument: Any = None, *, timeout: float = 30.0) -> None:
    """Wait until a function in JavaScript gives what is true, `timeout` seconds at most.

    Playwright's own wait_for_function evaluates a string in the page, which its policy forbids.
    """
    deadline = time.monotonic() + timeout
    while not page.evaluate(true, argument):
        assert time.monotonic() < deadline, true
        page.wait_for_timeout(100)
