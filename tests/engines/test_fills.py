"""Fills: each against its definition, all against the contract of a fill."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from torch import Tensor

from seewhy.engines import FILLS, Blur, Constant, Fill, Images, Linear, Noise, RegionMean, find_fill
from seewhy.engines.imputation import linear_imputation
from seewhy.errors import UnknownName, UsageError
from seewhy.images import Image
from seewhy.models.preprocessing import IMAGENET_MEAN

pytestmark = pytest.mark.usefixtures("one_thread")

HEIGHT, WIDTH = 24, 31
ZERO = torch.zeros(1, dtype=torch.int64)
every_fill = pytest.mark.parametrize("name", FILLS)


@pytest.fixture
def pixels() -> Tensor:
    return torch.rand((3, HEIGHT, WIDTH), generator=torch.Generator().manual_seed(0))


@pytest.fixture
def labels() -> Tensor:
    return torch.arange(HEIGHT)[:, None] // 8 * 4 + torch.arange(WIDTH) // 8


@pytest.fixture
def masks() -> Tensor:
    return torch.rand((5, HEIGHT, WIDTH), generator=torch.Generator().manual_seed(1))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def picture(fill: Fill, pixels: Tensor, labels: Tensor | None = None) -> Tensor:
    """What stands where nothing is kept, `(3, h, w)`."""
    return fill.prepare(pixels, labels, seeded())(torch.zeros(1, *pixels.shape[1:]), ZERO)[0]


# --- What all of them promise -------------------------------------------------------------------------------------


@every_fill
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_fill_is_made_of_colours_like_the_pixels(name, dtype, pixels, labels, masks):
    filler = find_fill(name).prepare(pixels.to(dtype), labels, seeded())
    which = torch.arange(len(masks)) % filler.alternatives
    filled = filler(masks, which)
    assert filled.shape in {(len(masks), *pixels.shape), (1, *pixels.shape)}
    assert filled.dtype == dtype
    assert filled.min() >= 0
    assert filled.max() <= 1


@every_fill
def test_a_seed_gives_the_same_fill_again_whatever_the_batch(name, pixels, labels, masks):
    fill = find_fill(name)
    first, again = (fill.prepare(pixels, labels, seeded(3)) for _ in range(2))
    which = torch.arange(len(masks)) % first.alternatives
    together = first(masks, which).expand(len(masks), -1, -1, -1)
    alone = torch.cat([again(mask[None], pick[None]) for mask, pick in zip(masks, which, strict=True)])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=0)


@every_fill
def test_masks_may_be_truth_values(name, pixels, labels, masks):
    filler = find_fill(name).prepare(pixels, labels, seeded())
    hard = masks > 0.5
    which = torch.zeros(len(masks), dtype=torch.int64)
    assert torch.equal(filler(hard, which), filler(hard.float(), which))


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UnknownName, match="region-mean"):
        find_fill("region-means")


def test_a_fill_is_its_own_answer():
    assert find_fill(Blur(0.2)) == Blur(0.2)


# --- One by one ---------------------------------------------------------------------------------------------------


def test_each_region_is_filled_with_its_own_mean(pixels, labels):
    filled = picture(RegionMean(), pixels, labels)
    for region in labels.unique():
        inside = labels == region
        mean = pixels[:, inside].mean(1, keepdim=True)
        torch.testing.assert_close(filled[:, inside], mean.expand(-1, int(inside.sum())))


def test_without_regions_the_mean_is_that_of_the_picture(pixels):
    mean = pixels.mean((1, 2), keepdim=True)
    torch.testing.assert_close(picture(RegionMean(), pixels), mean.expand_as(pixels))


@pytest.mark.parametrize(
    ("colour", "rgb"),
    [
        ("black", (0, 0, 0)),
        ("grey", (0.5, 0.5, 0.5)),
        ("white", (1, 1, 1)),
        ("mean", IMAGENET_MEAN),
        ((0.1, 0.2, 0.3), (0.1, 0.2, 0.3)),
    ],
)
def test_a_constant_is_one_colour(colour, rgb, pixels):
    expected = torch.tensor(rgb, dtype=torch.float32)[:, None, None].expand_as(pixels)
    assert torch.equal(picture(Constant(colour), pixels), expected)


def test_an_unknown_colour_is_refused(pixels):
    with pytest.raises(UsageError, match="black, grey, white, mean"):
        picture(Constant("mauve"), pixels)


@given(st.integers(4, 40), st.integers(4, 40), st.floats(0.02, 0.2))
@settings(max_examples=30)
def test_a_blur_is_a_gaussian_that_mirrors_the_border(height, width, sigma):
    pixels = torch.rand((3, height, width), generator=seeded(), dtype=torch.float64)
    spread = sigma * min(height, width)
    radius = min(round(3 * spread), min(height, width) - 1)
    expected = [gaussian_filter(channel, spread, mode="mirror", radius=radius) for channel in pixels.numpy()]
    np.testing.assert_allclose(picture(Blur(sigma), pixels), expected, atol=1e-9)


def test_a_blur_leaves_one_colour_alone_and_a_wide_one_leaves_nothing_else():
    flat = torch.full((3, 20, 20), 0.3)
    torch.testing.assert_close(picture(Blur(), flat), flat)
    checkers = (torch.arange(64)[:, None] + torch.arange(64)).remainder(2).float().expand(3, 64, 64)
    assert picture(Blur(0.1), checkers).std() < 1e-3


@pytest.mark.parametrize("sigma", [0, -0.1])
def test_a_blur_without_width_is_refused(sigma, pixels):
    with pytest.raises(UsageError, match="above 0"):
        picture(Blur(sigma), pixels)


def test_noise_is_uniform_and_every_draw_another(pixels):
    large = torch.zeros(3, 100, 100)
    filler = Noise(draws=5).prepare(large, None, seeded())
    assert filler.alternatives == 5
    drawn = filler(torch.zeros(5, 100, 100), torch.arange(5))
    for row, one in enumerate(drawn):
        assert all(not torch.equal(one, other) for other in drawn[row + 1 :])
        counts = torch.histc(one, 10, 0, 1)
        assert (counts - 3000).abs().max() < 4.5 * 3000**0.5


def test_which_alternative_is_told_by_which():
    filler = Noise(draws=3).prepare(torch.zeros(3, 4, 4), None, seeded())
    each = filler(torch.zeros(3, 4, 4), torch.arange(3))
    picked = filler(torch.zeros(4, 4, 4), torch.tensor([2, 0, 0, 1]))
    assert torch.equal(picked, each[[2, 0, 0, 1]])


def test_no_draws_of_noise_are_refused(pixels):
    with pytest.raises(UsageError, match="at least one"):
        picture(Noise(draws=0), pixels)


def test_linear_is_imputation_of_the_half_hidden_with_a_little_noise(pixels, masks):
    kept = masks > 0.5
    which = torch.zeros(len(masks), dtype=torch.int64)
    smooth = Linear(noise=0).prepare(pixels, None, seeded())(masks, which)
    torch.testing.assert_close(smooth, linear_imputation(pixels, kept))
    noisy = Linear(noise=0.01).prepare(pixels, None, seeded())(masks, which)
    hidden = ~kept[:, None].expand_as(noisy)
    assert torch.equal(noisy[~hidden], pixels.expand_as(noisy)[~hidden])
    assert (noisy - smooth)[hidden].std().item() == pytest.approx(0.01, rel=0.1)


def test_other_images_fill_the_whole_view():
    colours = np.array([[255, 0, 0], [0, 0, 255]], np.uint8)
    wide, tall = (
        np.broadcast_to(colour, (*shape, 3)) for colour, shape in zip(colours, [(9, 90), (80, 8)], strict=True)
    )
    filler = Images((Image(wide.copy(), "wide"), Image(tall.copy(), "tall"))).prepare(
        torch.zeros(3, 12, 10), None, seeded()
    )
    assert filler.alternatives == 2
    filled = filler(torch.zeros(2, 12, 10), torch.arange(2))
    expected = torch.tensor(colours / 255, dtype=torch.float32)[:, :, None, None].expand(2, 3, 12, 10)
    torch.testing.assert_close(filled, expected)


def test_an_image_of_the_views_size_is_taken_as_it_is():
    own = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)
    filled = picture(Images((Image(own, "own"),)), torch.zeros(3, 12, 10))
    torch.testing.assert_close(filled, torch.tensor(own).permute(2, 0, 1) / 255)


def test_no_images_are_refused(pixels):
    with pytest.raises(UsageError, match="at least one"):
        picture(Images(()), pixels)
