"""The loss curve of a run as places in a picture; a template draws it.

training.reporting.plots draws the same into the report, with matplotlib. Here it is drawn again at
every look at a run, by the web process, so it needs nothing that is slow to import.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 720, 300  # of the picture, in its own units
LEFT, RIGHT, TOP, BOTTOM = 52, 16, 14, 44  # margins, where ticks and names stand
VALIDATION_KEYS = ("eval_loss", "validation_loss")
TICKS = 5  # about
MARKED_POINTS = 40  # of a line with more points only the line is drawn


@dataclass(frozen=True)
class Tick:
    at: float
    label: str


@dataclass(frozen=True)
class Point:
    x: float
    y: float
    label: str


@dataclass(frozen=True)
class Line:
    name: str
    """Also its class in the style sheet."""
    points: tuple[Point, ...]
    path: str
    """Of an SVG polyline."""
    marked: bool
    """Whether each point gets a mark."""


@dataclass(frozen=True)
class Chart:
    """A picture of WIDTH by HEIGHT, (0, 0) above left."""

    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    summary: str
    """What the picture shows, for those who do not see it."""
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


def loss_chart(history: Iterable[Mapping[str, Any]], *, total: int = 0) -> Chart | None:
    """The loss of training and validation by step; None where there is none yet.

    Args:
        history: `trainer.state.log_history`; what is no finite number in it is left out.
        total: steps of the whole run, to which the picture reaches; 0 ends it at the last one.
    """
    rows = list(history)
    series = {
        name: found
        for name, found in (
            ("training", _series(rows, ("loss",))),
            ("validation", _series(rows, VALIDATION_KEYS)),
        )
        if found
    }
    if not series:
        return None
    losses = [loss for points in series.values() for _, loss in points]
    last = max(step for points in series.values() for step, _ in points)
    x_ticks = ticks(0, max(last, total, 1), whole=True)
    y_ticks = ticks(min(0, *losses), max(losses))
    x_end = max(last, total, 1)
    y_start, y_end = min(y_ticks[0], *losses), max(y_ticks[-1], *losses)

    def place(step: float, loss: float) -> tuple[float, float]:
        x = LEFT + step / x_end * (WIDTH - LEFT - RIGHT)
        y = TOP + (y_end - loss) / (y_end - y_start) * (HEIGHT - TOP - BOTTOM)
        return round(x, 1), round(y, 1)

    return Chart(
        lines=tuple(_line(name, points, place) for name, points in series.items()),
        x_ticks=tuple(Tick(place(step, 0)[0], f"{step:,.0f}") for step in x_ticks),
        y_ticks=tuple(
            Tick(place(0, loss)[1], label)
            for loss, label in zip(y_ticks, _labels(y_ticks), strict=True)
        ),
        summary=" ".join(_said(name, points) for name, points in series.items()),
    )


def ticks(start: float, end: float, *, whole: bool = False) -> tuple[float, ...]:
    """About TICKS round numbers, evenly apart: 1, 2 or 5 times a power of ten.

    They reach beyond `start` and `end` where those are no round numbers; whole ones stop before.
    """
    span = end - start or abs(end) or 1.0
    rough = max(span / TICKS, 1e-12)
    power = 10.0 ** math.floor(math.log10(rough))
    width = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    if whole:
        width = max(width, 1.0)
        first, last = math.ceil(start / width), math.floor(end / width + 1e-9)
    else:
        first, last = math.floor(start / width + 1e-9), math.ceil(end / width - 1e-9)
    if last == first and not whole:
        last += 1
    return tuple(number * width for number in range(first, last + 1))


def _series(rows: Iterable[Mapping[str, Any]], keys: Sequence[str]) -> list[tuple[float, float]]:
    """Step and loss, by step; of a step that was done twice, after a resume, what came last."""
    found: dict[float, float] = {}
    for row in rows:
        step = row.get("step")
        for key in keys:
            if is_number(step) and is_number(row.get(key)):
                found[float(step)] = float(row[key])  # type: ignore[arg-type]
    return sorted(found.items())


def is_number(value: object) -> bool:
    """Whether it is one, and finite: what has diverged is kept as None."""
    return isinstance(value, int | float) and math.isfinite(value)


def _line(
    name: str,
    points: Sequence[tuple[float, float]],
    place: Callable[[float, float], tuple[float, float]],
) -> Line:
    placed = tuple(
        Point(*place(step, loss), f"{name} loss {loss:.4f} at step {step:,.0f}")
        for step, loss in points
    )
    return Line(
        name=name,
        points=placed,
        path=" ".join(f"{point.x},{point.y}" for point in placed),
        marked=len(placed) <= MARKED_POINTS,
    )


def _labels(values: Sequence[float]) -> list[str]:
    """With as many digits as tell neighbours apart."""
    width = values[1] - values[0]
    if max(map(abs, values)) >= 1e5 or width < 1e-5:
        return [f"{value:.3g}" for value in values]
    digits = max(0, -math.floor(math.log10(width) + 1e-9))
    return [f"{value:.{digits}f}" for value in values]


def _said(name: str, points: Sequence[tuple[float, float]]) -> str:
    (first_step, first), (last_step, last) = points[0], points[-1]
    if len(points) == 1:
        return f"The {name} loss is {first:.4f} at step {first_step:,.0f}."
    least_step, least = min(points, key=lambda point: point[1])
    lowest = "" if least_step == last_step else f"; its lowest is {least:.4f} at {least_step:,.0f}"
    return (
        f"The {name} loss goes from {first:.4f} at step {first_step:,.0f} to {last:.4f} at step "
        f"{last_step:,.0f}{lowest}."
    )
