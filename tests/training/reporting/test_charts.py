import json
from itertools import pairwise
from typing import Any

import pytest

from training.reporting.charts import (
    HEIGHT,
    LEFT,
    MARKED_POINTS,
    RIGHT,
    WIDTH,
    Chart,
    loss_chart,
    ticks,
)

HISTORY: list[dict[str, Any]] = [
    {"step": 10, "loss": 0.7, "epoch": 0.5, "learning_rate": 5e-5},
    {"step": 20, "loss": 0.4},
    {"step": 20, "eval_loss": 0.5, "eval_accuracy": 0.8},
    {"step": 30, "loss": 0.5},
    {"step": 40, "eval_loss": 0.45},
]


def drawn(history: list[dict[str, Any]], total: int = 0) -> Chart:
    chart = loss_chart(history, total=total)
    assert chart
    return chart


def test_each_loss_is_a_line_with_its_points_in_the_order_of_the_steps() -> None:
    chart = drawn(list(reversed(HISTORY)))

    assert [(line.name, len(line.points)) for line in chart.lines] == [
        ("training", 3),
        ("validation", 2),
    ]
    for line in chart.lines:
        assert all(left.x < right.x for left, right in pairwise(line.points))
    assert [point.label for point in chart.lines[1].points] == [
        "validation loss 0.5000 at step 20",
        "validation loss 0.4500 at step 40",
    ]


def test_a_higher_loss_is_higher_in_the_picture() -> None:
    first, second, third = drawn(HISTORY).lines[0].points
    assert first.y < third.y < second.y


def test_points_stand_where_the_ticks_say() -> None:
    chart = drawn([{"step": 0, "loss": 1.0}, {"step": 100, "loss": 0.0}])
    (begin, end) = chart.lines[0].points
    y = {tick.label: tick.at for tick in chart.y_ticks}
    x = {tick.label: tick.at for tick in chart.x_ticks}

    assert (begin.x, begin.y) == (x["0"], y["1.0"])
    assert (end.x, end.y) == (x["100"], y["0.0"])


def test_the_picture_reaches_to_the_last_step_of_the_run() -> None:
    chart = drawn(HISTORY, total=400)
    assert chart.x_ticks[-1].label == "400"
    assert chart.x_ticks[-1].at == WIDTH - RIGHT
    assert max(point.x for line in chart.lines for point in line.points) < WIDTH / 4


def test_of_a_step_that_was_done_twice_the_later_loss_counts() -> None:
    chart = drawn([{"step": 10, "loss": 0.9}, {"step": 10, "loss": 0.2}])
    assert [point.label for point in chart.lines[0].points] == ["training loss 0.2000 at step 10"]


@pytest.mark.parametrize(
    "history",
    [
        [],
        [{"step": 1, "learning_rate": 1e-3}],
        [{"step": 1, "loss": None}],
        [{"step": 1, "loss": float("nan")}, {"step": 2, "eval_loss": float("inf")}],
        [{"loss": 0.5}],
        [{"step": "one", "loss": 0.5}, {"step": 2, "loss": "<script>"}],
    ],
)
def test_without_a_finite_loss_there_is_no_picture(history: list[dict[str, Any]]) -> None:
    assert loss_chart(history) is None


@pytest.mark.parametrize(
    "losses",
    [[0.5], [0.0], [0.0, 0.0], [5e-324], [1e-9, 2e-9], [1e12, 3e12], [-2.0, 3.0], [0.693, 0.6931]],
)
def test_every_picture_stays_in_its_frame(losses: list[float]) -> None:
    chart = drawn([{"step": step, "loss": loss} for step, loss in enumerate(losses, start=1)])

    points = [point for line in chart.lines for point in line.points]
    assert all(LEFT <= point.x <= WIDTH - RIGHT and 0 < point.y < HEIGHT for point in points)
    labels = [tick.label for tick in chart.y_ticks]
    assert 2 <= len(labels) == len(set(labels)) <= 12
    assert all(0 < tick.at < HEIGHT for tick in chart.y_ticks)


def test_the_summary_says_what_the_lines_show() -> None:
    assert drawn(HISTORY).summary == (
        "The training loss goes from 0.7000 at step 10 to 0.5000 at step 30; its lowest is 0.4000 "
        "at 20. The validation loss goes from 0.5000 at step 20 to 0.4500 at step 40."
    )
    assert drawn(HISTORY[:1]).summary == "The training loss is 0.7000 at step 10."


def test_a_line_of_many_points_has_no_marks() -> None:
    history = [{"step": step, "loss": 1 / step} for step in range(1, MARKED_POINTS + 2)]
    assert not drawn(history).lines[0].marked
    assert drawn(history[:-1]).lines[0].marked


def test_a_history_that_went_through_the_database_draws_the_same() -> None:
    assert loss_chart(json.loads(json.dumps(HISTORY))) == loss_chart(HISTORY)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, 1, (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
        (0, 0.7, (0.0, 0.2, 0.4, 0.6, 0.8)),
        (0, 375, (0.0, 100.0, 200.0, 300.0, 400.0)),
    ],
)
def test_ticks_are_round(start: float, end: float, expected: tuple[float, ...]) -> None:
    assert ticks(start, end) == pytest.approx(expected)


def test_ticks_of_steps_are_whole_and_not_beyond_the_end() -> None:
    assert ticks(0, 3, whole=True) == (0, 1, 2, 3)
    assert ticks(0, 375, whole=True) == (0, 100, 200, 300)
    assert ticks(0, 1, whole=True) == (0, 1)
