import pytest

from tests.training.left_out import leave_out_graph, leave_out_pictures


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports without pictures."""
    leave_out_pictures(monkeypatch)


@pytest.fixture
def no_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models without a graph."""
    leave_out_graph(monkeypatch)
