import sqlite3

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import CheckPage, OpenPage
from tests.site import Site

GOOD = "the film was superb and very funny , a joy from start to end"
BAD = "the plot was dull and the cast awful , a bore from start to end"


def rate(page: Page, text: str) -> None:
    page.get_by_label("Your review").fill(text)
    with page.expect_response(lambda response: response.request.method == "POST"):
        page.get_by_role("button", name="Rate it").click()
    settle(page)


def settle(page: Page) -> None:
    """Wait for the page that comes, or for what htmx puts into this one."""
    page.wait_for_load_state()
    expect(page.locator(".htmx-request, .htmx-swapping, .htmx-settling")).to_have_count(0)


def kept(site: Site) -> int:
    """How many predictions the site's database holds."""
    with sqlite3.connect(site.var_dir / "db.sqlite3") as connection:
        return int(connection.execute("SELECT count(*) FROM classifier_prediction").fetchone()[0])


@pytest.mark.parametrize(
    ("text", "label", "ratings"),
    [(GOOD, "Positive", range(8, 11)), (BAD, "Negative", range(1, 4))],
    ids=["good", "bad"],
)
def test_a_review_gets_its_label_rating_and_stars(
    page: Page, text: str, label: str, ratings: range
) -> None:
    rate(page, text)
    rating = int(page.locator("#rating-value").inner_text())
    assert page.locator("#label").inner_text() == label
    assert rating in ratings
    assert page.locator(".star").count() == 10
    assert page.locator(".star.lit").count() == rating
    assert page.get_by_label("Your review").input_value() == text
    assert page.title().startswith(f"{rating} of 10")


def test_a_reload_rates_nothing(page: Page, site: Site) -> None:
    before = kept(site)
    rate(page, GOOD)
    page.reload()
    page.reload()
    assert page.locator("#label").inner_text() == "Positive"
    assert kept(site) == before + 1


def test_a_blank_review_gets_an_error_beside_its_field(page: Page, site: Site) -> None:
    before = kept(site)
    rate(page, "   ")
    error = page.get_by_role("alert")
    assert "must have at least one character" in error.inner_text()
    field = page.get_by_label("Your review")
    assert field.get_attribute("aria-invalid") == "true"
    assert field.get_attribute("aria-describedby") == error.get_attribute("id")
    assert kept(site) == before


def test_markup_in_a_review_stays_text(page: Page) -> None:
    markup = "</textarea><script>document.title = 'taken'</script> lovely"
    rate(page, markup)
    assert page.get_by_label("Your review").input_value() == markup
    assert page.title().endswith("Reviewsite")


def test_the_form_works_without_javascript(open_page: OpenPage) -> None:
    page = open_page(java_script_enabled=False)
    rate(page, GOOD)
    assert page.locator("#label").inner_text() == "Positive"


def test_the_form_works_by_keyboard_alone(page: Page) -> None:
    field, button = page.get_by_label("Your review"), page.get_by_role("button", name="Rate it")
    for _ in range(20):
        page.keyboard.press("Tab")
        if field.evaluate("field => field === document.activeElement"):
            break
    page.keyboard.type(BAD)
    page.keyboard.press("Tab")
    assert button.evaluate("button => button === document.activeElement")
    assert button.evaluate("button => getComputedStyle(button).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.locator("#label").wait_for()
    assert page.locator("#label").inner_text() == "Negative"


@pytest.mark.parametrize("width", [320, 1280])
def test_no_page_scrolls_sideways(open_page: OpenPage, width: int) -> None:
    page = open_page(viewport={"width": width, "height": 640})
    assert not scrolls_sideways(page)
    rate(page, "lovely" * 60)
    assert not scrolls_sideways(page)
    rate(page, " ")
    assert not scrolls_sideways(page)


def scrolls_sideways(page: Page) -> bool:
    root = "document.documentElement"
    return bool(page.evaluate(f"{root}.scrollWidth > {root}.clientWidth"))


def test_a_dark_screen_gets_a_dark_page(open_page: OpenPage) -> None:
    def brightness(scheme: str) -> int:
        page = open_page(color_scheme=scheme)
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(int(part) for part in colour.strip("rgb()").split(","))

    assert brightness("dark") < 200 < 600 < brightness("light")


def test_the_api_page_tells_each_operation(open_page: OpenPage, accessible: CheckPage) -> None:
    page = open_page("/api/docs", viewport={"width": 320, "height": 800})
    accessible(page)
    assert not scrolls_sideways(page)
    operation = page.locator("#predict")
    operation.locator("summary", has_text="Body").click()
    assert operation.get_by_text("text_pairs", exact=True).is_visible()
