"""Cores are counted on systems that do not confine processes to some, too."""

import os

import pytest

from classifier.cores import usable_cores


def test_those_that_the_process_is_confined_to() -> None:
    confined = os.sched_getaffinity(0)
    one = min(confined)
    os.sched_setaffinity(0, {one})
    try:
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, confined)


def test_all_where_none_is_confined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 3)

    assert usable_cores() == 3


def test_one_where_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)

    assert usable_cores() == 1
