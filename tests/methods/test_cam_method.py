"""What every CAM shares."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import zoo
from seewhy.errors import ExplainError
from seewhy.methods import find_method
from seewhy.methods.method import BATCH
from seewhy.methods.task import enlarge
from seewhy.models import Grid, Target, folded


def test_more_images_than_a_batch_holds():
    count = BATCH + 3
    classifier, images = zoo.classifier("residual"), zoo.photos(count)
    targets = [[Target(index % zoo.CLASSES)] * (1 + index % 2) for index in range(count)]
    told: list[tuple[int, int | None, str]] = []
    method, generator = find_method("grad-cam"), torch.Generator()
    found = method(classifier, images, targets, generator=generator, progress=lambda *now: told.append(now))
    assert [each.image.name for each in found] == [
        image.name for image, asked in zip(images, targets, strict=True) for _ in asked
    ]
    (last,) = method(classifier, images[-1:], targets[-1:], generator=generator)
    np.testing.assert_allclose(found[-1].values, last.values, atol=1e-5 * last.values.max())
    assert told == [(BATCH, count, "images"), (count, count, "images")]


def test_a_layer_without_a_grid_is_refused_and_another_named():
    with pytest.raises(ExplainError, match=r"'head' keeps no grid .* try 'relu'"):
        find_method("grad-cam", layers=("head",))(
            zoo.classifier("residual"), zoo.photos(1), [[Target(0)]], generator=torch.Generator()
        )


def test_without_a_layer_the_classifier_names_one():
    classifier = zoo.classifier("tiny-vit")
    (found,) = find_method("grad-cam")(classifier, zoo.photos(1), [[Target(0)]], generator=torch.Generator())
    assert found.layer == classifier.default_layer == "blocks.1.norm1"


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_summed_in_float32(dtype):
    grid = Grid("channels first", 1, 64, 64)
    ones = torch.full((1, 1, 64, 64), 100, dtype=dtype)
    assert folded(grid, ones).sum() == 64 * 64 * 100
    assert folded(grid, ones.double()).dtype == torch.float64


def test_a_network_in_half_precision_is_explained_alike():
    image, asked = zoo.photos(1), [[Target(1)]]
    exact = zoo.classifier("residual")
    half = replace(exact, module=zoo.network("residual").bfloat16())
    maps = [
        find_method("grad-cam", signed=True)(each, image, asked, generator=torch.Generator())[0]
        for each in (exact, half)
    ]
    assert np.corrcoef(maps[0].values.flat, maps[1].values.flat)[0, 1] > 0.95


def test_a_map_is_enlarged_cell_by_cell():
    found = enlarge(torch.tensor([[[0.0, 4.0], [8.0, 12.0]]]), (4, 8))
    # Each cell's value sits at its centre, between them it is interpolated, beyond them it stays.
    across, down = torch.tensor([0.0, 0.0, 0.5, 1.5, 2.5, 3.5, 4.0, 4.0]), torch.tensor([0.0, 2.0, 6.0, 8.0])
    torch.testing.assert_close(found[0], down[:, None] + across[None])
