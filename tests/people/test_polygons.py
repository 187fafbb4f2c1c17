"""Polygons: drawn as pycocotools draws them, and never handed to it unchecked."""

from __future__ import annotations

import numpy as np
import pytest
from pycocotools import mask as oracle

from seewhy.errors import UsageError
from seewhy.people.polygons import LONGEST_OUTLINES, Pen
from seewhy.people.runs import compressed, decode, encode, runs, united


def literal(polygons, height, width):
    return oracle.decode(oracle.merge(oracle.frPyObjects(polygons, height, width))).astype(bool)


@pytest.mark.parametrize("reach", [10, 100, 10_000])
def test_inside_the_picture_they_are_those_of_coco_however_far_they_go(reach):
    generator = np.random.default_rng(reach)
    for _ in range(100):
        height, width = map(int, generator.integers(3, 60, 2))
        corners = generator.normal(size=(generator.integers(3, 8), 2)) * reach + [width / 2, height / 2]
        polygons = [corners.ravel().tolist()]
        assert np.array_equal(
            decode(Pen().draw(polygons, height, width), height, width), literal(polygons, height, width)
        )


def test_what_is_too_far_is_cut_and_covers_the_same():
    """By hand: edges through the corners of the picture, from where no pycocotools would come back."""
    for far in (1e6, 4e8, 1e9):
        half = decode(Pen().draw([[-far, -far, far, -far, far, far]], 40, 40), 40, 40)
        assert np.array_equal(half | np.eye(40, dtype=bool), ~np.tril(np.ones((40, 40), bool), -1))
        assert decode(Pen().draw([[-far, -far, far, -far, far, far, -far, far]], 9, 7), 9, 7).all()
        assert not decode(Pen().draw([[far, far, far, far - 9, far - 9, far]], 9, 7), 9, 7).any()


@pytest.mark.parametrize(
    "numbers",
    [
        [],
        [1],
        [1, 1, 5, 5],
        [1, 1, 5, 5, 6, 7, 8],
        [float("nan")] * 6,
        [float("inf")] * 6,
        [1e30, -1e30, 5e18, 1, 5, 5],
    ],
)
def test_what_is_no_polygon_is_refused(numbers):
    with pytest.raises(UsageError):
        Pen().draw([numbers], 10, 10)


def test_outlines_of_one_file_are_bounded():
    with pytest.raises(UsageError, match="winds over"):
        Pen().draw([[0, 0, 5e4, 5e4, 0, 5e4] * 50], 50_000, 1000)
    pen = Pen(left=20)
    pen.draw([[0, 0, 3, 0, 3, 3]], 10, 10)
    with pytest.raises(UsageError, match="winds over"):
        pen.draw([[0, 0, 9, 0, 9, 9]], 10, 10)
    assert Pen().left == LONGEST_OUTLINES


@pytest.mark.parametrize("size", [(0, 5), (-5, 5), (2**31, 2**31), (10_000, 10_000)])
def test_no_picture_is_that_large(size):
    with pytest.raises(UsageError, match="pixels"):
        Pen().draw([[0, 0, 3, 0, 3, 3]], *size)


def test_run_lengths_are_put_into_one_form_and_together():
    generator = np.random.default_rng(0)
    masks = generator.random((9, 6, 7)) < 0.2
    assert united([encode(each) for each in masks], 6, 7) == encode(masks.any(0))
    for each in masks:
        padded = [length for run in runs(each) for length in (run, 0, 0)]
        assert compressed(padded) == compressed(runs(each)) == encode(each)
