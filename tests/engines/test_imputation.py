"""Linear imputation against the literal system, its closed forms and the authors' own code."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from scipy.sparse import coo_array
from scipy.sparse.linalg import spsolve
from torch import Tensor

from seewhy.engines import Linear
from seewhy.engines.imputation import linear_imputation
from seewhy.errors import UsageError
from seewhy.images import open_image, samples
from seewhy.models import Preprocessing
from seewhy.models.shim import ready_torchvision

WEIGHTS = {
    (down, right): 1 / 12 if down and right else 1 / 6 for down in (-1, 0, 1) for right in (-1, 0, 1) if down or right
}


def literal(picture: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """ROAD's equations as they stand in the paper, one pixel and one neighbour at a time, solved directly."""
    height, width = kept.shape
    number = {place: row for row, place in enumerate(zip(*np.nonzero(~kept), strict=True))}
    entries, right = Counter[tuple[int, int]](), np.zeros((len(number), len(picture)))
    for (y, x), row in number.items():
        for (down, across), weight in WEIGHTS.items():
            place = (y + down, x + across)
            if not (0 <= place[0] < height and 0 <= place[1] < width):
                continue
            entries[row, row] += weight
            if place in number:
                entries[row, number[place]] = -weight
            else:
                right[row] += weight * picture[:, *place]
    system = coo_array((list(entries.values()), np.array(list(entries)).T), shape=(len(number), len(number)))
    solved = picture.copy()
    solved[:, ~kept] = spsolve(system.tocsc(), right).reshape(len(number), -1).T
    return solved


def exactly(picture: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """What `linear_imputation` gives when it may take its time."""
    return linear_imputation(torch.tensor(picture), torch.tensor(kept)[None], tolerance=1e-9)[0].numpy()


@pytest.fixture(scope="module")
def photo() -> Tensor:
    return Preprocessing().pixels([open_image(next(iter(samples().values())))])[0]


@st.composite
def pictures_with_holes(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """A picture of noise and a mask that keeps at least one pixel and hides at least one."""
    height, width = draw(st.integers(1, 20)), draw(st.integers(2, 20))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    ranks = gaussian_filter(rng.random((height, width)), draw(st.sampled_from([0, 1, 4]))).ravel().argsort().argsort()
    hidden = draw(st.integers(1, height * width - 1))
    return rng.random((3, height, width)), (ranks >= hidden).reshape(height, width)


# --- Against the system itself ------------------------------------------------------------------------------------


@given(pictures_with_holes())
@settings(max_examples=100)
def test_every_hole_is_filled_as_the_equations_say(case):
    picture, kept = case
    np.testing.assert_allclose(exactly(picture, kept), literal(picture, kept), atol=1e-7)


def blobs(hidden: float) -> np.ndarray:
    smooth = gaussian_filter(np.random.default_rng(0).standard_normal((224, 224)), 12)
    return smooth >= np.quantile(smooth, hidden)


def salt(hidden: float) -> np.ndarray:
    return np.random.default_rng(0).random((224, 224)) >= hidden


def frame() -> np.ndarray:
    kept = np.ones((224, 224), bool)
    kept[2:-2, 2:-2] = False
    return kept


def one_corner() -> np.ndarray:
    kept = np.zeros((224, 224), bool)
    kept[:3, :3] = True
    return kept


@pytest.mark.parametrize(
    "kept",
    [blobs(0.1), blobs(0.5), blobs(0.9), salt(0.1), salt(0.9), salt(0.999), frame(), one_corner()],
    ids=["blobs 10", "blobs 50", "blobs 90", "salt 10", "salt 90", "salt 99.9", "frame", "corner"],
)
def test_photos_are_filled_within_a_ten_thousandth(photo, kept):
    ours = linear_imputation(photo, torch.tensor(kept)[None])[0]
    np.testing.assert_allclose(ours, literal(photo.double().numpy(), kept), atol=1e-4)


@pytest.mark.parametrize("percentile", [20, 50, 80])
def test_grad_cam_fills_alike(percentile):
    ready_torchvision()
    from pytorch_grad_cam.metrics.perturbation_confidence import RemoveMostRelevantFirst
    from pytorch_grad_cam.metrics.road import NoisyLinearImputer

    rng = np.random.default_rng(1)
    picture = torch.tensor(rng.random((3, 48, 40)), dtype=torch.float32)
    relevance = torch.tensor(gaussian_filter(rng.random((48, 40)), 3))
    theirs = RemoveMostRelevantFirst(percentile, NoisyLinearImputer(noise=0))(picture, relevance)
    kept = relevance < np.percentile(relevance.numpy(), percentile)
    torch.testing.assert_close(linear_imputation(picture, kept[None])[0], theirs, atol=1e-4, rtol=0)


# --- Closed forms -------------------------------------------------------------------------------------------------


@given(pictures_with_holes(), st.floats(0, 1))
@settings(max_examples=30)
def test_one_colour_stays_one_colour(case, shade):
    kept = torch.tensor(case[1])[None]
    flat = torch.full((3, *kept.shape[1:]), shade)
    torch.testing.assert_close(linear_imputation(flat, kept)[0], flat, atol=1e-6, rtol=0)


@pytest.mark.parametrize("place", [(3, 4), (0, 4), (3, 0), (0, 0), (6, 8)])
def test_one_missing_pixel_is_the_weighted_mean_of_its_neighbours(place):
    picture = np.random.default_rng(2).random((3, 7, 9))
    kept = np.ones((7, 9), bool)
    kept[place] = False
    around = {
        (place[0] + down, place[1] + across): weight
        for (down, across), weight in WEIGHTS.items()
        if 0 <= place[0] + down < 7 and 0 <= place[1] + across < 9
    }
    mean = sum(weight * picture[:, *where] for where, weight in around.items()) / sum(around.values())
    np.testing.assert_allclose(exactly(picture, kept)[:, *place], mean, atol=1e-9)


def test_a_slope_goes_on_through_a_hole():
    y, x = np.mgrid[0:40, 0:50]
    slope = np.stack([y / 40, x / 50, (y + 2 * x) / 140])
    kept = np.ones((40, 50), bool)
    kept[5:30, 8:44] = np.random.default_rng(3).random((25, 36)) < 0.05
    np.testing.assert_allclose(exactly(slope, kept), slope, atol=1e-6)


@given(pictures_with_holes())
@settings(max_examples=30)
def test_nothing_is_brighter_or_darker_than_what_is_known(case):
    picture, kept = case
    filled, known = exactly(picture, kept), picture[:, kept]
    assert (filled.max((1, 2)) <= known.max(1) + 1e-7).all()
    assert (filled.min((1, 2)) >= known.min(1) - 1e-7).all()


def test_a_picture_hidden_as_a_whole_is_its_channel_means(photo):
    filled = linear_imputation(photo, torch.zeros(1, 224, 224, dtype=torch.bool))[0]
    torch.testing.assert_close(filled, photo.mean((1, 2), keepdim=True).expand_as(photo))


def test_where_nothing_is_hidden_nothing_changes(photo):
    kept = torch.ones(1, 224, 224, dtype=torch.bool)
    assert torch.equal(linear_imputation(photo, kept)[0], photo)


# --- Batches, channels, noise -------------------------------------------------------------------------------------


@pytest.fixture
def masks() -> Tensor:
    """Eleven masks, more than are solved together; among them one that hides nothing and one that hides all."""
    levels = torch.linspace(0, 1, 11)[:, None, None]
    return torch.rand((1, 33, 47), generator=torch.Generator().manual_seed(0)) >= levels


def test_a_mask_is_filled_the_same_in_any_company(masks):
    picture = torch.rand((3, 33, 47), generator=torch.Generator().manual_seed(1))
    alone = torch.cat([linear_imputation(picture, mask[None]) for mask in masks])
    torch.testing.assert_close(linear_imputation(picture, masks), alone, atol=1e-6, rtol=0)


def test_each_mask_may_have_a_picture_of_its_own(masks):
    pictures = torch.rand((11, 3, 33, 47), generator=torch.Generator().manual_seed(1))
    alone = torch.cat([linear_imputation(*pair) for pair in zip(pictures, masks[:, None], strict=True)])
    torch.testing.assert_close(linear_imputation(pictures, masks), alone, atol=1e-6, rtol=0)


def test_the_order_of_channels_does_not_matter(photo):
    kept = torch.tensor(blobs(0.5))[None]
    torch.testing.assert_close(
        linear_imputation(photo.flip(0), kept), linear_imputation(photo, kept).flip(1), atol=1e-6, rtol=0
    )


def test_noise_falls_on_hidden_pixels_only_and_comes_from_the_generator(photo):
    kept, photo = torch.tensor(blobs(0.5))[None], photo / 2 + 0.25  # far from the ends of what is clipped
    smooth = linear_imputation(photo, kept)
    fillers = (Linear().prepare(photo, None, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    noisy, again, other = (filler(kept, torch.zeros(1, dtype=torch.int64)) for filler in fillers)
    assert torch.equal(noisy, again)
    assert not torch.equal(noisy, other)
    difference = (noisy - smooth)[0]
    assert not difference[:, kept[0]].any()
    drawn = difference[:, ~kept[0]]
    assert drawn.std().item() == pytest.approx(0.01, rel=0.02)
    assert drawn.mean().item() == pytest.approx(0, abs=2e-4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_the_dtype_is_that_of_the_pixels(dtype):
    picture = torch.rand((3, 20, 20), generator=torch.Generator().manual_seed(0))
    kept = torch.tensor(salt(0.7)[:20, :20])[None]
    filled = linear_imputation(picture.to(dtype), kept)
    assert filled.dtype == dtype
    torch.testing.assert_close(filled.float(), linear_imputation(picture, kept), atol=1e-2, rtol=0)


@pytest.mark.parametrize(
    "kept",
    [torch.ones(1, 8, 9), torch.ones(8, 9, dtype=torch.bool), torch.ones(1, 9, 8, dtype=torch.bool)],
    ids=["floats", "no batch", "other size"],
)
def test_masks_that_do_not_fit_are_refused(kept):
    with pytest.raises(UsageError, match=r"8 × 9 are bool \(n, 8, 9\), not"):
        linear_imputation(torch.zeros(3, 8, 9), kept)
