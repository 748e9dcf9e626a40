"""How quick and how sound the pages are in a real browser: each page's first load, and a rating.

    python benchmarks/pages.py --model starter --ratings 100

A site of its own with the served model is started on loopback; nothing is in the browser's cache.
Of each page: milliseconds to the first contentful paint, bytes transferred, layout shift, errors in
the console, what axe-core finds in the light and in the dark, and whether it fits 320 pixels. Then
the time from a click to the painted rating, each review another one of 200 words, so that no
answer comes from the cache; the explanation, which follows it, is waited for and not counted.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.conftest import CHROMIUM, FLAGS, create_account, log_in
from tests.site import Site
from tests.tiny import NEGATIVE_WORDS, OTHER_WORDS, POSITIVE_WORDS

WORDS = (*POSITIVE_WORDS, *NEGATIVE_WORDS, *OTHER_WORDS)
REVIEW_WORDS = 200
LAID_OUT = 1000  # milliseconds after which nothing moves any more
NARROW = 320  # pixels
OPEN = ("/", "{prediction}", "{comparison}", "/compare", "/model", "/bulk", "/api/docs")
FOR_STAFF = (
    "/admin/",
    "/admin/classifier/prediction/",
    "/admin/classifier/prediction/review/",
    "/admin/classifier/prediction/import/",
    "/admin/classifier/bulkjob/",
    "/admin/classifier/modelversion/",
    "/admin/classifier/auditentry/",
    "/admin/classifier/apikey/add/",
    "/admin/training/trainingrun/",
    "/admin/training/trainingrun/add/",
)

# What the browser itself knows of a page, asked for before anything of it comes.
WATCH = """
window.shifts = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.shifts += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""
LOADED = """() => ({
  painted: performance.getEntriesByName("first-contentful-paint")[0].startTime,
  bytes: performance.getEntries().reduce((sum, entry) => sum + (entry.transferSize || 0), 0),
  shifts: window.shifts,
})"""
SIDEWAYS = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
RATE = """(text) => new Promise((done) => {
  document.getElementById("id_text").value = text;
  const answer = document.getElementById("answer");
  const started = performance.now();
  new MutationObserver((_, observer) => {
    if (!document.getElementById("rating-value")) return;
    observer.disconnect();
    requestAnimationFrame(() => setTimeout(() => done(performance.now() - started)));
  }).observe(answer, { childList: true });
  document.querySelector("#ask button[type=submit]").click();
})"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--model", default="starter", help="as CLASSIFIER_MODEL")
    parser.add_argument("--ratings", type=int, default=100)
    parser.add_argument("--loads", type=int, default=5, help="of each page")
    options = parser.parse_args()
    executable = next(filter(None, map(shutil.which, CHROMIUM)))
    model = Path(options.model)
    environment = {"CLASSIFIER_MODEL": str(model.resolve()) if model.is_dir() else options.model}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        models = Path(os.environ.get("VAR_DIR", ROOT / "var")) / "models"
        Path(folder, "models").symlink_to(models.resolve())  # its database is a new one
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        with Site.started(Path(folder), **environment) as site:
            measure(browser, site, loads=options.loads, ratings=options.ratings)


def measure(browser: Browser, site: Site, *, loads: int, ratings: int) -> None:
    print("| page | first paint, ms | kB | shift | console errors | axe | fits 320 px |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | --- |")
    known = addresses(site)
    for path in OPEN:
        print(row(browser, site, path.format(**known), path, loads))
    state = logged_in(browser, site)
    for path in FOR_STAFF:
        print(row(browser, site, path, path, loads, storage_state=state))
    page = browser.new_context(base_url=site.url).new_page()
    page.goto("/")
    times = rating_times(page, ratings)
    print(
        f"\nclick to painted rating: median {statistics.median(times):.0f} ms, "
        f"95th percentile {statistics.quantiles(times, n=20)[-1]:.0f} ms of {len(times)}"
    )


def addresses(site: Site) -> dict[str, str]:
    """The pages of a prediction and of a comparison."""
    first, second = (_rated(site, text) for text in ("a superb film", "a dull film, and too long"))
    return {"prediction": f"/predictions/{first}", "comparison": f"/compare/{first}/{second}"}


def _rated(site: Site, text: str) -> str:
    request = urllib.request.Request(
        f"{site.url}/api/predict",
        json.dumps({"text": text}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        return str(json.load(response)["id"])


def logged_in(browser: Browser, site: Site) -> Any:
    """The cookies of somebody who may do everything."""
    context = browser.new_context(base_url=site.url)
    page = context.new_page()
    page.goto("/admin/")
    log_in(page, create_account(site, "owner"))
    page.wait_for_load_state("networkidle")
    state = context.storage_state()
    context.close()
    return state


def row(browser: Browser, site: Site, path: str, name: str, loads: int, **options: Any) -> str:
    """A line of the table: medians of the times, the most of all else."""
    seen = [_load(browser, site, path, **options) for _ in range(loads)]
    painted = statistics.median(load["painted"] for load in seen)
    most = {key: max(load[key] for load in seen) for key in ("bytes", "shifts", "errors")}
    violations, fits = _checked(browser, site, path, **options)
    return (
        f"| {name} | {painted:.0f} | {most['bytes'] / 1000:.0f} | {most['shifts']:g} "
        f"| {most['errors']:.0f} | {violations} | {'yes' if fits else 'NO'} |"
    )


def _load(browser: Browser, site: Site, path: str, **options: Any) -> dict[str, float]:
    """One load with nothing in the cache."""
    context = browser.new_context(base_url=site.url, **options)
    page = context.new_page()
    errors: list[str] = []
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.add_init_script(WATCH)
    response = page.goto(path, wait_until="networkidle")
    if response is None or not response.ok:
        raise SystemExit(f"{path} was not answered with 200")
    page.wait_for_timeout(LAID_OUT)
    loaded: dict[str, float] = page.evaluate(LOADED)
    context.close()
    return loaded | {"errors": len(errors)}


def _checked(browser: Browser, site: Site, path: str, **options: Any) -> tuple[int, bool]:
    """How many things axe-core finds in both colour schemes, and whether the page fits a phone."""
    context = browser.new_context(base_url=site.url, **options)
    page = context.new_page()
    page.goto(path, wait_until="networkidle")
    found = 0
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found += Axe().run(page).violations_count
    page.set_viewport_size({"width": NARROW, "height": 800})
    fits = not page.evaluate(SIDEWAYS)
    context.close()
    return found, fits


def rating_times(page: Page, count: int) -> list[float]:
    """Milliseconds of each rating after the first, which is not counted."""
    rng = random.Random(0)
    reviews = [" ".join(rng.choices(WORDS, k=REVIEW_WORDS)) + "." for _ in range(count + 1)]
    times = []
    for review in reviews:
        times.append(page.evaluate(RATE, review))
        page.locator("#explanation mark").first.wait_for()  # who reads it does not rate meanwhile
    return times[1:]


if __name__ == "__main__":
    main()
