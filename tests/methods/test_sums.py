"""Pixels summed over regions: everything is in a region, once, and the errors of sampled sums hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

import zoo
from seewhy.errors import UnknownName, UsageError
from seewhy.methods import Explanation, Method, find_method
from seewhy.methods.sums import SummedOverRegions, region_sums
from seewhy.models import Target, black_box
from seewhy.verbs.explain import Request

SUMMED = {
    "integrated-gradients": {"steps": 4, "most_steps": 4},
    "idgi": {"steps": 4, "most_steps": 4},
    "expected-gradients": {"samples": 8},
    "deep-lift": {},
    "deep-shap": {"background": "black"},
    "lrp": {},
    "blur-ig": {"steps": 4},
    "guided-ig": {"steps": 4},
}


def explained(name: str, seed: int = 0, network: str = "residual", **settings: Any) -> Explanation:
    generator = torch.Generator().manual_seed(seed)
    method = find_method(name, **SUMMED.get(name, {}), **settings)
    return method(zoo.classifier(network), zoo.photos(1), [[Target(1)]], generator=generator)[0]


def test_these_are_all_of_them():
    mine = {each.name for each in Method.registry.all() if issubclass(each, SummedOverRegions)}
    assert mine == {*SUMMED, "attn-lrp"}


@pytest.mark.parametrize("name", SUMMED)
def test_every_pixel_is_in_one_sum(name):
    found = explained(name, regions="grid:3")
    assert found.regions is not None
    sums = np.bincount(found.regions.labels.ravel(), found.values.ravel().astype(float))
    np.testing.assert_allclose(found.regions.weights, sums, rtol=1e-4, atol=1e-6 * np.abs(found.values).sum())
    assert np.array_equal(found.values, explained(name, regions="slic:5").values)


def test_the_sums_at_a_layer_are_those_of_its_cells():
    classifier = zoo.classifier("residual")
    found = explained("deep-lift", layers=(classifier.default_layer,), regions="grid:3")
    assert found.regions is not None
    seen = classifier.preprocessing.pixels(zoo.photos(1))
    whole, black = classifier.logits(classifier.preprocessing.normalize(torch.cat([seen, 0 * seen])))[:, 1].tolist()
    assert found.regions.weights.sum() == pytest.approx(whole - black, rel=1e-3)
    assert abs(found.values.sum()) > 2 * abs(whole - black)  # which is enlarged, so that it adds up to more


@pytest.mark.parametrize("size", [(2, 3), (5, 7), (12, 12), (1, 1)])
def test_a_coarse_map_is_shared_out_without_a_rest(size):
    maps = torch.from_numpy(np.random.default_rng(0).standard_normal((3, *size)))
    labels = np.arange(12 * 12).reshape(12, 12) % 7
    np.testing.assert_allclose(region_sums(maps, labels).sum(1), maps.sum((1, 2)), rtol=1e-12)


def test_a_region_that_is_a_cell_has_what_the_cell_has():
    maps = torch.arange(4.0).view(1, 2, 2)
    labels = interpolate(maps[None], (6, 8), mode="nearest")[0, 0].numpy().astype(int)
    assert region_sums(maps, labels).tolist() == [[0, 1, 2, 3]]


def test_the_errors_of_sampled_sums_hold():
    """Against many samples, 95 of 100 intervals hold the sum, of seeds and regions."""
    settings = {"background": "samples", "regions": "grid:3"}
    truth = explained_with("expected-gradients", 99, samples=2000, tolerance=0.0, **settings)
    inside: list[bool] = []
    for seed in range(8):
        found = explained_with("expected-gradients", seed, samples=140, tolerance=0.0, **settings)
        inside += (np.abs(found.weights - truth.weights) <= 1.96 * found.errors).tolist()
    assert np.mean(inside) > 0.85


def explained_with(name: str, seed: int, **settings: Any) -> Any:
    generator = torch.Generator().manual_seed(seed)
    method = find_method(name, **settings)
    return method(zoo.classifier("residual"), zoo.photos(1), [[Target(1)]], generator=generator)[0].regions


def test_what_cannot_be_is_refused():
    with pytest.raises(UnknownName, match="slic"):
        find_method("lrp", regions="slick")
    with pytest.raises(UnknownName, match="auto"):
        find_method("integrated-gradients", regions="auto")
    with pytest.raises(UsageError, match="from 2 to 1,000"):
        find_method("deep-lift", regions="slic:1")
    box = black_box(lambda batch: np.full((len(batch), 2), 0.5), size=(16, 16))
    with pytest.raises(UsageError, match="gradients"):
        Request.of(box, ["lrp"], regions="network")


def test_a_score_of_which_little_reaches_the_pixels_is_told():
    found = explained("lrp", rules="epsilon")
    kept = found.checks["relevance_kept"]
    assert any(f"Only {kept:.0%} of the score" in note for note in found.notes) is (0 <= kept < 0.5)
    assert any(f"adds up to {kept:.0%} of the score" in note for note in found.notes) is (not 0 <= kept <= 2)
