"""A run from the form to its report, on the real site with a real worker."""

import random
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Page, expect

from tests import tiny
from tests.browser.conftest import OpenPage, create_account, log_in, until
from tests.browser.test_review import scrolls_sideways
from tests.site import Site, command

ADD = "/admin/training/trainingrun/add/"
TRAINING_MS = 60_000.0  # for a process to start and train on a busy machine
# Kept by the page itself, so a reload would lose it.
NOTE_WHAT_IS_SHOWN = """
window.seen = [];
new MutationObserver(() => {
    const sentence = document.querySelector('.run-sentence');
    const bar = document.querySelector('.run-progress progress');
    if (sentence) window.seen.push([sentence.innerText, bar && 100 * bar.position]);
}).observe(document.querySelector('#content-main'), {childList: true, subtree: true});
"""
SHOWS_ITS_END = """log => log.scrollHeight > log.clientHeight && Math.abs(
    log.getBoundingClientRect().bottom - log.firstElementChild.getBoundingClientRect().bottom) < 3
"""
LINE_READ = """log => Math.round(
    log.getBoundingClientRect().top - log.firstElementChild.getBoundingClientRect().top)
"""
TWO_FRAMES_LATER = "(then => requestAnimationFrame(() => requestAnimationFrame(then)))"
CHOSEN = {
    "dataset": "sentences",
    "base_model": "tiny-base",
    "epochs": "10",
    "batch_size": "8",
    "learning_rate": "0.003",
    "max_length": "16",
}


@pytest.fixture(scope="module")
def trainer(site: Site) -> str:
    """The name of an account that may train."""
    return create_account(site, "trainer")


@pytest.fixture
def worker(
    site: Site, tiny_base_dir: Path, empty_mlflow_store: Path, tmp_path: Path
) -> Iterator[Path]:
    """A worker for training, with a data set and a model to train on; gives its log."""
    rng = random.Random(0)
    labels = [index % 2 for index in range(200)]
    rows = {"text": [tiny.sentence(label, rng) for label in labels], "label": labels}
    (site.var_dir / "datasets").mkdir(exist_ok=True)
    pd.DataFrame(rows).to_csv(site.var_dir / "datasets" / "sentences.csv", index=False)
    shutil.copytree(tiny_base_dir, site.var_dir / "models" / "tiny-base", dirs_exist_ok=True)
    shutil.copyfile(empty_mlflow_store, site.var_dir / "mlflow.db")
    often = replace(site, environment={**site.environment, "JOB_HEARTBEAT_SECONDS": "0.3"})
    log = tmp_path / "worker.log"
    with often.running(command("worker-training"), log=log):
        yield log


def logged_in(open_page: OpenPage, name: str, path: str, **options: object) -> Page:
    page = open_page(path, **options)
    log_in(page, name)
    return page


def test_a_run_is_started_watched_and_read_and_another_is_cancelled(
    open_page: OpenPage, trainer: str, worker: Path
) -> None:
    page = logged_in(open_page, trainer, "/admin/training/trainingrun/")
    page.get_by_role("link", name="Start a training run").first.click()

    # A recipe fills the form without a reload, and going back to none empties it again.
    page.evaluate("window.mark = 'the same page'")
    page.get_by_role("radio", name="rotten-tomatoes-quick").check()
    expect(page.locator("#id_dataset")).to_have_value("rotten_tomatoes")
    page.get_by_role("radio", name="none every parameter").check()
    expect(page.locator("#id_dataset")).to_have_value("")
    assert page.evaluate("window.mark") == "the same page"

    for section in page.locator("#run-fields details").all():
        section.locator("summary").click()
    for name, value in CHOSEN.items():
        page.locator(f"#id_{name}").fill(value)
    page.locator("#id_method").select_option("full")
    page.locator("#id_name").fill("watched")
    page.get_by_role("button", name="Start training").click()

    # Its page follows it without a reload.
    page.get_by_text("has been started").wait_for()
    page.evaluate(NOTE_WHAT_IS_SHOWN)
    page.locator(".run-status", has_text="running").wait_for(timeout=TRAINING_MS)
    page.locator(".run-status", has_text="succeeded").wait_for(timeout=TRAINING_MS)
    seen = page.evaluate("window.seen")
    assert "Training." in [sentence for sentence, _ in seen]
    assert len({sentence for sentence, _ in seen}) > 2
    assert any(0 < percent < 100 for _, percent in seen)
    assert page.locator("[hx-trigger]").count() == 0

    assert page.locator(".run-chart polyline").count() == 2
    measures = page.locator(".run-table", has_text="accuracy").first.inner_text()
    assert "macro F1" in measures
    assert "CLASSIFIER_MODEL=watched" in page.locator("#run").inner_text()
    assert page.locator(".run-log").evaluate(SHOWS_ITS_END)
    page.locator("iframe.run-report").scroll_into_view_if_needed()
    report = page.frame_locator("iframe.run-report")
    report.get_by_role("heading", name="Pictures").wait_for()
    assert report.locator("img").first.evaluate("image => image.complete && image.naturalWidth > 0")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "watched-report.html"

    # Another like it, too long to wait for.
    page.get_by_role("link", name="Start another like this").click()
    assert page.locator("#id_dataset").input_value() == "sentences"
    page.locator("#run-fields summary", has_text="Training").click()
    page.locator("#id_epochs").fill("5000")
    page.locator("#id_name").fill("stopped")
    page.get_by_role("button", name="Start training").click()
    page.locator(".run-sentence", has_text="Training.").wait_for(timeout=TRAINING_MS)
    # Its log stays at the end, and who reads further up is left there when lines are added.
    log = page.locator(".run-log")
    until(
        page,
        "() => { const log = document.querySelector('.run-log');"
        " return log.scrollHeight > log.clientHeight + 80 }",
        timeout=TRAINING_MS / 1000,
    )
    until(page, f"() => ({SHOWS_ITS_END})(document.querySelector('.run-log'))")
    for place, begin in ((SHOWS_ITS_END, ""), (LINE_READ, "log.scrollTop = -50;")):
        # The browser notes with a frame which line is read, and only then holds to it.
        read = log.evaluate(
            f"log => new Promise(done => {{ {begin} {TWO_FRAMES_LATER}(() => {{"
            f" window.before = log.innerText; done(({place})(log)) }}) }})"
        )
        until(
            page,
            "read => { const log = document.querySelector('.run-log');"
            f" return log.innerText !== window.before && ({place})(log) === read }}",
            read,
        )
    assert not log.evaluate(SHOWS_ITS_END)
    page.get_by_text("Cancel this run").click()
    page.get_by_role("button", name="Yes, cancel it").click()
    page.locator(".run-status", has_text="cancelled").wait_for(timeout=TRAINING_MS)
    page.get_by_role("button", name="Retry").wait_for()
    assert "Traceback" not in worker.read_text()

    page.goto("/admin/training/trainingrun/")
    rows = page.locator("#result_list tbody tr")
    assert "cancelled" in rows.filter(has_text="stopped").inner_text()
    assert "succeeded" in rows.filter(has_text="watched").inner_text()


@pytest.mark.parametrize("width", [360, 1280])
def test_the_form_does_not_scroll_sideways(open_page: OpenPage, trainer: str, width: int) -> None:
    page = logged_in(open_page, trainer, ADD, viewport={"width": width, "height": 700})
    for section in page.locator("#run-fields details").all():
        section.locator("summary").click()
    assert not scrolls_sideways(page)


def test_the_form_works_without_javascript(open_page: OpenPage, trainer: str) -> None:
    page = logged_in(open_page, trainer, ADD, java_script_enabled=False)
    page.get_by_role("radio", name="emotion").check()
    page.get_by_role("button", name="Fill in the fields").click()
    assert page.locator("#id_dataset").input_value() == "emotion"
    page.locator("#id_dataset").fill("../secret")
    page.get_by_role("button", name="Start training").click()
    assert "no path or address" in page.locator(".field-dataset .errorlist").inner_text()
    assert page.locator("#id_dataset").input_value() == "../secret"
