from pathlib import Path
from typing import Any

import pytest

from training.config import FinetuningConfig, with_overrides
from training.exceptions import InvalidRun
from training.runs.sources import located, require_site_sources


def config(**values: Any) -> FinetuningConfig:
    return FinetuningConfig.from_sections(with_overrides({}, {"dataset": "imdb"} | values))


@pytest.mark.parametrize(
    "value", ["imdb", "user/name", "films/2024/train.csv", "a.b-c_d", "reviewed"]
)
def test_names_and_hub_ids_are_accepted(value: str) -> None:
    require_site_sources(config(dataset=value, base_model=value))
    generated = {"generate": "p_tuning", "generator_model": value}
    require_site_sources(config(**generated))


PATHS = [
    *("/etc/passwd", "../secret", "films/../../secret", "~/data", "./data", ".hidden", "films/.x"),
    *("http://10.0.0.1/x", "https://hub/x.csv", "file:data", "hf://datasets/x", "s3://b/c"),
    *("C:\\data", "a//b", "a/", "name\nother", "name ", "imdb?x=1", "a\0b", "x" * 201, "*"),
]


@pytest.mark.parametrize("value", PATHS, ids=lambda value: value[:20])
@pytest.mark.parametrize("field", ["dataset", "replay_dataset", "base_model", "generator_model"])
def test_paths_and_addresses_are_refused(field: str, value: str) -> None:
    more = {"generator_model": {"generate": "p_tuning"}, "replay_dataset": {"dataset": "reviewed"}}
    with pytest.raises(InvalidRun) as caught:
        require_site_sources(config(**{field: value}, **more.get(field, {})))
    assert caught.value.field == field
    assert "no path or address" in caught.value.rule


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("group_table", "../users.csv"),
        ("group_table", "/etc/passwd"),
        ("group_table", "folder/users.csv"),
        ("also_train", "/etc/passwd"),
        ("also_train", "films, ../users.csv"),
        ("adapter", "../mine"),
        ("adapter", "/srv/mine"),
        ("pseudo_rows", "/srv/rows.parquet"),
        ("pseudo_rows", "folder/rows"),
        ("base_revision", "../main"),
        ("push_to_hub", "me"),
        ("push_to_hub", "me/../you"),
    ],
)
def test_other_fields_name_no_path_either(field: str, value: str) -> None:
    with pytest.raises(InvalidRun) as caught:
        require_site_sources(config(group_column="user", **{field: value}))
    assert caught.value.field == field


def test_a_name_means_what_is_under_the_sites_folders(tmp_path: Path) -> None:
    datasets, models = tmp_path / "datasets", tmp_path / "models"
    (datasets / "films").mkdir(parents=True)
    (models / "mine").mkdir(parents=True)
    found = located(
        config(dataset="films", base_model="mine"), models_dir=models, datasets_dir=datasets
    )
    assert found.data.dataset == str(datasets / "films")
    assert found.model.base_model == str(models / "mine")
    (datasets / "table.csv").touch()
    by_stem = located(config(dataset="table"), models_dir=models, datasets_dir=datasets)
    assert by_stem.data.dataset == str(datasets / "table.csv")


def test_reserved_names_and_hub_ids_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "reviewed.csv").touch()
    (tmp_path / "starter").mkdir()
    for values in (
        {"dataset": "reviewed", "base_model": "starter"},
        {"dataset": "user/data", "base_model": "user/model"},
    ):
        given = config(**values)
        assert located(given, models_dir=tmp_path, datasets_dir=tmp_path) == given


def test_rows_are_replayed_from_the_sites_folder(tmp_path: Path) -> None:
    (tmp_path / "films.csv").touch()
    given = config(dataset="reviewed", replay_dataset="films")
    found = located(given, models_dir=tmp_path, datasets_dir=tmp_path).data
    assert (found.dataset, found.replay_dataset) == ("reviewed", str(tmp_path / "films.csv"))


@pytest.mark.parametrize("field", ["dataset", "replay_dataset", "base_model"])
def test_a_file_where_the_worker_was_started_is_no_data_of_the_site(
    field: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secrets").mkdir()
    monkeypatch.chdir(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    given = config(**({"dataset": "reviewed"} | {field: "secrets"}))
    with pytest.raises(InvalidRun, match="where the worker was started"):
        located(given, models_dir=elsewhere, datasets_dir=elsewhere)
