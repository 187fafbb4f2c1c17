"""The grid pointing game, on a network that answers by colours."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from seewhy.errors import UsageError
from seewhy.images import from_values
from seewhy.metrics.mosaics import grid_pointing_game, mosaic
from seewhy.models import Classifier, Preprocessing

COLOURS = np.array([[200, 20, 20], [20, 200, 20], [20, 20, 200], [190, 190, 20]], np.uint8)


@pytest.fixture(scope="module")
def colours():
    """A class for each of the four colours, by how much of it there is anywhere."""
    body = nn.Conv2d(3, 4, 1)
    with torch.no_grad():
        body.weight.copy_(torch.tensor([[1.0, -1, -1], [-1, 1, -1], [-1, -1, 1], [0.7, 0.7, -1]])[..., None, None])
        body.bias.copy_(torch.tensor([-0.3, -0.3, -0.3, -0.8]))
    network = nn.Sequential(body, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    return Classifier.from_module(network, Preprocessing((32, 32), mean=(0, 0, 0), std=(1, 1, 1)), [*"rgby"], "colours")


def photos(order=(0, 1, 2, 3)):
    return [from_values(np.broadcast_to(COLOURS[place], (32, 32, 3)), f"{place}.png") for place in order]


def test_a_mosaic_is_made_of_means():
    pictures = np.random.default_rng(0).random((4, 6, 8, 3))
    found = mosaic(pictures)
    assert found.shape == (6, 8, 3)
    np.testing.assert_allclose(found[0, 0], pictures[0, :2, :2].mean((0, 1)))
    np.testing.assert_allclose(found[2, 5], pictures[1, 4:, 2:4].mean((0, 1)))
    np.testing.assert_allclose(found[3, 0], pictures[2, :2, :2].mean((0, 1)))


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 0, 1, 2)])
def test_a_map_that_asks_for_the_class_falls_on_its_photo(colours, order):
    for method in ("occlusion", "input-x-gradient"):
        assert grid_pointing_game(colours, photos(order), method).min() > 0.9


def test_what_one_map_for_all_classes_gains_on_one_photo_it_loses_on_others(colours):
    found = grid_pointing_game(colours, photos(), "control:sobel")
    assert found.sum() == pytest.approx(1)
    assert found.max() < 0.5


def test_what_is_no_mosaic_is_refused(colours):
    with pytest.raises(UsageError, match="4, 9, 16 or more pictures in a square, not 3"):
        grid_pointing_game(colours, photos()[:3], "occlusion")
    with pytest.raises(UsageError, match="of one class to the network"):
        grid_pointing_game(colours, photos((0, 1, 2, 2)), "occlusion")
