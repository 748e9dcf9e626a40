import dataclasses
import json
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from tests.training.evaluation.test_evaluating import LABELS, frame
from tests.training.reporting.test_plots import evaluation
from training.comparison import load_run
from training.evaluation.evaluating import evaluate_in_detail
from training.evaluation.metrics import WorstError
from training.reporting.report import save_evaluation, write_report

FACTS: dict[str, Any] = {
    "name": "mine",
    "base_model": "tiny",
    "base_revision": "",
    "rows": {"train": 1600, "test": 20},
    "config": {"training": {"epochs": 2.0, "learning_rate": 0.0005}},
    "metrics": {"validation_accuracy": 0.8125, "validation_loss": 0.4, "test_accuracy": 0.75},
}


class _Page(HTMLParser):
    """The tags of a page, what it loads, and its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data.strip() + " "


def with_text(text: str) -> Any:
    error = WorstError(row=7, loss=4.2, true="POSITIVE", given="NEGATIVE", score=0.985, text=text)
    return dataclasses.replace(evaluation(LABELS), errors=(error,))


def test_a_report_shows_facts_parameters_measures_and_errors(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    measured = with_text("a fine film")
    write_report(path, FACTS, measured, {})
    page = _Page(path)
    for shown in (
        *("mine", "train 1,600, test 20", "learning_rate", "0.0005", "0.8125"),
        *(f"{measured.measures['accuracy']:.4f}", f"{measured.classes[0].precision:.4f}"),
        *(f"{measured.slices[0].accuracy:.4f}", f"{measured.confusion[0][1]:,}"),
        *("a fine film", "0.985", "4.20"),
    ):
        assert f" {shown} " in f" {page.text} "
    assert "base revision" not in page.text


def test_texts_names_and_labels_cannot_become_markup(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    attack = "<script>alert(1)</script><img src=x>{{ 7 }}{% now %}"
    write_report(path, FACTS | {"name": attack, "note": attack}, with_text(attack), {})
    page = _Page(path)
    assert "script" not in page.tags
    assert "img" not in page.tags
    assert page.text.count("{{ 7 }}{% now %}") == 4  # title, heading, note and error


def test_a_report_is_one_file_that_loads_nothing(tiny_model_dir: Path, tmp_path: Path) -> None:
    rows = frame(20, wrong=2)
    history = [{"loss": 0.7, "step": 1}, {"eval_loss": 0.6, "step": 1}]
    measured = evaluate_in_detail(tiny_model_dir, rows, LABELS)
    path = save_evaluation(
        tmp_path / "run", facts=FACTS, evaluation=measured, frame=rows, history=history
    )
    page = _Page(path)
    assert len(page.sources) == 5
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
    assert {file.name for file in path.parent.iterdir()} == {
        *("report.html", "evaluation.json", "predictions.parquet", "pictures")
    }


def test_many_labels_have_their_commonest_mistakes_in_place_of_a_matrix(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(path, {}, evaluation(tuple(f"intent {index}" for index in range(30))), {})
    page = _Page(path)
    assert "Commonest mistakes" in page.text
    assert "Confusion" not in page.text


def test_a_report_needs_no_settings_of_a_site(tmp_path: Path) -> None:
    program = (
        "from pathlib import Path; from training.reporting.report import write_report; "
        "from tests.training.reporting.test_plots import evaluation; "
        f"write_report(Path({str(tmp_path / 'report.html')!r}), {{'rows': 3}}, "
        "evaluation(('no', 'yes')), {})"
    )
    subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        env={"OMP_NUM_THREADS": "1"},
        cwd=Path(__file__).parents[3],
    )
    assert (tmp_path / "report.html").is_file()


def test_evaluate_writes_a_report_and_predictions(
    tiny_model_dir: Path, tmp_path: Path, settings: Any
) -> None:
    settings.DATASETS_DIR = tmp_path
    frame(40, wrong=4).to_csv(tmp_path / "test.csv", index=False)
    call_command(
        "evaluate",
        model=str(tiny_model_dir),
        dataset=str(tmp_path),
        report=tmp_path / "measured",
        output=tmp_path / "measured.json",
    )
    measures = json.loads((tmp_path / "measured.json").read_text())
    stored = json.loads((tmp_path / "measured" / "evaluation.json").read_text())
    assert stored["measures"] == measures
    run = load_run(str(tmp_path / "measured"), runs_dir=tmp_path)
    right = run.probabilities.argmax(axis=1) == run.label_ids
    assert right.mean() == pytest.approx(measures["accuracy"])
