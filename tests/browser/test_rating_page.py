"""The rating page as people use it: with JavaScript and without, on a phone, dark and light."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import CheckPage, OpenPage
from tests.browser.test_review import BAD, GOOD, kept, rate, scrolls_sideways, settle
from tests.site import Site

PHONED = f"on a phone : {GOOD}"
PHONE = {"viewport": {"width": 320, "height": 640}}


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_the_whole_path_on_a_small_phone(
    open_page: OpenPage, accessible: CheckPage, scripts: bool
) -> None:
    """An example, a list, an error, a comparison, forgetting; every page is looked at."""
    page = open_page(**PHONE, java_script_enabled=scripts)

    def looks_right() -> None:
        if scripts:  # axe-core is one
            accessible(page)
        assert not scrolls_sideways(page)

    looks_right()
    page.get_by_role("link", name="A restaurant").click()
    assert "fifty minutes" in page.get_by_label("Your review").input_value()

    rate(page, PHONED)
    assert "/predictions/" in page.url
    expect(page.locator("#recents")).to_contain_text("on a phone")
    page.get_by_text("As JSON").click()
    said = json.loads(page.locator("#json").inner_text())
    assert str(said["rating"]) == page.locator("#rating-value").inner_text()
    looks_right()

    page.get_by_label("Each line").check()
    rate(page, f"{GOOD}\n{BAD}\n")
    expect(page.locator(".ratings li")).to_have_count(2)
    assert "/ratings?of=" in page.url
    looks_right()

    rate(page, " ")
    expect(page.get_by_role("alert")).to_contain_text("at least one character")
    looks_right()

    page.get_by_role("link", name="on a phone").click()
    page.get_by_role("link", name="Compare it").click()
    expect(page.get_by_label("First review")).to_have_value(PHONED)
    looks_right()
    page.get_by_label("Second review").fill(BAD)
    page.get_by_role("button", name="Rate both").click()
    expect(page.locator(".verdict").first).to_contain_text("The first gets")
    looks_right()

    page.goto("/")
    page.get_by_role("button", name="Forget them").click()
    expect(page.locator("#recents")).to_be_hidden()
    page.goto("/nothing-here")
    looks_right()


def test_a_rating_comes_without_a_page_load_and_back_leads_back(page: Page) -> None:
    page.evaluate("window.notReloaded = true")
    rate(page, f"{GOOD} , at once")
    first = page.url
    assert page.title().endswith("of 10 – Reviewsite")  # noqa: RUF001
    rate(page, f"{BAD} , at once")
    assert page.evaluate("window.notReloaded")
    assert page.url != first
    expect(page.locator("#said")).to_contain_text("negative")

    rate(page, " ")
    rate(page, f"{GOOD} , once more")
    expect(page.locator("#id_text_error")).to_have_count(0)
    assert page.get_by_label("Your review").get_attribute("aria-invalid") is None
    assert page.evaluate("window.notReloaded")

    page.go_back()
    expect(page.locator("#label")).to_have_text("Negative")
    settle(page)
    page.go_back()
    expect(page.locator("#label")).to_have_text("Positive")
    assert page.url == first


def test_characters_and_tokens_are_counted_while_one_types(page: Page) -> None:
    count = page.locator("#count")
    page.get_by_label("Your review").fill("a lovely film ★ 🎬\n!")
    expect(count).to_have_text("Characters: 19 / 100,000 · Tokens: 6")
    page.get_by_label("Each line").check()
    expect(count).to_have_text("Characters: 19 / 100,000 · Reviews: 2 · Tokens: 6")


def test_a_text_file_is_shown_and_a_table_is_sent_as_it_is(page: Page, site: Site) -> None:
    text = {"name": "review.txt", "mimeType": "text/plain", "buffer": f"{GOOD}\r\n".encode()}
    page.get_by_label("Or a file").set_input_files(text)  # type: ignore[arg-type]
    expect(page.get_by_label("Your review")).to_have_value(f"{GOOD}\n")

    before = kept(site)
    table = {"name": "some.csv", "mimeType": "text/csv", "buffer": f'review\n"{BAD}"'.encode()}
    page.get_by_label("Or a file").set_input_files(table)  # type: ignore[arg-type]
    page.get_by_role("button", name="Rate it").click()
    expect(page.locator("#label")).to_have_text("Negative")
    assert kept(site) == before + 1

    unclear = {"name": "some.csv", "mimeType": "text/csv", "buffer": b"one,two\ngood,bad\n"}
    page.get_by_label("Or a file").set_input_files(unclear)  # type: ignore[arg-type]
    page.get_by_role("button", name="Rate it").click()
    page.wait_for_url("**/bulk/uploads/*")
    settle(page)


def test_the_code_runs_as_it_is_shown(open_page: OpenPage, tmp_path: Path) -> None:
    tricky = f'{GOOD} , it\'s "so" $HOME `good` \\n ★ <b>'
    page = open_page(java_script_enabled=False)
    for text in (tricky, f"{tricky} " * 40):
        rate(page, text)
        (tmp_path / "review.txt").write_text(text, encoding="utf-8")
        rating = page.locator("#rating-value").inner_text()
        curl, python = (page.locator(f"#code-{number}").text_content() or "" for number in (1, 2))
        said = subprocess.check_output(["bash", "-c", f"{curl} --silent"], cwd=tmp_path)
        assert str(json.loads(said)["rating"]) == rating
        done = subprocess.check_output([sys.executable, "-c", python], cwd=tmp_path, text=True)
        assert done == f"{rating} POSITIVE\n"


def test_an_answer_that_does_not_come_is_said_and_the_text_stays(page: Page) -> None:
    page.get_by_label("Your review").fill(GOOD)
    page.context.clear_cookies()  # without its cookie the form is refused, with a page of its own
    page.get_by_role("button", name="Rate it").click()
    expect(page.get_by_role("alert")).to_contain_text("No answer came")
    assert page.get_by_label("Your review").input_value() == GOOD
