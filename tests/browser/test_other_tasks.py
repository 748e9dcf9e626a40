"""The rating page of a site whose model reads pairs, and answers no or yes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import CheckPage, OpenPage
from tests.site import Site


@pytest.fixture(scope="module")
def site(pairs_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site.started(
        tmp_path_factory.mktemp("pairs"), CLASSIFIER_MODEL=str(pairs_model_dir)
    ) as started:
        yield started


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_a_question_is_asked_about_a_passage_on_a_small_phone(
    open_page: OpenPage, accessible: CheckPage, scripts: bool
) -> None:
    page = open_page(viewport={"width": 320, "height": 640}, java_script_enabled=scripts)
    expect(page.get_by_role("heading", level=1)).to_have_text("What does the model say?")

    page.get_by_label("First text").fill("was it a good film")
    page.get_by_role("button", name="Ask the model").click()
    expect(page.get_by_role("alert").filter(visible=True)).to_contain_text("at least one character")

    page.get_by_label("Second text").fill("it was a lovely evening and a superb film")
    page.get_by_role("button", name="Ask the model").click()
    expect(page.locator(".bars tr")).to_have_count(2)
    expect(page.locator(".stars")).to_have_count(0)
    if scripts:
        accessible(page)

    page.get_by_text("I would say").click()
    page.get_by_role("radio", name="yes").check()
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#feedback-said")).to_contain_text("you say yes")
