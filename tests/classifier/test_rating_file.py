import json
from pathlib import Path
from typing import Any

import pytest

from classifier.exceptions import ModelNotReady
from classifier.model_files import RATING, STAR_HEAD
from classifier.rating_file import RatingFile, rating_content, read_rating_file
from classifier.ratings import ConfidenceMap, ProbabilityMap, RatingMap, StarRule
from classifier.windows import RULE

EVENLY = [step / 10 for step in range(1, 10)]
STEPS: dict[str, Any] = {"map": "probability", "rating": EVENLY, "low": EVENLY, "high": EVENLY}
STARS: dict[str, Any] = {"map": "stars", "exact_weight": 0.5, "middle": 0.1, "interval_mass": 0.7}


def write(directory: Path, content: Any) -> Path:
    (directory / RATING).write_text(json.dumps(content))
    (directory / STAR_HEAD).touch()
    return directory


def refusal(directory: Path) -> ModelNotReady:
    with pytest.raises(ModelNotReady) as refused:
        read_rating_file(directory)
    return refused.value


def test_a_model_without_the_file_is_rated_by_its_confidence(tmp_path: Path) -> None:
    assert read_rating_file(tmp_path) == RatingFile(ConfidenceMap(), RULE)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"map": "confidence"}, ConfidenceMap()),
        (STEPS | {"rows": 7}, ProbabilityMap(*[tuple(EVENLY)] * 3)),
        (STARS | {"measured": {"mae": 1}}, StarRule(0.5, 0.1, 0.7)),
    ],
)
def test_each_map_is_read(content: Any, expected: RatingMap, tmp_path: Path) -> None:
    assert read_rating_file(write(tmp_path, content)) == RatingFile(expected, RULE)
    ruled = write(tmp_path, content | {"window_rule": "surest"})
    assert read_rating_file(ruled) == RatingFile(expected, "surest")


@pytest.mark.parametrize(
    "rating_map", [ConfidenceMap(), ProbabilityMap(*[tuple(EVENLY)] * 3), StarRule(0, 0, 1)]
)
def test_what_is_written_is_read_again(rating_map: RatingMap, tmp_path: Path) -> None:
    content = rating_content(rating_map, {"rows": 7}, window_rule="ends")

    assert read_rating_file(write(tmp_path, content)) == RatingFile(rating_map, "ends")
    assert content["rows"] == 7


@pytest.mark.parametrize(
    "content",
    [
        None,
        7,
        [],
        "stars",
        {},
        {"map": "best"},
        {"map": ["stars"]},
        {"map": "stars"},
        STARS | {"exact_weight": "0.5"},
        STARS | {"exact_weight": True},
        STARS | {"exact_weight": -1},
        STARS | {"exact_weight": float("inf")},
        STARS | {"middle": float("nan")},
        STARS | {"interval_mass": 10**400},
        STARS | {"interval_mass": {"a": 1}},
        STEPS | {"rating": EVENLY[:8]},
        STEPS | {"rating": EVENLY[::-1]},
        STEPS | {"rating": [EVENLY] * 9},
        STEPS | {"rating": dict.fromkeys("123456789", 1)},
        STEPS | {"rating": "123456789"},
        STEPS | {"low": [0.0] * 9},
        STARS | {"window_rule": "best"},
        STARS | {"window_rule": ["mean"]},
        STARS | {"window_rule": None},
    ],
)
def test_what_describes_no_map_is_refused_and_not_guessed(content: Any, tmp_path: Path) -> None:
    error = refusal(write(tmp_path, content))

    assert error.code == "model_rating"
    assert tmp_path.name in error.value
    assert "manage.py calibrate" in error.remedy


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"{",
        b"[" * 200_000,
        b'{"map": 1' + b"0" * 5000 + b"}",
        b" " * (1 << 20) + json.dumps(STARS).encode(),
    ],
)
def test_a_hostile_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / RATING).write_bytes(content)

    error = refusal(tmp_path)

    assert error.code == "model_rating"
    assert len(str(error)) < 1000


def test_a_map_of_stars_without_a_star_head_is_refused(tmp_path: Path) -> None:
    (write(tmp_path, STARS) / STAR_HEAD).unlink()

    assert refusal(tmp_path).code == "star_head_missing"
