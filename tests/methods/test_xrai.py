"""XRAI: the greedy order by a literal twin, and regions that cover the picture."""

from __future__ import annotations

import numpy as np
import torch

import zoo
from seewhy.methods import find_method
from seewhy.methods.xrai import by_density, overlapping_regions
from seewhy.models import Target


def test_regions_are_taken_in_order_of_what_they_add_for_their_size():
    values = np.array([[4.0, 4.0, 0.0], [1.0, 1.0, 0.0], [-2.0, -2.0, 0.0]])
    top, upper, left = np.zeros((3, 3), bool), np.zeros((3, 3), bool), np.zeros((3, 3), bool)
    top[0, :2], upper[:2, :2], left[:, 0] = True, True, True
    found, used = by_density(values, [left, upper, top])
    # top: 4; then upper adds two cells of 1; then left adds one cell of -2; the rest has the mean of what is left
    wanted = np.array([[4.0, 4.0, -0.5], [1.0, 1.0, -0.5], [-2.0, -0.5, -0.5]])
    np.testing.assert_allclose(found, wanted)
    assert used == 3


def test_regions_overlap_and_cover_the_picture():
    pixels = np.zeros((48, 48, 3), np.float32)
    pixels[:, 24:] = 1
    regions = overlapping_regions(pixels)
    assert np.any(regions, 0).all()
    assert np.sum(regions, 0).max() > 6, "six sizes, and their edges overlap"
    assert any(each[:, :20].all() and not each[:, 28:].any() for each in regions)


def test_its_values_are_means_of_integrated_gradients():
    classifier, targets = zoo.familiar("functional"), [[Target(1)]]
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[:, 16:] = 200
    image = type(zoo.photos(1)[0])(pixels, "halves")

    def explain(name: str, **parameters: object):
        return find_method(name, **parameters)(classifier, [image], targets, generator=torch.Generator())[0]

    found = explain("xrai", steps=8, most_steps=8)
    maps = [
        explain("integrated-gradients", background=each, steps=8, most_steps=8).values for each in ("black", "white")
    ]
    wanted, _ = by_density(np.mean(maps, 0), overlapping_regions(pixels.astype(np.float32) / 255))
    np.testing.assert_allclose(found.values, wanted, atol=1e-6)
    assert found.signed
