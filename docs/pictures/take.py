"""Takes the pictures of the pages that README and guides show: make pictures

A site of its own, with the starter and reviews of our own, in a folder that goes away.
"""

import argparse
import io
import json
import shutil
import sys
import tempfile
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from classifier.examples import example_text
from tests.browser.conftest import CHROMIUM, FLAGS, create_account, log_in
from tests.site import Site

HERE = Path(__file__).parent
MOST_BYTES = 150_000
COLOURS = 128  # of a picture's palette; a page has few
DESKTOP = {"width": 1200, "height": 900}
WIDE = {"width": 1360, "height": 800}
PHONE = {"width": 390, "height": 844}
DOUBTFUL = (
    "The rooms are large and the garden is lovely, but the music from the bar went on until "
    "three, and nobody at the desk would hear of it. We left a day early, well rested by the sea "
    "and rather poorer."
)
REVIEW = "/admin/classifier/prediction/review/"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, help="has the starter; default: make it")
    models = parser.parse_args().models
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        var_dir = Path(folder)
        if models:
            shutil.copytree(models, var_dir / "models")
        else:
            Site.prepared(var_dir, CLASSIFIER_MODEL=None).manage("install_starter")
        executable = next(filter(None, map(shutil.which, CHROMIUM)))
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        with Site.started(var_dir, CLASSIFIER_MODEL=None) as site:
            fill(site)
            rating(browser, site)
            phone(browser, site)
            admin(browser, site)
        browser.close()


def fill(site: Site) -> None:
    """Predictions, verdicts on most of them, and one complaint."""
    site.manage("import_verdicts", "docs/examples/reviews.csv")
    for text in ("book", "restaurant", "gadget", "mixed"):
        post(site, "/api/predict", {"text": example_text(text)})
    doubtful = post(site, "/api/predict", {"text": DOUBTFUL})
    liked = doubtful["label"] == "NEGATIVE"
    other = {"label": "POSITIVE", "rating": 7} if liked else {"label": "NEGATIVE", "rating": 4}
    post(site, f"/api/predictions/{doubtful['id']}/feedback", other)


def post(site: Site, path: str, body: dict[str, object]) -> dict[str, str]:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(site.url + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request) as answer:
        said: dict[str, str] = json.load(answer)
    return said


def rating(browser: Browser, site: Site) -> None:
    page = opened(browser, site, DESKTOP, "light")
    rate(page, example_text("mixed"))
    keep(page, "rating")


def phone(browser: Browser, site: Site) -> None:
    page = opened(browser, site, PHONE, "dark", device_scale_factor=2)
    rate(page, example_text("restaurant"))
    keep(page, "phone")


def admin(browser: Browser, site: Site) -> None:
    name = create_account(site, "ann")
    page = opened(browser, site, WIDE, "light", path=REVIEW)
    log_in(page, name)
    page.wait_for_load_state("networkidle")
    keep(page, "queue")
    page.goto("/admin/")
    page.wait_for_load_state("networkidle")
    keep(page, "dashboard")


def opened(
    browser: Browser, site: Site, size: dict[str, int], scheme: str, path: str = "/", **more: object
) -> Page:
    context = browser.new_context(
        base_url=site.url, viewport=size, color_scheme=scheme, reduced_motion="reduce", **more
    )
    page = context.new_page()
    page.goto(path)
    return page


def rate(page: Page, text: str) -> None:
    page.get_by_label("Your review").fill(text)
    page.get_by_role("button", name="Rate").click()
    page.locator("#rating-value").wait_for()
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(1500)  # milliseconds; the explanation comes after the rating


def keep(page: Page, name: str) -> None:
    """Write what the window shows as a PNG with a palette.

    Raises:
        ValueError: it has more than MOST_BYTES.
    """
    shown = Image.open(io.BytesIO(page.screenshot()))
    path = HERE / f"{name}.png"
    shown.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    if (size := path.stat().st_size) > MOST_BYTES:
        raise ValueError(
            f"A picture has {MOST_BYTES:,} bytes at most, but {path} has {size:,}. "
            "Show less of the page, or in fewer colours."
        )


if __name__ == "__main__":
    main()
