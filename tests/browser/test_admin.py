from playwright.sync_api import Page

from tests.browser.conftest import OpenPage, log_in
from tests.browser.test_review import GOOD, rate


def test_a_reviewer_corrects_a_prediction_and_finds_it_again(
    open_page: OpenPage, page: Page, reviewer: str
) -> None:
    rate(page, f"{GOOD} , said of the correction")

    admin = open_page("/admin/classifier/prediction/")
    log_in(admin, reviewer)
    admin.get_by_role("link", name="said of the correction").first.click()
    admin.locator("#id_verdict-0-label").select_option("NEGATIVE")
    admin.locator("#id_verdict-0-rating").fill("2")
    admin.locator("#id_verdict-0-note").fill("Irony.")
    admin.get_by_role("button", name="Save", exact=True).click()
    assert "was changed successfully" in admin.locator(".messagelist").inner_text()

    def shown(review: str) -> str:
        admin.goto(f"/admin/classifier/prediction/?review={review}")
        return admin.locator("#changelist").inner_text()

    assert "said of the correction" in shown("corrected")
    assert "NEGATIVE 2/10" in shown("corrected")
    assert "said of the correction" not in shown("pending")
