"""The whole loop, once: predict, review, correct, retrain, compare, activate, roll back."""

import csv
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenPage, create_account, log_in
from tests.browser.test_review import rate
from tests.factories import texts_of_split
from tests.site import Site, command

WORK_MS = 90_000.0  # for a process to start and train on a busy machine
VERSIONS = "/admin/classifier/modelversion/"


@pytest.fixture(scope="module")
def site(
    exported_model_dir: Path, empty_mlflow_store: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A site of its own, with its workers: what is activated here serves nobody else."""
    var_dir = tmp_path_factory.mktemp("loop")
    shutil.copytree(exported_model_dir, var_dir / "models" / "first")
    shutil.copyfile(empty_mlflow_store, var_dir / "mlflow.db")
    with ExitStack() as stack:
        started = stack.enter_context(
            Site.started(
                var_dir, CLASSIFIER_MODEL="first", GATE_ROWS="4", JOB_HEARTBEAT_SECONDS="0.3"
            )
        )
        for process in ("worker-training", "worker-bulk"):
            stack.enter_context(started.running(command(process), log=var_dir / f"{process}.log"))
        yield started


def labelled_file(folder: Path) -> Path:
    """Verdicts of other people, enough to train on and to measure by."""
    file = folder / "labelled.csv"
    texts = texts_of_split("train", 30) + texts_of_split("test", 6)
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["text", "label"])
        for number, text in enumerate(texts):
            writer.writerow([text, "NEGATIVE" if number % 2 else "POSITIVE"])
    return file


def test_a_correction_becomes_a_model_that_serves(
    open_page: OpenPage, site: Site, tmp_path: Path
) -> None:
    site.manage("import_verdicts", str(labelled_file(tmp_path)))

    # A visitor gets an answer and objects.
    page = open_page()
    rate(page, "a lovely film , said the visitor")
    expect(page.locator("body")).to_contain_text("first@")
    page.get_by_text("I would say").click()
    page.get_by_label("negative").check()
    page.get_by_label("and deserves").fill("2")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#feedback-said")).to_contain_text("you say negative")

    # A reviewer corrects it.
    admin = open_page("/admin/classifier/prediction/review/")
    log_in(admin, create_account(site, "owner"))
    expect(admin.locator("#review-text")).to_contain_text("said the visitor")
    admin.get_by_role("button", name="Flip").click()
    expect(admin.locator("#content-main")).not_to_contain_text("said the visitor")

    # One button trains on what was said.
    admin.goto("/admin/")
    admin.get_by_role("button", name="Retrain").click()
    admin.locator(".run-status", has_text="succeeded").wait_for(timeout=WORK_MS)

    # The candidate is compared with the model in service, and activated.
    admin.goto(VERSIONS)
    row = admin.locator("#result_list tbody tr", has_text="candidate")
    row.get_by_role("link", name="compare, activate").click()
    admin.get_by_role("button", name="Let both rate them").click()
    for _ in range(120):  # until a worker has rated them
        if admin.get_by_text("6 of 6 rows").count():
            break
        admin.wait_for_timeout(500)
        admin.reload()
    expect(admin.locator("#measures")).to_contain_text("6 of 6 rows")
    compared = admin.url
    admin.get_by_label("Reason").fill("The first loop.")
    admin.get_by_role("button", name="Activate in every process").click()
    expect(admin.locator(".messagelist")).to_contain_text("is active; processes follow")
    name = admin.locator("#main h1").inner_text()

    def answers(expected: str) -> None:
        """Every process follows within seconds."""
        for _ in range(60):
            page.goto("/")
            rate(page, "a lovely film , once more")
            if expected in page.locator("body").inner_text():
                return
            page.wait_for_timeout(500)
        raise AssertionError(f"{expected} does not answer")

    answers(name)
    admin.goto(compared)
    admin.get_by_role("button", name="Roll back").click()
    expect(admin.locator(".messagelist")).to_contain_text("is active again")
    answers("first@")
