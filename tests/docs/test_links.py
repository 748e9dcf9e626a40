"""Links between documents lead somewhere."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, outside_fences
from tests.site import ROOT

LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of the headings."""
    titles = HEADING.findall(outside_fences(page))
    plain = (re.sub(r"[^\w\- ]", "", title.strip().lower()) for title in titles)
    return {title.replace(" ", "-") for title in plain}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_each_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(outside_fences(page)):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        path = ((ROOT / page).parent / target).resolve() if target else ROOT / page
        assert path.exists(), f"{page}: {link}"
        assert path.is_relative_to(ROOT)
        if anchor:
            assert anchor in anchors(path.relative_to(ROOT)), f"{page}: {link}"


def test_the_index_names_every_page() -> None:
    """Decisions by their folder."""
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    linked = {(ROOT / "docs" / link.partition("#")[0]).resolve() for link in LINK.findall(index)}
    for page in PAGES:
        path = ROOT / page
        if page not in (Path("README.md"), Path("docs/README.md")):
            assert path in linked or path.parent in linked, page


def test_pictures_are_small_and_shown() -> None:
    folder = ROOT / "docs" / "pictures"
    shown = {
        (ROOT / page).parent.joinpath(link).resolve()
        for page in PAGES
        for link in LINK.findall(outside_fences(page))
    }
    for picture in folder.glob("*.png"):
        assert picture.stat().st_size < 150_000, picture
        assert picture in shown
