"""Every page of the admin, as its frame promises: no script of others, for all, at any width."""

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.conftest import CheckPage, OpenPage, create_account, log_in
from tests.browser.test_review import BAD, GOOD, rate, scrolls_sideways
from tests.site import Site

# Each list that may be empty, and where it leads.
LISTS = {
    "/admin/classifier/prediction/": "Rate a review",
    "/admin/classifier/prediction/?review=reviewed": "Review the next one",
    "/admin/classifier/bulkjob/": "Rate a file",
    "/admin/classifier/auditentry/": "Review the next one",
    "/admin/classifier/apikey/": "Make a key",
    "/admin/training/trainingrun/": "Start a training run",
}
PAGES = (
    "/admin/",
    "/admin/classifier/prediction/",
    "/admin/classifier/prediction/?q=nothing+like+it",
    "/admin/classifier/prediction/review/",
    "/admin/classifier/prediction/import/",
    "/admin/classifier/bulkjob/",
    "/admin/classifier/modelversion/",
    "/admin/classifier/auditentry/",
    "/admin/classifier/apikey/",
    "/admin/classifier/apikey/add/",
    "/admin/training/trainingrun/",
    "/admin/training/trainingrun/add/",
    "/admin/auth/user/",
    "/admin/auth/user/1/change/",
    "/admin/auth/user/1/history/",
    "/admin/auth/user/add/",
    "/admin/auth/group/",
    "/admin/auth/group/1/change/",
    "/admin/auth/group/1/delete/",
    "/admin/password_change/",
)


@pytest.fixture(scope="module")
def site(exported_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site of its own, on which nothing has been done yet."""
    var_dir = tmp_path_factory.mktemp("admin")
    shutil.copytree(exported_model_dir, var_dir / "models" / "first")
    with Site.started(var_dir, CLASSIFIER_MODEL="first") as started:
        yield started


def test_the_admin_keeps_its_promises_on_every_page(
    open_page: OpenPage, site: Site, accessible: CheckPage
) -> None:
    page = open_page("/admin/login/?next=/admin/")
    accessible(page)
    log_in(page, create_account(site, "owner"))
    page.wait_for_url("**/admin/")

    for address, link in LISTS.items():
        page.goto(address)
        page.locator(".empty").get_by_role("link", name=link).wait_for()

    page.goto("/")
    for text in (f"{GOOD} , for the admin", f"{BAD} , for the admin"):
        page.goto("/")
        rate(page, text)
    page.goto("/admin/classifier/prediction/review/")
    page.get_by_role("button", name="Flip").click()
    page.wait_for_load_state()

    page.goto("/admin/classifier/prediction/?review=corrected")
    prediction = str(page.locator("#result_list a").nth(1).get_attribute("href"))
    page.goto("/admin/classifier/modelversion/")
    version = str(page.locator("#result_list tbody a").first.get_attribute("href"))
    for address in (*PAGES, prediction.partition("?")[0], version.partition("?")[0]):
        page.set_viewport_size({"width": 1280, "height": 800})
        answer = page.goto(address)
        assert answer
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        accessible(page)
        page.set_viewport_size({"width": 320, "height": 700})
        assert not scrolls_sideways(page), address


def test_menu_filters_and_theme_work_by_keyboard(open_page: OpenPage, site: Site) -> None:
    page = open_page("/admin/classifier/prediction/", viewport={"width": 390, "height": 800})
    log_in(page, create_account(site, f"keys-{uuid.uuid4().hex[:6]}"))
    page.wait_for_load_state()
    sidebar = page.locator("#nav-sidebar")
    assert not sidebar.is_visible()
    page.get_by_role("button", name="Menu", exact=True).press("Enter")
    sidebar.get_by_role("link", name="Model versions").wait_for()
    page.keyboard.press("Escape")
    assert not sidebar.is_visible()

    page.get_by_role("button", name="Filters").press("Enter")
    page.locator("#changelist-filter").get_by_role("link", name="to review").press("Enter")
    page.wait_for_url("**/?review=pending")

    page.get_by_role("button", name="Menu", exact=True).press("Enter")
    page.get_by_role("button", name="Dark").press("Enter")
    page.reload()
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
