from pathlib import Path

import pytest
from django.core.checks import run_checks
from django.core.checks.registry import registry
from pytest_django import Settings

from classifier import checks
from classifier.predictor import holder


@pytest.mark.parametrize(
    "name", ["CLASSIFIER_READ_CHARS", "CLASSIFIER_MAX_CHARS", "CLASSIFIER_MAX_TEXTS"]
)
@pytest.mark.parametrize("value", [0, -1])
def test_a_limit_below_1_is_an_error_that_names_it(
    name: str, value: int, settings: Settings
) -> None:
    setattr(settings, name, value)

    messages = {found.msg for found in checks.limits_are_consistent()}

    assert f"{name} must be 1 or more, but it is {value}." in messages


def test_reading_more_than_is_accepted_is_an_error(settings: Settings) -> None:
    settings.CLASSIFIER_READ_CHARS = 11
    settings.CLASSIFIER_MAX_CHARS = 10

    [found] = checks.limits_are_consistent()

    assert found.id == "classifier.E002"
    assert "11 and 10" in found.msg


def test_reading_exactly_what_is_accepted_is_fine(settings: Settings) -> None:
    settings.CLASSIFIER_READ_CHARS = settings.CLASSIFIER_MAX_CHARS = 10

    assert checks.limits_are_consistent() == []


def test_the_defaults_are_fine() -> None:
    assert checks.limits_are_consistent() == []


def test_a_served_model_is_no_error_and_is_not_loaded(served_model: Path) -> None:
    assert checks.model_is_there() == []
    assert holder.loaded is None


def test_a_missing_model_is_an_error_with_its_remedy(no_model: Path) -> None:
    [found] = checks.model_is_there()

    assert found.id == "classifier.E003"
    assert str(no_model) in found.msg
    assert found.hint is not None
    assert "CLASSIFIER_MODEL" in found.hint


def test_a_base_model_is_an_error(tiny_base_dir: Path, settings: Settings) -> None:
    settings.CLASSIFIER_MODEL = str(tiny_base_dir)

    [found] = checks.model_is_there()

    assert "BertModel" in found.msg


def test_every_run_checks_the_limits_and_a_deployment_checks_the_model(
    no_model: Path, settings: Settings
) -> None:
    settings.CLASSIFIER_MAX_TEXTS = 0
    mine = {checks.limits_are_consistent, checks.model_is_there}
    assert mine <= set(registry.get_checks(include_deployment_checks=True))

    local = {found.id for found in run_checks()}
    deployed = {found.id for found in run_checks(include_deployment_checks=True)}

    assert "classifier.E001" in local & deployed
    assert "classifier.E003" in deployed - local


@pytest.mark.parametrize("name", ["CLASSIFIER_ENGINE", "CLASSIFIER_DEVICE", "CLASSIFIER_RATING"])
def test_a_choice_that_is_none_is_an_error_that_names_what_there_is(
    name: str, settings: Settings
) -> None:
    assert checks.engine_device_and_rating_are_known() == []
    setattr(settings, name, "best")

    [found] = checks.engine_device_and_rating_are_known()

    assert found.id == "classifier.E004"
    assert found.msg.startswith(f"{name} must be one of ")
