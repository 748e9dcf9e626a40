import pytest

from classifier.model_page.card import LONGEST, read_card

CARD = """---
license: apache-2.0
base_model: some/encoder
datasets: [imdb, yelp]
---

# mine

A *text* classifier, see [the paper](https://example.org/paper "title").

| | test |
|---|---|
| accuracy | 0.93 |
"""


def test_a_card_is_rendered_one_heading_lower() -> None:
    card = read_card(CARD)

    assert "<h2>mine</h2>" in card.html
    assert "<em>text</em>" in card.html
    assert '<a href="https://example.org/paper" title="title" rel="nofollow noopener' in card.html
    assert "<td>0.93</td>" in card.html
    assert "apache-2.0" not in card.html


def test_its_front_matter_is_read() -> None:
    card = read_card(CARD)

    assert card.licence == "apache-2.0"
    assert card.text_of("datasets") == "imdb, yelp"
    assert card.text_of("nothing") == ""


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "![](https://elsewhere.example/spy.png)",
        '<a href="javascript:alert(1)">here</a>',
        "[here](javascript:alert(1))",
        "[here](data:text/html,<script>alert(1)</script>)",
        '<p style="position:fixed" class="bar" id="main" onclick="alert(1)">big</p>',
        "<style>body { display: none }</style>",
        '<iframe src="https://elsewhere.example"></iframe>',
        '<form action="/admin/logout/" method="post"><button>Go</button></form>',
        '<base href="https://elsewhere.example/">',
        "<svg><script>alert(1)</script></svg>",
        "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
        "<!-- a comment <script>alert(1)</script> -->",
    ],
)
def test_nothing_that_acts_or_fetches_comes_through(hostile: str) -> None:
    shown = read_card(f"before\n\n{hostile}\n\nafter").html.replace("&lt;", "")

    for never in (
        *("<script", "<img", "<style", "<iframe", "<form", "<button", "<base", "<svg", "<math"),
        *('"javascript:', '"data:', "style=", "class=", "id=", "<p onclick", "<!--", "src="),
    ):
        assert never not in shown
    assert "<p>before</p>" in shown


@pytest.mark.parametrize(
    "front",
    [
        "---\n: : :\n---\n",
        "---\n- a\n- b\n---\n",
        "---\nnever: closed\n",
        "---\n!!python/none x\n---\n",
    ],
)
def test_broken_front_matter_is_none(front: str) -> None:
    card = read_card(f"{front}\ntext of the card")

    assert card.licence == ""
    assert "text of the card" in card.html


def test_no_card_is_empty_and_a_huge_one_is_cut() -> None:
    assert read_card("").html == ""
    assert len(read_card("a " * LONGEST).html) <= LONGEST + 100


def test_a_corner_of_a_table_heads_nothing() -> None:
    assert "<th></th>" not in read_card(CARD).html
