import errno
import hashlib
import importlib.util
import json
import os
import pkgutil
import random
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from classifier.bulk.chunks import chunks
from classifier.bulk.limits import CHUNK_ROWS
from classifier.bulk.parts import MANIFEST, Parts, ratings_file
from classifier.bulk.tables import open_table
from classifier.bulk.workbook_writer import WorkbookWriter
from classifier.management.commands import rate_file as command
from classifier.models import Prediction
from classifier.predictor import holder
from classifier.versions.activation import activate, register
from tests import tiny
from tests.gates import missing

# Which version of the model is active stands in the database.
pytestmark = pytest.mark.django_db

REPOSITORY = Path(__file__).parents[2]
FORMATS = ("csv", "tsv", "jsonl", "xlsx")


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def rate(*arguments: Any, out: StringIO | None = None) -> str:
    said = out or StringIO()
    call_command("rate_file", *map(str, arguments), stdout=said, no_color=True)
    return said.getvalue()


def write_table(file: Path, count: int) -> Path:
    """A table of short reviews; the row before the last is blank."""
    rng = random.Random(0)
    texts = [f"{tiny.sentence(row % 2, rng, words=3)}" for row in range(count)]
    texts[-2:-1] = [" "] if count > 1 else []
    pairs = list(enumerate(texts, start=1))
    if file.suffix == ".xlsx":
        with file.open("wb") as out:
            writer = WorkbookWriter(out, ["id", "text"])
            for number, text in pairs:
                writer.row([number, text])
            writer.close()
    elif file.suffix == ".jsonl":
        file.write_text("".join(json.dumps({"id": i, "text": t}) + "\n" for i, t in pairs))
    else:
        delimiter = "\t" if file.suffix == ".tsv" else ","
        lines = [f"{number}{delimiter}{text}\n" for number, text in pairs]
        file.write_text(f"id{delimiter}text\n" + "".join(lines))
    return file


def ids(file: Path) -> list[str]:
    with open_table(file) as table:
        return [row.cells["id"] for row in table.rows()]


class Counted:
    """Counts what the model is asked, and stops after some chunks if told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, stop_after: int | None = None) -> None:
        self.calls = 0
        self.stop_after = stop_after
        classify = command._classify

        def counted(texts: list[str]) -> Any:
            if self.calls == self.stop_after:
                raise KeyboardInterrupt
            self.calls += 1
            return classify(texts)

        monkeypatch.setattr(command, "_classify", counted)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_is_rated_row_by_row(served_model: Path, tmp_path: Path, suffix: str) -> None:
    source = write_table(tmp_path / f"in.{suffix}", 12)
    target = tmp_path / f"out.{suffix}"

    said = rate(source, target)

    with open_table(target) as table:
        rows = [row.cells for row in table.rows()]
    assert [row["id"] for row in rows] == [
        str(i) if suffix in ("csv", "tsv") else i for i in range(1, 13)
    ]
    assert [row["label"] for row in rows if row.get("label")] == [
        "NEGATIVE" if row % 2 == 0 else "POSITIVE" for row in range(12) if row != 10
    ]
    assert "white space" in rows[10]["error"]
    assert "column 'text'" in said
    assert "12 rows: 11 rated, 1 bad" in said
    assert f"row 11 (line {11 if suffix == 'jsonl' else 12})" in said
    assert f"{hashlib.sha256(target.read_bytes()).hexdigest()}  {target}" in said
    assert sorted(file.name for file in tmp_path.iterdir()) == [source.name, target.name]


def test_intervals_are_written_and_kept(starred_model: Path, tmp_path: Path) -> None:
    source = write_table(tmp_path / "in.csv", 12)
    target = tmp_path / "out.csv"

    rate(source, target, "--keep")

    with open_table(target) as table:
        rated = [row.cells for row in table.rows() if row.cells["label"]]
    kept = {prediction.text: prediction for prediction in Prediction.objects.all()}
    assert len(rated) == len(kept) == 11
    for row in rated:
        assert 1 <= int(row["rating_low"]) <= int(row["rating"]) <= int(row["rating_high"]) <= 10
        interval = int(row["rating_low"]), int(row["rating_high"])
        assert kept[row["text"]].rating_interval == interval


def test_the_ratings_are_shown_as_bars(served_model: Path, tmp_path: Path) -> None:
    said = rate(write_table(tmp_path / "in.csv", 20), tmp_path / "out.csv")
    bars = {
        int(line.split()[0]): line.count("#")
        for line in said.splitlines()
        if line[:4].strip().isdigit()
    }
    assert set(bars) == set(range(1, 11))
    assert max(bars.values()) == command.BAR


def test_a_terminal_sees_how_far_it_is(
    served_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "PROGRESS_SECONDS", 0)
    source = write_table(tmp_path / "in.csv", 3 * CHUNK_ROWS)
    said = rate(source, tmp_path / "out.csv", out=Terminal())
    assert f"\r{CHUNK_ROWS} of {3 * CHUNK_ROWS} rows, " in said
    assert "rows/s, 0:00:0" in said
    assert "\r" not in rate(source, tmp_path / "two.csv")


def test_a_column_that_is_not_clear_must_be_named(served_model: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("pros,cons\nwarm and funny,long and noisy\n")
    with pytest.raises(CommandError, match=r"pros, cons.*--text-column"):
        rate(source, tmp_path / "out.csv")
    with pytest.raises(CommandError, match="Choose one of: pros, cons"):
        rate(source, tmp_path / "out.csv", "--text-column", "text")
    assert "1 rated" in rate(source, tmp_path / "out.csv", "--text-column", "cons")


def test_files_that_would_be_lost_are_not_touched(served_model: Path, tmp_path: Path) -> None:
    source = write_table(tmp_path / "in.csv", 3)
    target = tmp_path / "out.csv"
    target.write_text("mine")
    os.link(source, tmp_path / "same.csv")
    for given, reason in (
        ((source, target), "--force"),
        ((source, source, "--force"), "the same"),
        ((source, tmp_path / "same.csv", "--force"), "the same"),
        ((source, tmp_path / "out.xlsx"), "format of IN"),
        ((source, tmp_path / "no" / "out.csv"), "folder must exist"),
        ((tmp_path / "no.csv", target), "there is none"),
    ):
        with pytest.raises(CommandError, match=reason):
            rate(*given)
    assert target.read_text() == "mine"
    rate(source, target, "--force")
    assert target.read_text() != "mine"


def test_without_a_model_there_is_a_clear_error_and_nothing_is_left(
    no_model: Path, tmp_path: Path
) -> None:
    source = write_table(tmp_path / "in.csv", 3)
    with pytest.raises(CommandError, match="must exist"):
        rate(source, tmp_path / "out.csv")
    assert list(tmp_path.iterdir()) == [source]


def test_a_full_disk_leaves_no_half_result_and_the_next_start_goes_on(
    served_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = write_table(tmp_path / "in.csv", 2 * CHUNK_ROWS), tmp_path / "out.csv"

    def full(table: Any, ratings: Any, out: Any) -> Any:
        out.write(b"id,text")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(command, "write_result", full)
        with pytest.raises(CommandError, match=r"No space left on device\. Free some"):
            rate(source, target)
    parts = tmp_path / "out.csv.parts"
    assert not target.exists()
    assert not (parts / "result").exists()

    counted = Counted(monkeypatch)
    rate(source, target)
    assert counted.calls == 0
    assert ids(target) == ids(source)
    assert not parts.exists()


def test_it_goes_on_where_it_was_stopped(
    served_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = write_table(tmp_path / "in.csv", 4 * CHUNK_ROWS), tmp_path / "out.csv"
    counted = Counted(monkeypatch, stop_after=3)
    with pytest.raises(KeyboardInterrupt):
        rate(source, target)
    counted.stop_after = None
    rate(source, target)
    assert counted.calls == 4
    assert ids(target) == ids(source)


@pytest.mark.parametrize(
    "change",
    [
        lambda source, settings: source.write_text(source.read_text().replace("film", "book")),
        lambda source, settings: setattr(settings, "CLASSIFIER_MAX_CHARS", 50),
    ],
    ids=["input", "limit"],
)
def test_it_starts_anew_where_the_parts_are_of_something_else(
    served_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
    change: Callable[[Path, Settings], Any],
) -> None:
    source, target = write_table(tmp_path / "in.csv", 4 * CHUNK_ROWS), tmp_path / "out.csv"
    counted = Counted(monkeypatch, stop_after=3)
    with pytest.raises(KeyboardInterrupt):
        rate(source, target)
    change(source, settings)
    counted.stop_after = None
    rate(source, target)
    assert counted.calls == 3 + 4


def test_a_part_that_is_spoilt_is_rated_again(
    served_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = write_table(tmp_path / "in.csv", 4 * CHUNK_ROWS), tmp_path / "out.csv"
    counted = Counted(monkeypatch, stop_after=3)
    with pytest.raises(KeyboardInterrupt):
        rate(source, target)
    parts = tmp_path / "out.csv.parts"
    cut = ratings_file(parts, 2)
    cut.write_bytes(cut.read_bytes()[:-7])
    ratings_file(parts, 3).write_bytes(ratings_file(parts, 1).read_bytes()[:0])
    counted.stop_after = None
    rate(source, target)
    assert counted.calls == 3 + 3


def test_a_folder_of_other_things_and_one_in_use_are_left_alone(
    served_model: Path, tmp_path: Path
) -> None:
    source, target = write_table(tmp_path / "in.csv", 3), tmp_path / "out.csv"
    folder = tmp_path / "out.csv.parts"
    folder.mkdir()
    (folder / "thesis.tex").write_text("mine")
    with pytest.raises(CommandError, match=r"thesis\.tex"):
        rate(source, target)
    assert (folder / "thesis.tex").read_text() == "mine"
    (folder / "thesis.tex").unlink()
    with Parts.open(folder, {}), pytest.raises(CommandError, match="another is at work"):
        rate(source, target)


def test_kept_texts_are_predictions_once_however_often_it_is_started(
    served_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = write_table(tmp_path / "in.csv", 3 * CHUNK_ROWS), tmp_path / "out.csv"
    marked: list[int] = []

    def stop(parts: Parts, number: int) -> None:
        if number == 2:
            raise KeyboardInterrupt  # its predictions are in, the note that they are is not
        marked.append(number)

    with monkeypatch.context() as patched:
        patched.setattr(Parts, "mark_kept", stop)
        with pytest.raises(KeyboardInterrupt):
            rate(source, target, "--keep")
    assert Prediction.objects.count() == 2 * CHUNK_ROWS
    rate(source, target, "--keep")
    rate(source, target, "--keep", "--force")
    kept = Prediction.objects.all()
    assert len(kept) == 3 * CHUNK_ROWS - 1
    assert {one.source for one in kept} == {"bulk"}
    assert isinstance(kept[0].pk, uuid.UUID)
    assert marked == [1]


def test_without_keep_nothing_is_kept(served_model: Path, tmp_path: Path) -> None:
    rate(write_table(tmp_path / "in.csv", 5), tmp_path / "out.csv")
    assert not Prediction.objects.exists()


class Started:
    """The command in a process of its own, as a user starts it."""

    def __init__(self, model: Path, var: Path, *arguments: Any) -> None:
        environment = {
            **os.environ,
            "VAR_DIR": str(var),
            "CLASSIFIER_MODEL": str(model),
            "DJANGO_SETTINGS_MODULE": "reviewsite.settings",
        }
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "rate_file", *map(str, arguments)],
            cwd=REPOSITORY,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def end(self) -> str:
        said, _ = self.process.communicate(timeout=180)
        return said


def test_a_kill_costs_one_chunk_at_most_and_every_row_is_there_once(
    exported_model_dir: Path, tmp_path: Path
) -> None:
    count = 24 * CHUNK_ROWS
    source, target = write_table(tmp_path / "in.csv", count), tmp_path / "out.csv"
    parts = tmp_path / "out.csv.parts"
    killed = Started(exported_model_dir, tmp_path, source, target)
    deadline = time.monotonic() + 120
    while len(list(parts.glob("*.ratings"))) < 2:
        assert killed.process.poll() is None, killed.end()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    killed.process.send_signal(signal.SIGKILL)
    killed.end()
    done = {file.name: file.stat().st_mtime_ns for file in parts.glob("*.ratings")}
    assert 2 <= len(done) < 24
    assert not target.exists()
    assert json.loads((parts / MANIFEST).read_text())["text_column"] == "text"

    again = Started(exported_model_dir, tmp_path, source, target)
    seen: dict[str, int] = {}
    while again.process.poll() is None:
        for file in parts.glob("*.ratings"):
            try:
                seen[file.name] = file.stat().st_mtime_ns
            except FileNotFoundError:  # the command has ended
                break
        time.sleep(0.005)
    said = again.end()
    assert again.process.returncode == 0, said
    # What was finished is not written again; only the one that was in hands is rated twice.
    assert {name: seen[name] for name in done} == done
    assert Counter(ids(target)) == Counter(str(row) for row in range(1, count + 1))
    assert f"{count:,} rows: {count - 1:,} rated, 1 bad" in said
    assert not parts.exists()


def test_ray_gives_the_same_bytes(served_graph: Path, tmp_path: Path) -> None:
    if importlib.util.find_spec("ray") is None:
        missing("SERVICES", "Ray is not installed: pip install -r requirements-ray.txt")
    source = write_table(tmp_path / "in.csv", 3 * CHUNK_ROWS)
    rate(source, tmp_path / "local.csv")
    by_ray = Started(
        served_graph, tmp_path, source, tmp_path / "ray.csv", "--engine", "ray", "--workers", 2
    )
    said = by_ray.end()
    assert by_ray.process.returncode == 0, said
    assert (tmp_path / "ray.csv").read_bytes() == (tmp_path / "local.csv").read_bytes()
    assert not (tmp_path / "ray.csv.parts").exists()


def test_ray_loads_the_version_that_is_active(
    served_model: Path, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MODELS_DIR = tmp_path / "models"
    other = shutil.copytree(served_model, tmp_path / "other")
    version = register(other)
    activate(version, actor=None, reason="A test.")
    shutil.rmtree(other)
    holder.reset()
    made: list[Any] = []

    def engine(load: str, arguments: dict[str, Any], **options: Any) -> None:
        made.append((pkgutil.resolve_name(load)(**arguments), options["model"]))
        raise CommandError("far enough")

    monkeypatch.setattr(command, "RayEngine", engine)
    with pytest.raises(CommandError, match="far enough"):
        rate(write_table(tmp_path / "in.csv", 3), tmp_path / "out.csv", "--engine", "ray")

    [(loaded, asked)] = made
    assert f"{loaded.name}@{loaded.revision}" == asked == str(version)


def test_without_ray_the_error_says_how_to_get_it(
    served_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(CommandError, match=r"requirements-ray\.txt"):
        rate(write_table(tmp_path / "in.csv", 3), tmp_path / "out.csv", "--engine", "ray")


def test_chunks_of_the_command_are_those_of_the_limits(tmp_path: Path, settings: Settings) -> None:
    source = write_table(tmp_path / "in.csv", CHUNK_ROWS + 1)
    with open_table(source) as table:
        ours = list(command._chunks(table, "text"))
        theirs = list(chunks(table.rows(), "text", max_chars=settings.CLASSIFIER_MAX_CHARS))
    assert ours == theirs
    assert len(ours) == 2


def test_the_model_reads_no_more_characters_than_it_should(
    served_model: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CLASSIFIER_READ_CHARS = 10
    predictor = holder.get()
    seen: list[list[str]] = []
    monkeypatch.setattr(predictor, "classify", seen.append)
    command._classify(["good " * 10])
    assert seen == [["good good "]]
