from playwright.sync_api import Page, expect

from classifier.views.explanation import AT_ONCE_CHARS
from tests.browser.conftest import OpenPage

TEXT = "it was a dull film . we had it with the cast . the end !"


def rate(page: Page, text: str) -> None:
    page.get_by_label("Your review").fill(text)
    page.get_by_role("button", name="Rate it").click()
    expect(page.locator("#rating-value")).to_be_visible()


def test_the_rating_comes_first_and_then_why(page: Page) -> None:
    rate(page, TEXT)

    why = page.locator("#explanation")
    expect(why.get_by_role("heading", name="Why this rating?")).to_be_visible()
    top = why.locator("mark").first
    expect(top).to_contain_text("it was a dull film .")
    expect(top).to_contain_text("\u22120.9")
    assert "dashed" in top.evaluate("mark => getComputedStyle(mark).borderInlineStartStyle")
    word = why.locator(".explanation-text .explanation-word", has_text="dull")
    assert "wavy" in word.evaluate("word => getComputedStyle(word).textDecorationStyle")
    assert why.locator(".explanation-text").inner_text().startswith("it was a dull film .")
    why.get_by_text("The same as a table").click()
    row = why.get_by_role("row", name="it was a dull film .")
    expect(row).to_contain_text("negative")


def test_the_page_of_a_rating_says_why_at_once(open_page: OpenPage) -> None:
    page = open_page(java_script_enabled=False)
    rate(page, TEXT)

    expect(page.locator("#explanation mark").first).to_contain_text("it was a dull film .")
    expect(page.locator("#explanation")).to_contain_text("The same as a table")


def test_of_a_long_review_a_link_says_why_without_javascript(open_page: OpenPage) -> None:
    page = open_page(java_script_enabled=False, viewport={"width": 320, "height": 640})
    text = " ".join([TEXT] * (AT_ONCE_CHARS // len(TEXT) + 1))
    rate(page, text)

    page.get_by_role("link", name="Why this rating?").click()

    expect(page.locator("mark").first).to_contain_text("it was a dull film .")
    expect(page.get_by_role("heading", level=1)).to_have_text("Negative, 1 of 10")
    page.get_by_role("link", name="Back to the rating").click()
    expect(page.get_by_label("Your review")).to_have_value(text)
