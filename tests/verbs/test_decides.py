"""What decides in one photo, on networks whose reason is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from seewhy import Classifier
from seewhy.images import Image
from seewhy.methods import Explanation
from seewhy.models import Box, Target
from seewhy.models.preprocessing import Preprocessing
from seewhy.verbs.decides import CONTROLS, what_decides

SIZE = 64


class Corner(nn.Module):
    """Red in the upper left corner is a cat; else it is a dog."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        red = x[:, 0, :14, :14].mean((1, 2)) - x[:, 1, :14, :14].mean((1, 2))
        return torch.stack([12 * red, torch.full_like(red, 3.0)], 1)


class All(nn.Module):
    """Red anywhere is a cat."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        red = x[:, 0].mean((1, 2)) - x[:, 1].mean((1, 2))
        return torch.stack([12 * red, torch.full_like(red, 3.0)], 1)


def classifier(network: nn.Module) -> Classifier:
    plain = Preprocessing((SIZE, SIZE), mean=(0.0,) * 3, std=(1.0,) * 3)
    return Classifier.from_module(network, plain, ["cat", "dog", "none"][:2])


def image(*, corner: bool) -> Image:
    pixels = np.full((SIZE, SIZE, 3), 40, np.uint8)
    pixels[(slice(14),) * 2 if corner else slice(None)] = (230, 40, 40)
    return Image(pixels, "red.png")


def explained(network: Classifier, photo: Image, values: np.ndarray) -> Explanation:
    found = tuple(network.predict(photo, 2))
    return Explanation(
        values.astype(np.float32), photo, Box(0, 0, SIZE, SIZE), Target(found[0].index, chosen="predicted"),
        found[0].name, found, "grad-cam", signed=False, classifier="toy", fingerprint="0",
    )  # fmt: skip


def in_corner() -> np.ndarray:
    values = np.zeros((SIZE, SIZE))
    values[:14, :14] = 1
    return values


def test_a_part_that_decides_is_named_with_what_the_model_says_without_it():
    network = classifier(Corner())
    found = what_decides(network, explained(network, image(corner=True), in_corner()))
    assert found is not None
    assert found.turns
    assert found.stands_out
    assert (found.worse, found.controls) == (0, CONTROLS)
    assert (found.before.name, found.rival.name) == ("cat", "dog")
    assert found.box[:2] == (0, 0)
    assert found.sentence.startswith(
        "The framed part, 6.2% of what the model sees, decides: without it the model says dog"
    )
    assert "none of them takes as much of “cat” away" in found.test


def test_where_no_small_part_decides_it_says_so():
    network = classifier(All())
    found = what_decides(network, explained(network, image(corner=False), in_corner()))
    assert found is not None
    assert not found.turns
    assert found.share == pytest.approx(1 / 4)
    assert found.sentence.startswith("No small part was found that decides alone")


def test_a_part_that_is_like_all_others_is_not_called_decisive():
    """Every control takes away about as much, so that no word of the sentence may single the part out."""
    network = classifier(All())
    pixels = image(corner=False).pixels.copy()
    pixels[::2] = (40, 40, 40)
    found = what_decides(network, explained(network, Image(pixels, "stripes.png"), in_corner()))
    assert found is not None
    assert not found.stands_out
    assert "decides:" not in found.sentence


def test_what_is_no_decision_is_left_unsaid():
    network = classifier(Corner())
    one = explained(network, image(corner=True), in_corner())
    assert what_decides(network, replace(one, values=np.zeros((SIZE, SIZE), np.float32))) is None
    assert what_decides(network, replace(one, target=Target(1))) is None
    assert what_decides(network, replace(one, method="eigen-cam")) is None
    assert what_decides(network, replace(one, meaning="labels")) is None
