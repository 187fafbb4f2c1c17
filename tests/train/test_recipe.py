"""Recipes by name."""

from __future__ import annotations

import json

import pytest

from seewhy.errors import UnknownName, UsageError
from seewhy.models import Preprocessing
from seewhy.train.recipe import RECIPES, Recipe, find_recipe


def test_the_first_source_is_a_recipe():
    recipe = find_recipe("source1")
    assert (recipe.epochs, recipe.batch_size, recipe.learning_rate) == (10, 32, 1e-4)
    assert (recipe.head_epochs, recipe.augment, recipe.decay, recipe.patience) == (0, False, False, None)
    assert recipe.batch_statistics
    assert recipe.preprocessing == Preprocessing((224, 224), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    assert [300 * share for share in recipe.split] == pytest.approx([200, 100])


def test_settings_replace_those_of_the_name():
    assert find_recipe("default", epochs=3, augment=False, patience=None) == Recipe(epochs=3, augment=False)
    assert find_recipe("source1", learning_rate=1e-3).learning_rate == 1e-3


@pytest.mark.parametrize(
    "settings",
    [
        {"epochs": 0, "head_epochs": 0},
        {"epochs": -1},
        {"learning_rate": 0.0},
        {"split": (1.0, 0.0)},
        {"split": (0.5, 0.2)},
        {"split": (0.25, 0.25, 0.25, 0.25)},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(settings):
    with pytest.raises(UsageError):
        find_recipe("default", **settings)


def test_an_unknown_name_is_told_the_known():
    with pytest.raises(UnknownName, match="default, bcos, few-shot, source1"):
        find_recipe("best")


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_plain_json(name):
    assert json.loads(json.dumps(RECIPES[name].to_dict()))["batch_size"] == 32
