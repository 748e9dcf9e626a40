"""What tiny runs leave out: it takes them more time than learning does, and has its own tests."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest


def leave_out_pictures(patch: pytest.MonkeyPatch) -> None:
    """Write reports without pictures."""

    def draw_evaluation(evaluation: Any, directory: Path) -> dict[str, Path]:
        directory.mkdir(parents=True, exist_ok=True)
        return {}

    def draw_loss(history: Sequence[Any], path: Path) -> Path:
        path.touch()
        return path

    patch.setattr("training.reporting.report.draw_evaluation", draw_evaluation)
    patch.setattr("training.reporting.report.draw_loss", draw_loss)


def leave_out_graph(patch: pytest.MonkeyPatch) -> None:
    """Publish models as those are of which no graph can be made: torch serves them."""
    from classifier.onnx_export import ExportRefused

    def refuse(directory: Path) -> NoReturn:
        raise ExportRefused(
            code="export_impossible",
            rule="This test must do without a graph.",
            value=directory.name,
            remedy="Nothing is to be done.",
        )

    patch.setattr("classifier.onnx_export.exporting.export_model", refuse)
