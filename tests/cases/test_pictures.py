from __future__ import annotations

import numpy as np

from cases.squares import square
from seewhy.cases import Cases
from seewhy.cases.counterfactuals import Cell, Pair, Removal, Swap
from seewhy.cases.pictures import removal_picture, seen_picture, similarity_pictures, swap_pictures, twins_panel
from seewhy.cases.twins import SimilarityMaps, find_twins
from seewhy.images import Image
from seewhy.models import Box, Prediction

PHOTO = Image(np.random.default_rng(0).integers(100, 140, (300, 400, 3)).astype(np.uint8), "photo")
VIEW = Box(50, 0, 350, 300)


def colourfulness(pixels):
    """Of each pixel: how far its channels lie apart."""
    return pixels.max(-1).astype(int) - pixels.min(-1)


def test_pictures_are_cut_to_what_the_network_saw():
    assert seen_picture(PHOTO, VIEW, 300).shape == (300, 300, 3)
    np.testing.assert_array_equal(seen_picture(PHOTO, VIEW, 300), PHOTO.pixels[:, 50:350])
    strip = Image(np.full((3, 900, 3), 80, np.uint8), "strip")
    assert seen_picture(strip, Box(448.6, 0.2, 449.1, 0.4)).size


def test_similarity_is_bright_where_it_is_on_both_and_on_one_scale():
    own, other = np.zeros((4, 4), np.float32), np.zeros((4, 4), np.float32)
    own[0, 0], other[3, 3] = 2, 1
    found = SimilarityMaps(own, VIEW, other, VIEW, "layer", 0.1)
    assert not found.signed
    mine, theirs = map(colourfulness, similarity_pictures(found, PHOTO, PHOTO, longest=300))
    assert mine[:60, :60].mean() > 3 * mine[200:, 200:].mean()
    assert theirs[240:, 240:].mean() > 3 * theirs[:100, :100].mean()
    assert SimilarityMaps(-own, VIEW, other, VIEW, "layer", 0.1).signed


def test_swapped_cells_are_marked_on_both_pictures():
    pairs = (Pair(Cell(0, 0), Cell(3, 3)),)
    swap = Swap(VIEW, VIEW, "layer", 4, 4, pairs, Prediction(0, "cat", 0.5))
    assert swap.area == 1 / 16
    own, other = map(colourfulness, swap_pictures(swap, PHOTO, PHOTO))
    quarter = own.shape[0] // 4
    assert own[:quarter, :quarter].mean() > 5 * own[quarter:, quarter:].mean()
    assert other[-quarter:, -quarter:].mean() > 5 * other[:quarter, :quarter].mean()


def test_what_is_hidden_is_grey():
    labels = np.repeat(np.arange(2), 8)[None].repeat(16, 0)
    vivid = Image(np.full((300, 400, 3), (200, 40, 40), np.uint8), "vivid")
    removal = Removal(labels, VIEW, (1,), 0.5, Prediction(0, "cat", 0.5), "blur")
    shown = colourfulness(removal_picture(removal, vivid))
    middle = shown.shape[1] // 2
    assert shown[:, : middle - 8].mean() > 150
    assert shown[:, middle + 8 :].mean() < 5


def test_the_panel_of_twins_can_be_drawn(base, raw):
    drawn = twins_panel(find_twins(Cases(base, raw), square("red", 3), top=2))
    assert drawn.width > 900
