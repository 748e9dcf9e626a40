"""What scripts found is kept whatever their numbers are made of."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.chaos.findings import FINDINGS, Finding, report


def test_numbers_of_numpy_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "findings"
    monkeypatch.setenv(FINDINGS, str(file))
    tried: Any = np.int64(7)
    checks = np.array([1.0, 3.0]) > 2
    said = report(
        "T13",
        unit="requests",
        tried=tried,
        failures=sum(checks),
        target="none",
        figures={"growth": np.float64(0.5), "files": np.int64(0)},
    )
    assert "NO" in said
    kept = Finding(**json.loads(file.read_text()))
    assert kept == Finding("T13", "requests", 7, 1, "none", {"growth": "0.5", "files": "0"})


@pytest.mark.parametrize(("tried", "failures", "met"), [(0, 0, False), (9, 0, True), (9, 1, False)])
def test_a_finding_is_met_where_something_was_tried_and_nothing_failed(
    tried: int, failures: int, met: bool
) -> None:
    assert Finding("T1", "kills", tried, failures, "none fails", {}).met is met


def test_nothing_of_three_hundred_bounds_the_share_at_a_hundredth() -> None:
    bound = Finding("T1", "kills", 300, 0, "none fails", {}).upper_bound
    assert bound == pytest.approx(0.00994, abs=1e-4)  # the rule of three
