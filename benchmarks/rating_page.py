"""How quick the rating page is in a real browser: typed text to shown rating, and the first load.

    python benchmarks/rating_page.py --model starter --ratings 100

A site of its own with the served model is started on loopback. Each review is another one of 200
words, so that no answer comes from the cache; the time is from the click to the painted rating.
"""

import argparse
import os
import random
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import CHROMIUM, FLAGS
from tests.site import Site
from tests.tiny import NEGATIVE_WORDS, OTHER_WORDS, POSITIVE_WORDS

WORDS = (*POSITIVE_WORDS, *NEGATIVE_WORDS, *OTHER_WORDS)
REVIEW_WORDS = 200
LAID_OUT = 1000  # milliseconds after which nothing moves any more

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
    parser.add_argument("--loads", type=int, default=10)
    options = parser.parse_args()
    executable = next(filter(None, map(shutil.which, CHROMIUM)))
    model = Path(options.model)
    environment = {"CLASSIFIER_MODEL": str(model.resolve()) if model.is_dir() else options.model}
    if not model.is_dir():
        environment["VAR_DIR"] = os.environ.get("VAR_DIR", str(ROOT / "var"))
    with (
        tempfile.TemporaryDirectory() as folder,
        Site.started(Path(folder), **environment) as site,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        loads = [first_load(browser.new_context(base_url=site.url)) for _ in range(options.loads)]
        for name, unit in (("painted", "ms"), ("bytes", "bytes"), ("shifts", "")):
            values = [load[name] for load in loads]
            print(f"{name}: median {statistics.median(values):g}, most {max(values):g} {unit}")
        page = browser.new_context(base_url=site.url).new_page()
        page.goto("/")
        times = rating_times(page, options.ratings)
        print(
            f"click to painted rating: median {statistics.median(times):.0f} ms, "
            f"95th percentile {statistics.quantiles(times, n=20)[-1]:.0f} ms of {len(times)}"
        )


def first_load(context) -> dict[str, float]:  # type: ignore[no-untyped-def]
    """One load of the form with nothing in the cache."""
    page = context.new_page()
    page.add_init_script(WATCH)
    page.goto("/", wait_until="networkidle")
    page.wait_for_timeout(LAID_OUT)
    loaded: dict[str, float] = page.evaluate(LOADED)
    context.close()
    return loaded


def rating_times(page: Page, count: int) -> list[float]:
    """Milliseconds of each rating after the first, which is not counted."""
    rng = random.Random(0)
    reviews = [" ".join(rng.choices(WORDS, k=REVIEW_WORDS)) + "." for _ in range(count + 1)]
    return [page.evaluate(RATE, review) for review in reviews][1:]


if __name__ == "__main__":
    main()
