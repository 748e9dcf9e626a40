from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage, log_in
from tests.browser.test_review import BAD, GOOD, rate

REVIEW = "/admin/classifier/prediction/review/"
SAID = "said of the keyboard"


def test_a_complaint_is_judged_by_keyboard_alone(
    open_page: OpenPage, page: Page, reviewer: str
) -> None:
    """From a visitor's feedback to a verdict: a note, a rating, undo, and the rating again."""
    rate(page, f"{GOOD} , {SAID}")
    page.get_by_text("I would say").click()
    page.get_by_label("negative").check()
    page.get_by_label("and deserves").fill("2")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#feedback-said")).to_contain_text("you say negative, 2 of 10")

    admin = open_page(REVIEW)
    log_in(admin, reviewer)
    asked = admin.locator("#review-text").filter(has_text=SAID)
    expect(asked).to_have_count(1)
    expect(admin.locator(".review-why")).to_have_text("Chosen because: a visitor disagreed")
    expect(admin.locator("#review-context")).to_contain_text("What moved the rating")

    def judge(key: str) -> None:
        admin.wait_for_load_state()
        admin.keyboard.press(key)
        expect(asked).to_have_count(0)

    def undo() -> None:
        admin.wait_for_load_state()
        admin.keyboard.press("u")
        expect(asked).to_have_count(1)

    admin.keyboard.press("n")
    admin.keyboard.type("3 stars? f for fine")  # keys in a note judge nothing
    admin.keyboard.press("Escape")
    judge("3")
    undo()
    judge("s")
    undo()
    judge("2")

    admin.goto("/admin/classifier/prediction/?review=corrected&q=keyboard")
    expect(admin.locator("#result_list")).to_contain_text("NEGATIVE 2/10")
    admin.goto("/admin/")
    expect(admin.locator(".loop")).to_contain_text("Agreement of reviewers with the model")
    expect(admin.locator("#waiting-disagreed")).to_have_text("0")


def test_reviewing_needs_no_javascript(open_page: OpenPage, page: Page, reviewer: str) -> None:
    rate(page, f"{GOOD} , without a script")
    page.goto("/")
    rate(page, f"{BAD} , without a script")
    admin = open_page(REVIEW, java_script_enabled=False)
    log_in(admin, reviewer)
    before = admin.locator("#review-text").inner_text()

    admin.get_by_role("button", name="Skip").click()

    assert admin.locator("#content").inner_text() != before
    admin.get_by_role("button", name="Undo").click()
    assert admin.locator("#review-text").inner_text() == before
