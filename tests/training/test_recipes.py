import tomllib

import pytest

from training.config import ConfigError
from training.recipes import DIRECTORY, load_recipe, recipe_description, recipe_names


@pytest.mark.parametrize("recipe", recipe_names())
def test_each_recipe_is_valid_and_every_value_of_it_arrives(recipe: str) -> None:
    resolved = load_recipe(recipe).to_sections()
    for section, values in tomllib.loads((DIRECTORY / f"{recipe}.toml").read_text()).items():
        assert resolved[section] | values == resolved[section]


@pytest.mark.parametrize("recipe", recipe_names())
def test_each_recipe_says_what_it_is_for(recipe: str) -> None:
    assert recipe_description(recipe).endswith(".")
    assert "#" not in recipe_description(recipe)


def test_a_flag_overrides_the_recipe() -> None:
    assert load_recipe("starter", {"epochs": 1.0}).training.epochs == 1.0


def test_an_unknown_recipe_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"starter.*'begin'"):
        load_recipe("begin")
