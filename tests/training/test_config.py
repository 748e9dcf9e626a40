from typing import Any

import pytest

from training.config import ConfigError, FinetuningConfig, with_overrides


def config(**overrides: Any) -> FinetuningConfig:
    return FinetuningConfig.from_sections(
        with_overrides({}, {"dataset": "reviews.csv"} | overrides)
    )


def test_a_data_set_is_all_that_must_be_given() -> None:
    assert config().data.dataset == "reviews.csv"


def test_without_a_data_set_the_error_names_the_flag() -> None:
    with pytest.raises(ConfigError, match="--dataset"):
        FinetuningConfig.from_sections({})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("validation_fraction", 0.0),
        ("test_fraction", 1.0),
        ("train_rows", -1),
        ("replay_dataset", "imdb"),
        ("replay_per_verdict", 0.0),
        ("group_table", "groups.csv"),
        ("lora_rank", 0),
        ("lora_alpha", 0),
        ("dropout", 1.0),
        ("max_length", 4),
        ("method", "prefix"),
        ("long_texts", "middle"),
        ("epochs", 0),
        ("learning_rate", 2.0),
        ("batch_size", 0),
        ("weight_decay", -0.1),
        ("warmup_fraction", 1.0),
        ("scheduler", "cosin"),
        ("precision", "fp8"),
        ("evaluations_per_epoch", 0),
        ("seed", -1),
        ("rating", "confidence"),
        ("rating_interval", 1.0),
    ],
)
def test_a_broken_rule_is_named_with_the_value(field: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=field) as raised:
        config(**{field: value})
    assert repr(value) in str(raised.value)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"dataset": "imdb"}, "mixed with dataset=reviewed alone"),
        ({"replay_dataset": "reviewed"}, "another data set than the verdicts"),
        ({"text_pair_column": "passage"}, "no text_pair_column, but it is 'passage'"),
    ],
)
def test_what_cannot_be_replayed_is_refused(values: dict[str, str], said: str) -> None:
    given = {"dataset": "reviewed", "replay_dataset": "imdb"}
    assert config(**given).data.replay_dataset == "imdb"
    with pytest.raises(ConfigError, match=said):
        config(**(given | values))


@pytest.mark.parametrize(("field", "value"), [("epochs", "2"), ("batch_size", 1.5), ("seed", True)])
def test_a_wrong_type_is_refused(field: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"{field} must be of type"):
        config(**{field: value})


def test_an_unknown_key_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"learning_rate.*'lr'"):
        FinetuningConfig.from_sections({"data": {"dataset": "x"}, "training": {"lr": 1e-4}})


def test_an_unknown_section_is_refused() -> None:
    with pytest.raises(ConfigError, match="optimizer"):
        FinetuningConfig.from_sections({"data": {"dataset": "x"}, "optimizer": {}})


def test_sections_survive_a_round_trip() -> None:
    assert FinetuningConfig.from_sections(config().to_sections()) == config()
