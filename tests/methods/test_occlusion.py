"""Occlusion against a literal twin, and exact where the network is linear."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import planted
import zoo
from seewhy.engines import find_fill
from seewhy.errors import UsageError
from seewhy.images import Image
from seewhy.methods import Explanation, find_method
from seewhy.methods.masks import covered_mean, patches
from seewhy.models import Classifier, Preprocessing, Target


def explain(classifier: Classifier, image: Image, *targets: Target, **parameters: Any) -> list[Explanation]:
    method = find_method("occlusion", **{"precision": "float32", **parameters})
    return method(classifier, [image], [targets], generator=torch.Generator())


def hidden(classifier: Classifier, image: Image) -> Tensor:
    """What stands where nothing is shown, `(3, h, w)` in [0, 1]."""
    pixels = classifier.preprocessing.pixels([image])[0]
    filler = find_fill("mean").prepare(pixels, None, torch.Generator())
    return filler(torch.zeros(1, *pixels.shape[1:]), torch.zeros(1, dtype=torch.int64)).expand(1, -1, -1, -1)[0]


# --- Patches ------------------------------------------------------------------------------------------------------


@given(st.integers(1, 30), st.integers(1, 30), st.data())
@settings(max_examples=80)
def test_patches_are_whole_and_leave_no_pixel_out(height, width, data):
    size = data.draw(st.integers(1, min(height, width)))
    stride = data.draw(st.integers(1, size))
    count = np.zeros((height, width), int)
    boxes = patches(height, width, size, stride)
    for rows, columns in boxes:
        assert (rows.stop - rows.start, columns.stop - columns.start) == (size, size)
        assert 0 <= rows.start < rows.stop <= height
        assert 0 <= columns.start < columns.stop <= width
        count[rows, columns] += 1
    assert count.min() >= 1
    assert len({(rows.start, columns.start) for rows, columns in boxes}) == len(boxes)


def test_a_pixel_gets_the_mean_of_the_patches_over_it():
    boxes = patches(4, 5, 2, 1)
    drops = np.random.default_rng(0).normal(size=(3, len(boxes)))
    found = covered_mean(drops, boxes, (4, 5))
    for t, i, j in np.ndindex(found.shape):
        over = [
            drops[t, n]
            for n, (rows, columns) in enumerate(boxes)
            if rows.start <= i < rows.stop and columns.start <= j < columns.stop
        ]
        assert found[t, i, j] == pytest.approx(sum(over) / len(over))


# --- The method ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["residual", "tiny-vit"])
def test_it_is_what_a_loop_over_patches_says(name):
    classifier, image = zoo.classifier(name), zoo.photos(1)[0]
    targets = [Target(1), Target(2, against=0)]
    found = explain(classifier, image, *targets, size=12, stride=9)
    pixels, fill = classifier.preprocessing.pixels([image])[0], hidden(classifier, image)

    def log_probabilities(picture: Tensor) -> Tensor:
        with torch.no_grad():
            return classifier.logits(classifier.preprocessing.normalize(picture[None]))[0].log_softmax(0)

    whole = log_probabilities(pixels)
    totals, counts = np.zeros((2, *zoo.SIZE)), np.zeros(zoo.SIZE)
    for top in (0, 9, 18, 20):
        for left in (0, 9, 18, 20):
            covered = pixels.clone()
            covered[:, top : top + 12, left : left + 12] = fill[:, top : top + 12, left : left + 12]
            fall = whole - log_probabilities(covered)
            totals[0, top : top + 12, left : left + 12] += float(fall[1])
            totals[1, top : top + 12, left : left + 12] += float(fall[2] - fall[0])
            counts[top : top + 12, left : left + 12] += 1
    for each, total in zip(found, totals, strict=True):
        np.testing.assert_allclose(each.values, total / counts, atol=1e-5)
    assert found[0].cost.forwards == 16 + 1


class Linear(nn.Module):
    """Every score is a weighted sum over pixels and colours."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn((3, 3, *zoo.SIZE), generator=torch.Generator().manual_seed(0)) / 30)

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("nchw,kchw->nk", x, self.weight)


def test_of_a_linear_network_it_is_exact():
    classifier, image = Classifier.from_module(Linear(), Preprocessing(zoo.SIZE)), zoo.photos(1)[0]
    (found,) = explain(classifier, image, Target(0, against=2), size=8, stride=8)
    normalize = classifier.preprocessing.normalize
    change = normalize(classifier.preprocessing.pixels([image]))[0] - normalize(hidden(classifier, image)[None])[0]
    weight = classifier.module.weight.detach()
    contributions = ((weight[0] - weight[2]) * change).sum(0)
    wanted = contributions.view(4, 8, 4, 8).sum((1, 3)).repeat_interleave(8, 0).repeat_interleave(8, 1)
    np.testing.assert_allclose(found.values, wanted.numpy(), atol=1e-4)
    assert found.values.sum() == pytest.approx(64 * float(contributions.sum()), abs=0.05)


def test_sizes_below_1_are_shares_of_the_shorter_side():
    classifier = Classifier.from_module(zoo.network("residual"), Preprocessing((20, 40)))
    image = zoo.photos(1)[0]
    (share,), (pixels,) = (
        explain(classifier, image, Target(0), **sizes)
        for sizes in ({"size": 0.5, "stride": 0.25}, {"size": 10, "stride": 5})
    )
    assert np.array_equal(share.values, pixels.values)
    (all_at_once,) = explain(classifier, image, Target(0), size=1000, stride=1000)
    assert all_at_once.cost.forwards == 1 + 2, "a patch is square: two of them cover the picture"


@pytest.mark.parametrize("sizes", [{"stride": 0.3}, {"stride": 0}, {"size": -1, "stride": -1}])
def test_a_patch_that_leaves_pixels_out_is_refused(sizes):
    with pytest.raises(UsageError, match="leaves pixels out"):
        explain(zoo.classifier("residual"), zoo.photos(1)[0], Target(0), **sizes)


def test_the_map_lies_where_the_object_is():
    (red, contrast) = explain(planted.classifier(), planted.picture(), Target(0), Target(1, against=0))
    assert planted.is_inside(red.values)
    assert planted.is_inside(-contrast.values), "red speaks against green"
    assert red.signed


def test_a_picture_of_one_colour_hides_nothing():
    pixels = np.full((40, 48, 3), 90, np.uint8)
    (found,) = explain(zoo.classifier("residual"), Image(pixels, "grey"), Target(0), fill="region-mean")
    assert np.abs(found.values).max() < 1e-5
