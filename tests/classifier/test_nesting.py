import json
import time
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from classifier import nesting
from classifier.bulk.jsonlines import parse_line

VALUES = st.recursive(
    st.none() | st.integers() | st.text('[]{}",:\\ aé😀\n', max_size=60),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text('[{"\\'), inner, max_size=4)
    ),
)


def depth(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


@given(VALUES, st.booleans(), st.integers(0, 40))
def test_levels_are_those_of_what_is_parsed(value: Any, ascii_only: bool, around: int) -> None:
    for _ in range(around):
        value = [value]
    text = json.dumps(value, ensure_ascii=ascii_only)
    levels = depth(json.loads(text))
    assert nesting.levels_beyond(text) == (levels if levels > nesting.MOST else 0)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"text": "[" * 1000 + '\\"{'}),
        json.dumps([[]] * 1000),
        json.dumps([{"a": {}}] * 1000),
        "]" * 1000,
        '"' + "[" * 1000,  # a string without an end
        "",
    ],
)
def test_what_is_flat_or_a_text_has_none_too_many(text: str) -> None:
    assert nesting.levels_beyond(text) == 0


@pytest.mark.parametrize(
    "body", ["[]," * 1_300_000, '"a\\"",' * 600_000 + "[" * 40, '"' * 4_000_000]
)
def test_the_largest_body_is_looked_at_in_a_moment(body: str) -> None:
    started = time.process_time()
    nesting.levels_beyond("[" * 33 + body)
    assert time.process_time() - started < 2  # it takes 0.4


@pytest.mark.parametrize("address", ["/api/predict", "/api/inference", "/predict"])
def test_the_deepest_that_is_allowed_is_read(
    address: str, client: Client, served_model: object, db: None
) -> None:
    def asked(levels: int) -> Any:
        text = '{"text": "good", "inputs": "good", "more": ' + "[" * (levels - 1)
        text += "]" * (levels - 1) + "}"
        return client.post(address, text, content_type="application/json")

    refused = asked(nesting.MOST + 1)
    assert refused.status_code in (400, 422)  # the latter in the shape of TEI
    assert asked(nesting.MOST).status_code == 200
    assert str(nesting.MOST) in refused.content.decode()


@pytest.mark.parametrize(
    ("levels", "read"), [(nesting.MOST - 1, True), (nesting.MOST, False)], ids=["most", "more"]
)
def test_a_line_of_a_file_has_the_same_bound(levels: int, read: bool) -> None:
    row, problem = parse_line('{"text": "fine", "more": ' + "[" * levels + "]" * levels + "}")
    assert (problem is None) is read
    assert bool(row) is read
