"""How much of a map is about its class: the numbers by hand, and that asking changes no map."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import seewhy
import zoo
from seewhy.methods import Explanation, Method, find_method, list_methods
from seewhy.methods.other_classes import (
    CHECK,
    OTHERS,
    class_specific,
    class_words,
    likely_others,
    mean_of_others,
    specific_part,
)
from seewhy.models import Classifier, Preprocessing, Target

RANDOM = np.random.default_rng(0)
QUICK: dict[str, dict[str, Any]] = {
    "rise": {"masks": 40},
    "occlusion": {"size": 0.5, "stride": 0.25},
    "sobol": {"cells": 3, "designs": 8},
    "hsic": {"cells": 3, "masks": 40},
    "lime": {"samples": 120, "precision": "float32"},
    "lime-classic": {"samples": 60, "precision": "float32"},
    "kernel-shap": {"samples": 120, "precision": "float32"},
    "permutation-shap": {"samples": 120, "precision": "float32"},
    "integrated-gradients": {"most_steps": 32},
    "expected-gradients": {"samples": 70},
    "blur-ig": {"steps": 8},
    "ss-cam": {"samples": 2},
    "is-cam": {"samples": 2},
}
COMPARING = [
    each.name for each in list_methods() if each.others and not {*each.needs} & {"attention"} and not each.required
]


ONE = ((Target(1),),)


def explained(name: str, *, compared: bool, targets: Any = ONE) -> list[Explanation]:
    method = find_method(name, **QUICK.get(name, {}))
    generator = torch.Generator().manual_seed(0)
    images = zoo.photos(len(targets))
    return method(zoo.classifier("residual"), images, targets, generator=generator, compared=compared)


def test_the_number_is_one_less_the_correlation():
    own, others = RANDOM.random((2, 8, 9))
    assert class_specific(own, others) == pytest.approx(1 - np.corrcoef(own.ravel(), others.ravel())[0, 1])
    assert class_specific(own, 3 * own + 2) == pytest.approx(0)
    assert class_specific(own, -own) == pytest.approx(2)
    assert class_specific(own, np.full((8, 9), 0.1)) is None


def test_what_is_left_has_nothing_in_common_with_the_others():
    own, others = RANDOM.random((2, 8, 9)).astype("f4")
    left = specific_part(own + 2 * others, others)
    assert abs(np.corrcoef(left.ravel(), others.ravel())[0, 1]) < 1e-6
    np.testing.assert_allclose(left, specific_part(own, others), atol=1e-5)
    assert not specific_part(others, others).round(5).any()


def test_which_others_are_asked():
    likeliest = [7, 3, 1, 5, 2, 0]
    assert likely_others([Target(3)], likeliest, "each") == [Target(7), Target(1), Target(5), Target(2)]
    assert likely_others([Target(3)], likeliest, "sum") == [Target(7, also=(1, 5, 2))]
    assert likely_others([Target(3, against=7)], likeliest, "each") == [Target(1), Target(5), Target(2), Target(0)]
    assert likely_others([Target(each) for each in likeliest[:5]], likeliest, "each") == []
    assert likely_others([Target(3)], likeliest, "") == []


def test_the_mean_leaves_out_what_the_target_is_about():
    maps = [np.full((2, 2), float(each)) for each in range(4)]
    asked = [Target(0), Target(1, against=0), Target(2), Target(3, also=(4, 5))]
    assert mean_of_others(asked[0], asked, maps).tolist() == np.full((2, 2), (2 + 3) / (1 + 3)).tolist()
    assert mean_of_others(asked[2], asked, maps).tolist() == np.full((2, 2), 3 / 4).tolist()
    assert mean_of_others(Target(0), [Target(0)], maps[:1]) is None


@pytest.mark.parametrize("name", COMPARING)
def test_asking_about_others_changes_no_map_and_takes_no_forward(name):
    (plain,), (found,) = (explained(name, compared=compared) for compared in (False, True))
    # Sums of several rows at once may round in another order.
    np.testing.assert_allclose(found.values, plain.values, rtol=1e-4, atol=1e-5 * np.abs(plain.values).max())
    assert found.cost.forwards == plain.cost.forwards
    assert found.cost.backwards <= 2 * plain.cost.backwards
    assert plain.others is None
    assert CHECK not in plain.checks or Method.registry[name].class_blind
    if not Method.registry[name].class_blind:
        assert found.others is not None
        wanted = class_specific(found.values, found.others)
        assert found.checks.get(CHECK) == (None if wanted is None else pytest.approx(wanted, abs=1e-5))


@pytest.mark.parametrize("name", ["grad-cam", "lrp", "occlusion", "deep-lift"])
def test_the_map_of_others_is_the_mean_of_their_maps(name):
    (found,) = explained(name, compared=True)
    classes = zoo.classifier("residual").logits(zoo.classifier("residual").preprocess(zoo.photos(1))).shape[1]
    likeliest = zoo.classifier("residual").probabilities(zoo.photos(1))[0].argsort(descending=True).tolist()
    asked = [index for index in likeliest if index != 1][:OTHERS]
    assert 2 <= len(asked) <= classes - 1
    maps = [explained(name, compared=False, targets=((Target(index),),))[0].values for index in asked]
    np.testing.assert_allclose(found.others, np.mean(maps, 0), atol=1e-5 * np.abs(maps).max())


def test_every_picture_target_and_layer_has_its_own():
    rows = ((Target(0), Target(1)), (Target(2), Target(0)))
    found = explained("grad-cam", compared=True, targets=rows)
    assert [each.target.index for each in found] == [0, 1, 2, 0]
    alone = [explained("grad-cam", compared=True, targets=rows[:1])[place] for place in (0, 1)]
    for mine, other in zip(found, alone, strict=False):
        np.testing.assert_allclose(mine.others, other.others, atol=1e-6)


def test_it_is_told_saved_and_read_back(tmp_path):
    found = seewhy.explain(zoo.classifier("residual"), zoo.photos(1)[0], "grad-cam")
    again = Explanation.load(found.save(tmp_path / "it"))
    np.testing.assert_array_equal(again.others, found.others)
    np.testing.assert_array_equal(again.specific, found.specific)
    assert again.checks[CHECK] == found.checks[CHECK] == pytest.approx(class_specific(found.values, found.others))
    page = " ".join(seewhy.verbs.explanations.Explanations([found]).page().split())
    assert class_words(found.checks) in page
    assert "What is about this class alone" in page
    older = replace(found, others=None)
    assert older.specific is None
    assert Explanation.load(older.save(tmp_path / "older")).others is None


def test_a_method_that_is_blind_to_classes_says_so():
    found = seewhy.explain(zoo.classifier("residual"), zoo.photos(1)[0], "eigen-cam")
    assert found.checks[CHECK] == 0
    assert "the same map for every class" in seewhy.verbs.explanations.Explanations([found]).page()


def test_in_words():
    assert "Hardly anything" in class_words({CHECK: 0.04})
    assert class_words({CHECK: 0.8}).startswith("From the mean map of other likely classes it differs by 0.80")
    assert class_words({}) == ""


@pytest.mark.parametrize("name", ["kernel-shap", "permutation-shap"])
def test_of_so_few_regions_that_all_is_asked_other_classes_are_told_too(name):
    """Such a picture is cut into fewer regions than any larger one, and all their coalitions are soon asked."""
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(18, 3))
    small, generator = Classifier.from_module(network, Preprocessing((3, 2))), torch.Generator().manual_seed(0)
    (found,) = find_method(name)(small, zoo.photos(1), ONE, generator=generator, compared=True)
    assert found.others is not None
