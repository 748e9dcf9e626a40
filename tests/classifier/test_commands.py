import json
import shutil
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from classifier.management.commands.predict import CHUNK
from classifier.models import Prediction
from classifier.starter import installer

pytestmark = pytest.mark.django_db


class Said:
    """What a command wrote, and the error it ended with."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        out, err = StringIO(), StringIO()
        self.error = ""
        try:
            call_command(*arguments, stdout=out, stderr=err, no_color=True, **options)
        except CommandError as error:
            self.error = str(error)
        self.lines = out.getvalue().splitlines()
        self.complaints = err.getvalue().splitlines()


def predict(*arguments: Any) -> Said:
    return Said("predict", *map(str, arguments))


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    return tmp_path / "reviews.txt"


def test_a_text_is_rated_on_one_line_and_kept(served_model: Path) -> None:
    said = predict("a lovely film")

    kept = Prediction.objects.get()
    assert said.error == ""
    assert said.lines == [f"{kept.rating:2}/10  POSITIVE  {kept.score:.3f}  a lovely film"]
    assert kept.source == "command"
    assert kept.text == "a lovely film"


def test_an_interval_stands_beside_the_rating(starred_model: Path) -> None:
    said = predict("a lovely film")

    kept = Prediction.objects.get()
    between = f"{kept.rating_low} to {kept.rating_high}"
    assert said.lines[0].startswith(f"{kept.rating:2}/10 ({between})  POSITIVE  ")


def test_a_long_text_is_shown_by_its_beginning(served_model: Path) -> None:
    said = predict("a lovely\nfilm " * 20)

    assert len(said.lines) == 1
    assert said.lines[0].endswith("  " + ("a lovely film " * 5)[:60])


def test_a_text_that_cannot_be_rated_ends_in_an_error(served_model: Path) -> None:
    said = predict("   ")

    assert said.error == "1 of 1 texts could not be rated."
    assert "at least one character" in said.complaints[0]


def test_a_file_is_rated_line_by_line_in_its_order(served_model: Path, reviews: Path) -> None:
    reviews.write_text("superb joy\nawful bore\n", encoding="utf-8")

    said = predict("--file", reviews)

    assert said.error == ""
    assert [line.split()[-2:] for line in said.lines] == [["superb", "joy"], ["awful", "bore"]]


def test_a_file_of_several_chunks_is_rated_whole(served_model: Path, reviews: Path) -> None:
    texts = [f"a good film {number}" for number in range(2 * CHUNK + 3)]
    reviews.write_text("\n".join(texts), encoding="utf-8")

    said = predict("--file", reviews)

    assert [line.split("  ")[-1] for line in said.lines] == texts


def test_bad_lines_are_named_by_number_and_the_rest_is_rated(
    served_model: Path, reviews: Path
) -> None:
    reviews.write_text("good\n\nbad\n  \nwith \0 in it\nsuperb\n", encoding="utf-8")

    said = predict("--file", reviews)

    assert [line.split()[-1] for line in said.lines] == ["good", "bad", "superb"]
    assert [line.split(":")[0] for line in said.complaints] == ["line 2", "line 4", "line 5"]
    assert said.error == "3 of 6 texts could not be rated."
    assert Prediction.objects.count() == 3


def test_only_line_feeds_end_a_line(served_model: Path, reviews: Path) -> None:
    reviews.write_bytes("a good\u0085film\u2028it was\x0bsuperb\r\nbad\r\n".encode())

    said = predict("--file", reviews)

    assert len(said.lines) == 2
    assert set(Prediction.objects.values_list("text", flat=True)) == {
        "a good\u0085film\u2028it was\x0bsuperb",
        "bad",
    }


def test_a_byte_order_mark_is_no_part_of_the_first_review(
    served_model: Path, reviews: Path
) -> None:
    reviews.write_text("good\n", encoding="utf-8-sig")

    predict("--file", reviews)

    assert Prediction.objects.get().text == "good"


def test_json_lines_have_the_fields_of_the_api(served_model: Path, reviews: Path) -> None:
    reviews.write_text("superb\nawful\n", encoding="utf-8")

    said = predict("--file", reviews, "--json")

    answers = [json.loads(line) for line in said.lines]
    assert [answer["label"] for answer in answers] == ["POSITIVE", "NEGATIVE"]
    assert list(answers[0]) == [
        "id",
        "label",
        "score",
        "positive_probability",
        "rating",
        "rating_interval",
        "probabilities",
        "model",
        "truncated",
        "language",
        "explanation",
    ]
    assert {answer["id"] for answer in answers} == {
        str(pk) for pk in Prediction.objects.values_list("pk", flat=True)
    }


def test_an_empty_file_has_one_line_that_cannot_be_rated(served_model: Path, reviews: Path) -> None:
    reviews.touch()

    said = predict("--file", reviews)

    assert said.lines == []
    assert said.error == "1 of 1 texts could not be rated."


def test_a_missing_file_is_named(served_model: Path, reviews: Path) -> None:
    said = predict("--file", reviews)

    assert "--file must be a readable text file in UTF-8" in said.error
    assert str(reviews) in said.error


def test_a_file_in_another_encoding_is_refused_with_the_remedy(
    served_model: Path, reviews: Path
) -> None:
    reviews.write_text("good\ncafé\n", encoding="latin-1")

    said = predict("--file", reviews)

    assert "can't decode byte 0xe9" in said.error
    assert "Convert it." in said.error
    assert not Prediction.objects.exists()


def test_a_folder_is_no_file(served_model: Path, tmp_path: Path) -> None:
    assert "--file must be a readable text file" in predict("--file", tmp_path).error


def test_without_a_model_the_command_says_what_mends_it(no_model: Path) -> None:
    said = predict("good")

    assert "there is no model" in said.error
    assert "Set CLASSIFIER_MODEL" in said.error
    assert said.lines == []


@pytest.mark.parametrize("arguments", [(), ("good", "--file", "reviews.txt")])
def test_either_a_text_or_a_file_is_asked_for(arguments: tuple[str, ...]) -> None:
    assert "argument" in predict(*arguments).error


@pytest.fixture
def installed_starter(
    exported_model_dir: Path, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """An adapter whose model has been installed."""
    (tmp_path / "adapter_model.safetensors").write_bytes(b"an adapter")
    monkeypatch.setattr(installer, "ADAPTER", tmp_path)
    settings.MODELS_DIR = tmp_path / "models"
    return Path(shutil.copytree(exported_model_dir, installer.directory(settings.MODELS_DIR)))


def test_an_installed_starter_is_not_installed_again(installed_starter: Path) -> None:
    assert Said("install_starter").lines == []
    assert Said("install_starter", verbosity=2).lines == [
        f"The starter model is in {installed_starter}"
    ]


def test_a_starter_without_its_adapter_says_how_to_restore_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installer, "ADAPTER", tmp_path)

    assert "git checkout -- classifier/starter" in Said("install_starter").error


def test_prepare_installs_the_starter_and_says_where_to_click(
    installed_starter: Path, settings: Settings, tmp_path: Path
) -> None:
    settings.STATIC_ROOT = tmp_path / "static"

    said = Said("prepare")

    assert said.error == ""
    assert any("/api/docs" in line for line in said.lines)
    assert (tmp_path / "static" / "reviewsite" / "site.css").is_file()


def test_prepare_can_be_quiet(installed_starter: Path, settings: Settings, tmp_path: Path) -> None:
    settings.STATIC_ROOT = tmp_path / "static"

    assert Said("prepare", "--quiet").lines == []


def test_no_change_of_the_models_lacks_a_migration() -> None:
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)
