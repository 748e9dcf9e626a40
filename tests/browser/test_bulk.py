import csv
import hashlib
import io
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from classifier.bulk.writing import ADDED
from tests import tiny
from tests.browser.conftest import CheckPage, OpenPage
from tests.browser.test_review import scrolls_sideways
from tests.site import Site, command

SECONDS = 60_000  # milliseconds that a worker may take, on a machine that has other work
PAYLOAD = "<img src=x onerror=\"document.title='taken'\">"


@pytest.fixture(scope="module", autouse=True)
def worker(site: Site) -> Iterator[None]:
    """A real bulk worker beside the site."""
    with site.running(command("worker-bulk"), log=site.var_dir / "worker-bulk.log"):
        yield


def reviews(count: int) -> list[list[str]]:
    """Rows of id, title, review; every 500th review is empty."""
    rng = random.Random(0)
    return [
        [
            str(number),
            f"Title {number}",
            "" if number % 500 == 0 else tiny.sentence(number % 2, rng, 12),
        ]
        for number in range(1, count + 1)
    ]


def as_csv(rows: list[list[str]], header: tuple[str, ...] = ("id", "title", "opinion")) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([header, *rows])
    return text.getvalue().encode()


def send(page: Page, content: bytes, name: str = "my reviews.csv") -> None:
    page.get_by_label("The file").set_input_files(
        {"name": name, "mimeType": "text/csv", "buffer": content}
    )
    page.get_by_role("button", name="Continue").click()
    page.wait_for_load_state()


def rate(page: Page, content: bytes, name: str = "my reviews.csv") -> None:
    send(page, content, name)
    page.get_by_role("button", name="Rate the file").click()
    page.wait_for_url(re.compile("/bulk/[0-9a-f-]{36}$"))


def test_a_file_is_sent_watched_fetched_and_deleted(
    open_page: OpenPage, accessible: CheckPage, tmp_path: Path
) -> None:
    rows = reviews(20_000)
    page = open_page("/")
    page.get_by_role("link", name="Rate a file").click()
    accessible(page)
    send(page, as_csv(rows))
    expect(page.get_by_role("table")).to_contain_text(rows[0][2])
    accessible(page)
    expect(page.get_by_label("opinion")).to_be_checked()
    page.get_by_label("title").check()
    page.get_by_label("opinion").check()
    page.get_by_role("button", name="Rate the file").click()
    page.wait_for_load_state()

    page.evaluate("window.notReloaded = true")
    seen = {page.title()}
    page.locator("#percent").wait_for(timeout=SECONDS)
    while not page.locator("#download").count():
        page.wait_for_timeout(100)
        seen.add(page.title())
    assert page.evaluate("window.notReloaded")
    accessible(page)
    assert any("%" in title for title in seen), seen
    assert page.title().startswith("Done: my reviews.csv")
    expect(page.get_by_role("status")).to_have_text("Done: 19,960 rows rated, 40 bad.")

    with page.expect_download() as download:
        page.get_by_role("link", name="Download the result").click()
    assert download.value.suggested_filename == "my reviews-rated.csv"
    content = Path(download.value.path()).read_bytes()
    expect(page.locator(".facts")).to_contain_text(hashlib.sha256(content).hexdigest())
    header, *rated = csv.reader(io.StringIO(content.decode(), newline=""))
    assert header == ["id", "title", "opinion", *ADDED]
    assert [row[:3] for row in rated] == rows
    assert all(row[3] in ("POSITIVE", "NEGATIVE") for row in rated if row[2])
    assert all(row[-1] for row in rated if not row[2])
    page.get_by_text("As a table").click()
    table = page.locator("#chart-table")
    for rating in range(1, 11):
        expect(table.get_by_role("row").nth(rating)).to_contain_text(
            f"{sum(row[5] == str(rating) for row in rated):,}"
        )

    page.get_by_text("Delete now").click()
    page.get_by_role("button", name="Delete the files").click()
    expect(page.get_by_role("heading", name="Its files are deleted")).to_be_visible()
    expect(page.locator("#download")).to_have_count(0)


def test_a_job_that_runs_is_cancelled(open_page: OpenPage) -> None:
    page = open_page("/bulk")
    rate(page, as_csv(reviews(60_000)))
    page.locator("#percent").wait_for(timeout=SECONDS)

    page.get_by_role("button", name="Cancel").click()

    expect(page.get_by_role("heading", name="Cancelled")).to_be_visible(timeout=SECONDS)
    assert page.title().startswith("Cancelled: ")


def test_a_file_is_rated_without_javascript(open_page: OpenPage) -> None:
    page = open_page("/bulk", java_script_enabled=False)
    rate(page, as_csv(reviews(300)))

    page.locator("#download").wait_for(timeout=SECONDS)
    assert page.title().startswith("Done: ")


def test_a_file_is_rated_by_keyboard_alone(open_page: OpenPage) -> None:
    page = open_page("/bulk")
    send(page, as_csv(reviews(20)))

    def reach(name: str) -> None:
        button = page.get_by_text(name, exact=True)
        for _ in range(20):
            if button.evaluate("element => element === document.activeElement"):
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"{name} cannot be reached.")

    page.locator("#id_text_column_2").focus()
    page.keyboard.press("ArrowUp")
    expect(page.get_by_label("title")).to_be_checked()
    page.keyboard.press("ArrowDown")
    reach("Rate the file")
    page.keyboard.press("Enter")
    page.locator("#download").wait_for(timeout=SECONDS)
    reach("Delete now")
    page.keyboard.press("Enter")
    reach("Delete the files")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Its files are deleted")).to_be_visible()


@pytest.mark.parametrize("width", [320, 1280])
def test_no_page_scrolls_sideways_or_runs_what_stands_in_a_file(
    open_page: OpenPage, width: int
) -> None:
    page = open_page("/bulk", viewport={"width": width, "height": 640})
    assert not scrolls_sideways(page)
    send(page, b"nothing", f"{'long' * 40}.pdf")
    expect(page.get_by_role("alert")).to_contain_text("must end in .csv")
    assert not scrolls_sideways(page)

    long = "lovely" * 60
    header = (long, PAYLOAD, "opinion", *(f"column {number}" for number in range(30)))
    cells = [long, PAYLOAD, f"{PAYLOAD} {long}", *["x"] * 30]
    send(page, as_csv([cells, ["short"]], header), f"{long[:200]}{PAYLOAD}.csv")
    assert not scrolls_sideways(page)
    page.get_by_role("button", name="Rate the file").click()
    page.wait_for_load_state()
    assert not scrolls_sideways(page)
    page.locator("#download").wait_for(timeout=SECONDS)
    page.get_by_text("As a table").click()
    page.get_by_text("Delete now").click()
    assert not scrolls_sideways(page)
    assert page.title().startswith("Done: ")


def test_a_dark_screen_gets_a_chart_that_can_be_read(open_page: OpenPage) -> None:
    def colours(scheme: str) -> tuple[str, str]:
        page = open_page("/bulk", color_scheme=scheme)
        rate(page, as_csv(reviews(20)))
        page.locator("#download").wait_for(timeout=SECONDS)
        fill = "getComputedStyle(document.querySelector('.chart {} rect')).fill"
        return page.evaluate(fill.format(".high")), page.evaluate(fill.format(".low"))

    assert len({*colours("dark"), *colours("light")}) == 4
