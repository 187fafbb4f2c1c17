"""Mosaics, on a network that answers by colours."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from seewhy.errors import UsageError
from seewhy.images import from_values
from seewhy.methods import find_method
from seewhy.metrics.mosaics import difull, disconnected, grid_pointing_game, mosaic, side_by_side
from seewhy.models import Classifier, Preprocessing, Target

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


def test_a_photo_apart_is_answered_as_if_it_were_alone(colours):
    pictures = np.random.default_rng(0).random((4, 3, 32, 32), np.float32)
    classes = [2, 0, 3, 1]
    apart = disconnected(colours, classes)
    whole = torch.from_numpy(side_by_side(pictures.transpose(0, 2, 3, 1)).transpose(2, 0, 1)[None].copy())
    assert whole.shape == (1, 3, 64, 64)
    # Literally: one photo after the other, and of each the score of one class.
    alone = [colours.logits(torch.from_numpy(each)[None])[0] for each in pictures]
    wanted = torch.stack([scores[place] for scores, place in zip(alone, classes, strict=True)])
    torch.testing.assert_close(apart.logits(whole)[0], wanted)


def test_a_map_of_a_photo_apart_is_that_of_the_photo_alone(colours):
    apart = disconnected(colours, [0, 1, 2, 3])
    whole = from_values(np.tile(COLOURS[0], (64, 64, 1)), "mosaic", alpha=False)
    (found,) = find_method("gradient")(apart, [whole], [[Target(2)]], generator=torch.Generator())
    (alone,) = find_method("gradient")(colours, photos([0]), [[Target(2)]], generator=torch.Generator())
    np.testing.assert_allclose(found.values[32:, :32], alone.values)
    assert not found.values[:32].any()
    assert not found.values[32:, 32:].any()


@pytest.mark.parametrize("method", ["input-x-gradient", "integrated-gradients", "deep-lift", "lrp"])
def test_nothing_falls_on_photos_that_play_no_part(colours, method):
    assert difull(colours, photos((2, 0, 0, 1)), method).min() == 1  # two photos of one class are two answers


def test_what_does_not_ask_the_network_falls_anywhere(colours):
    found = difull(colours, photos(), find_method("control:gaussian"))
    np.testing.assert_allclose(found, 0.25, atol=1e-3)


def test_methods_of_layers_have_no_grid_over_photos_apart(colours):
    with pytest.raises(UsageError, match="grad-cam needs layers"):
        difull(colours, photos(), "grad-cam")
    with pytest.raises(UsageError, match="not 3"):
        difull(colours, photos()[:3], "gradient")
