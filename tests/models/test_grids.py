import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seewhy.models import Grid
from seewhy.models.grids import possible_grids

SQUARE = (224, 224)


@pytest.mark.parametrize(
    ("shape", "size", "grid"),
    [
        ((1, 2048, 7, 7), SQUARE, Grid("channels first", 2048, 7, 7)),
        ((1, 7, 7, 768), SQUARE, Grid("channels last", 768, 7, 7)),
        ((1, 64, 64, 64), SQUARE, Grid("channels first", 64, 64, 64)),
        ((1, 197, 768), SQUARE, Grid("tokens", 768, 14, 14, 1)),
        ((1, 198, 192), SQUARE, Grid("tokens", 192, 14, 14, 2)),
        ((1, 196, 192), SQUARE, Grid("tokens", 192, 14, 14, 0)),
        ((1, 261, 384), SQUARE, Grid("tokens", 384, 16, 16, 5)),
        ((1, 128, 3, 2), (96, 64), Grid("channels first", 128, 3, 2)),
        ((1, 3, 2, 128), (96, 64), Grid("channels last", 128, 3, 2)),
        ((1, 97, 128), (128, 192), Grid("tokens", 128, 8, 12, 1)),
        ((1, 8, 2, 1), (64, 48), Grid("channels first", 8, 2, 1)),
    ],
)
def test_known_layouts(shape, size, grid):
    assert possible_grids(shape, size)[0] == grid


@pytest.mark.parametrize(
    "shape",
    [
        (),
        (1, 1000),
        (1, 2048, 1, 1),
        (1, 1, 768),
        (1, 2, 768),
        (1, 3, 500, 500),
        (1, 12, 197, 64),
        (64, 49, 96),
        (64, 96, 7, 7),
        (1, 8, 4, 7, 7),
    ],
    ids=["0-d", "scores", "pooled", "one-token", "two", "larger", "heads", "windows", "window-maps", "video"],
)
def test_what_does_not_cover_the_picture_has_no_grid(shape):
    assert possible_grids(shape, SQUARE) == []


@given(st.integers(5, 40), st.integers(0, 9), st.integers(1, 3))
def test_the_class_token_and_its_like_are_told_from_patches(side, prefix, channels):
    assert possible_grids((1, prefix + side * side, channels), SQUARE)[0] == Grid(
        "tokens", channels, side, side, prefix
    )


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 3))
def test_folding_puts_each_cell_in_its_place(height, width, prefix):
    tokens = torch.arange(2 * (prefix + height * width) * 3).view(2, -1, 3)
    folded = Grid("tokens", 3, height, width, prefix).fold(tokens)
    assert folded.shape == (2, 3, height, width)
    for row in range(height):
        for column in range(width):
            assert torch.equal(folded[:, :, row, column], tokens[:, prefix + row * width + column])


def test_folding_maps_copies_nothing():
    first, last = torch.rand(2, 3, 4, 5), torch.rand(2, 4, 5, 3)
    assert Grid("channels first", 3, 4, 5).fold(first) is first
    folded = Grid("channels last", 3, 4, 5).fold(last)
    assert torch.equal(folded[:, 1], last[..., 1])
    assert folded.data_ptr() == last.data_ptr()


def test_there_are_no_fewer_patches_than_other_tokens():
    """Of 17 tokens 13 are not taken for class tokens and registers, to leave 2 × 2."""
    assert [(grid.size, grid.prefix) for grid in possible_grids((1, 17, 64), (64, 64))] == [((4, 4), 1), ((3, 3), 8)]
    assert [(grid.size, grid.prefix) for grid in possible_grids((1, 8, 64), (64, 64))] == [((2, 2), 4)]
