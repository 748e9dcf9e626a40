"""The site's policy in a browser: its own pages break nothing, and what is planted does not run."""

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import OpenPage, create_account, log_in
from tests.browser.test_review import GOOD, rate
from tests.site import Site

PLANTED = {
    "inline": "document.body.append(Object.assign(document.createElement('script'), "
    "{textContent: 'window.ran = true'}))",
    "of this site": "new Promise(done => document.body.append(Object.assign("
    "document.createElement('script'), "
    "{src: '/static/reviewsite/theme.js', onload: () => done(window.ran = true), onerror: done})))",
    "a handler": "document.body.insertAdjacentHTML('beforeend', "
    "'<img src=/nowhere.png onerror=\"window.ran = true\">')",
    "an address": "document.body.insertAdjacentHTML('beforeend', "
    "'<a id=planted href=\"javascript:window.ran = true\">x</a>'), "
    "document.querySelector('#planted').click()",
}


def test_pages_of_visitors_break_nothing(page: Page, site: Site) -> None:
    rate(page, GOOD)
    rated = page.url
    for address in ("/", rated, "/compare", "/bulk", "/model", "/api/docs", "/nowhere"):
        page.goto(address)
        page.wait_for_load_state("networkidle")
    page.goto("/bulk")
    page.set_input_files(
        "input[type=file]",
        {"name": "a.csv", "mimeType": "text/csv", "buffer": b"id,review\n1,good film\n"},
    )
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url("**/bulk/uploads/**")


def test_pages_of_the_admin_break_nothing(open_page: OpenPage, site: Site) -> None:
    page = open_page("/admin/login/?next=/admin/")
    log_in(page, create_account(site, "policy"))
    page.wait_for_url("**/admin/")
    for address in (
        "/admin/",
        "/admin/classifier/prediction/",
        "/admin/classifier/prediction/review/",
        "/admin/classifier/prediction/import/",
        "/admin/classifier/modelversion/",
        "/admin/classifier/auditentry/",
        "/admin/training/trainingrun/",
        "/admin/training/trainingrun/add/",
        "/admin/auth/user/add/",
        "/admin/auth/user/1/change/",
        "/admin/auth/user/1/password/",
    ):
        page.goto(address)
        page.wait_for_load_state("networkidle")
    page.goto("/admin/classifier/modelversion/")
    page.locator("#result_list tbody a").first.click()
    page.wait_for_load_state("networkidle")


@pytest.mark.parametrize("planted", PLANTED)
@pytest.mark.parametrize("address", ["/", "/admin/login/"])
def test_what_is_planted_in_a_page_does_not_run(
    planted: str, address: str, browser: object, site: Site
) -> None:
    context = browser.new_context(base_url=site.url)  # type: ignore[attr-defined]
    try:
        page = context.new_page()
        page.goto(address)
        forbidden: list[str] = []
        page.on("console", lambda said: forbidden.append(said.text))
        page.evaluate(PLANTED[planted])
        page.wait_for_timeout(200)
        assert page.evaluate("window.ran") is None
        assert any("Content Security Policy" in said for said in forbidden), forbidden
    finally:
        context.close()
