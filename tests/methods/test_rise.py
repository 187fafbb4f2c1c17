"""RISE: masks and sums against literal twins, and the expectation of the map in closed form."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

import planted
from seewhy.errors import UsageError
from seewhy.images import Image
from seewhy.methods import Explanation, find_method
from seewhy.methods.masks import Sums, random_masks
from seewhy.models import Classifier, Head, Preprocessing, Target


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def explain(
    classifier: Classifier, image: Image, *targets: Target, seed: int = 0, **parameters: Any
) -> list[Explanation]:
    method = find_method("rise", precision="float32", fill="black", **parameters)
    return method(classifier, [image], [targets], generator=generator(seed))


# --- Masks --------------------------------------------------------------------------------------------------------


def bilinear(grid: np.ndarray, y: float, x: float) -> float:
    """A grid between the centres of its cells, constant beyond the outermost."""
    y, x = (float(np.clip(at, 0, side - 1)) for at, side in zip((y, x), grid.shape, strict=True))
    top, left = min(int(y), grid.shape[0] - 1), min(int(x), grid.shape[1] - 1)
    bottom, right = min(top + 1, grid.shape[0] - 1), min(left + 1, grid.shape[1] - 1)
    dy, dx = y - top, x - left
    upper = grid[top, left] * (1 - dx) + grid[top, right] * dx
    lower = grid[bottom, left] * (1 - dx) + grid[bottom, right] * dx
    return upper * (1 - dy) + lower * dy


def test_a_mask_is_a_random_grid_enlarged_and_moved():
    height, width, cells = 10, 13, 4
    found = random_masks(3, (height, width), cells, 0.6, generator()).numpy()
    same = generator()
    grids = (torch.rand((3, 1, cells, cells), generator=same) < 0.6).double()[:, 0].numpy()
    down, across = (torch.randint(step, (3,), generator=same).tolist() for step in (3, 4))
    for n, i, j in np.ndindex(found.shape):
        y = (i + down[n] + 0.5) * cells / ((cells + 1) * 3) - 0.5
        x = (j + across[n] + 0.5) * cells / ((cells + 1) * 4) - 0.5
        assert found[n, i, j] == pytest.approx(bilinear(grids[n], y, x), abs=1e-5)


@pytest.mark.parametrize("keep", [0.1, 0.5])
def test_every_pixel_is_visible_as_often_as_asked(keep):
    masks = random_masks(4000, (15, 22), 4, keep, generator())
    assert masks.min() >= 0
    assert masks.max() <= 1 + 1e-6
    errors = (masks.mean(0) - keep) / (masks.std(0) / 4000**0.5)
    assert errors.abs().max() < 4.5
    assert errors.square().mean() < 2


def test_one_cell_shows_all_or_nothing():
    masks = random_masks(50, (6, 6), 1, 0.5, generator())
    assert {float(value) for value in masks.flatten(1).mean(1)} == {0.0, 1.0}


# --- Sums ---------------------------------------------------------------------------------------------------------


def test_covariance_and_error_are_those_of_the_textbook():
    scores = torch.rand((2, 40), generator=generator(), dtype=torch.float64)
    masks = torch.rand((40, 3, 5), generator=generator(1))
    sums = Sums.of(scores[:, :13], masks[:13], 0.4).plus(Sums.of(scores[:, 13:], masks[13:], 0.4))
    for t, i, j in np.ndindex(2, 3, 5):
        s, m = scores[t].numpy(), masks[:, i, j].double().numpy()
        assert float(sums.covariance()[t, i, j]) == pytest.approx(np.cov(s, m)[0, 1], abs=1e-7)
        terms = (s - s.mean()) * (m - 0.4)
        spread = np.sqrt(np.mean(terms**2) - np.cov(s, m)[0, 1] ** 2)
        assert float(sums.error()[t, i, j]) == pytest.approx(spread / 40**0.5, abs=1e-6)


# --- The map ------------------------------------------------------------------------------------------------------

SIDE, CELLS, KEEP = 12, 3, 0.5


class Additive(nn.Module):
    """The probability of class 0 is a weighted sum of the red of all pixels, which lies between 0.1 and 0.9."""

    def __init__(self) -> None:
        super().__init__()
        weight = torch.randn((SIDE, SIDE), generator=generator(5))
        weight[2:6, 5:9] += 4
        self.weight = nn.Parameter(weight / weight.abs().sum())

    def forward(self, x: Tensor) -> Tensor:
        likely = 0.5 + 0.4 * (x[:, 0] * self.weight).sum((1, 2))
        return torch.stack([likely, 1 - likely], 1).log()


def additive() -> tuple[Classifier, Image]:
    preprocessing = Preprocessing((SIDE, SIDE), mean=(0, 0, 0), std=(1, 1, 1))
    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    pixels[::2, :, 0] = 255
    return Classifier.from_module(Additive(), preprocessing), Image(pixels, "stripes")


def expected_map(classifier: Classifier, image: Image) -> np.ndarray:
    """Cov(S, M) / E[M], by going through all moves of the grid: given the move, a mask is linear in its cells."""
    shares = 0.4 * classifier.module.weight.detach()
    shares = (shares * classifier.preprocessing.pixels([image])[0, 0]).double()
    step = SIDE // CELLS
    cells = torch.eye(CELLS * CELLS).view(-1, 1, CELLS, CELLS)
    large = interpolate(cells, [(CELLS + 1) * step] * 2, mode="bilinear", align_corners=False)[:, 0].double()
    total = torch.zeros((SIDE, SIDE), dtype=torch.float64)
    for top, left in product(range(step), repeat=2):
        part = large[:, top : top + SIDE, left : left + SIDE]
        total += torch.einsum("c,chw->hw", (part * shares).sum((1, 2)), part)
    return (total / step**2 * KEEP * (1 - KEEP) / KEEP).numpy()


def test_the_map_is_its_expectation_within_its_standard_error():
    classifier, image = additive()
    wanted = expected_map(classifier, image)
    (found,) = explain(classifier, image, Target(0), masks=4000, cells=CELLS, keep=KEEP)
    errors = (found.values - wanted) / found.checks["standard_error"]
    assert np.abs(errors).max() < 4.5
    assert np.square(errors).mean() < 1.8
    assert np.corrcoef(found.values.flat, wanted.flat)[0, 1] > 0.99
    assert found.checks["mean_score"] == pytest.approx(0.5 + 0.4 * mean_red(classifier, image), abs=0.01)


def mean_red(classifier: Classifier, image: Image) -> float:
    """The weighted sum when half of each pixel shows."""
    seen = classifier.preprocessing.pixels([image])[0, 0]
    return float((classifier.module.weight.detach() * seen).sum()) * KEEP


def test_the_standard_error_is_how_far_seeds_lie_apart():
    classifier, image = additive()
    runs = [explain(classifier, image, Target(0), seed=seed, masks=100, cells=CELLS)[0] for seed in range(40)]
    spread = np.stack([run.values for run in runs]).std(0, ddof=1).mean()
    assert np.mean([run.checks["standard_error"] for run in runs]) == pytest.approx(spread, rel=0.15)
    assert all(0 < run.checks["noise"] <= 1 for run in runs)


def test_it_is_the_papers_map_with_less_noise():
    classifier, image = additive()
    wanted, plain, ours = expected_map(classifier, image), [], []
    seen = classifier.preprocessing.pixels([image])
    for seed in range(20):
        (found,) = explain(classifier, image, Target(0), seed=seed, masks=100, cells=CELLS)
        masks = random_masks(100, (SIDE, SIDE), CELLS, KEEP, generator(seed))
        with torch.no_grad():
            scores = classifier.logits(masks[:, None] * seen).softmax(1)[:, 0]
        paper = (scores[:, None, None] * masks).sum(0) / (100 * KEEP)
        plain.append(paper.numpy() - float(scores.mean()) - wanted)
        ours.append(found.values - wanted)
    assert np.square(ours).mean() < 0.2 * np.square(plain).mean()
    assert abs(np.mean(plain)) < 3 * np.std(np.mean(plain, axis=(1, 2))) / 20**0.5


def test_a_contrast_asks_about_two_classes_only():
    logits = torch.tensor([[1.0, 3.0, 2.0, 9.0]])
    wanted = logits[:, [1, 2]].softmax(1)[:, 0]
    torch.testing.assert_close(Head().probability(logits, Target(1, against=2)).float(), wanted)
    torch.testing.assert_close(Head().probability(logits, Target(1)).float(), logits.softmax(1)[:, 1])


def test_the_map_lies_where_the_object_is():
    (found,) = explain(planted.classifier(), planted.picture(), Target(0), masks=300)
    assert planted.is_inside(found.values)
    assert found.signed


@pytest.mark.parametrize("parameters", [{"masks": 1}, {"cells": 0}, {"keep": 0.0}, {"keep": 1.0}])
def test_what_makes_no_masks_is_refused(parameters):
    with pytest.raises(UsageError, match="rise wants 2 masks or more"):
        find_method("rise", **parameters)
