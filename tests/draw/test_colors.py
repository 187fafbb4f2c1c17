import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from matplotlib import colormaps
from matplotlib.colors import LinearSegmentedColormap
from skimage.color import rgb2lab

from seewhy.draw.overlay import AGAINST_FOR, Colors, colorize, peak, scale
from seewhy.errors import ExplainError, UnknownName, UsageError

MAPS = hnp.arrays(
    st.sampled_from([np.float16, np.float32, np.float64]),
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=6),
    elements=st.floats(-1000, 1000, width=16),
)
# Machado, Oliveira, Fernandes 2009: what people without M cones, and without L cones, see of linear RGB.
DEUTERANOPIA = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
PROTANOPIA = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]


def seen_as(pixels, matrix):
    """Lab of RGB as colour-blind people see it."""
    plain = pixels / 255
    linear = np.where(plain <= 0.04045, plain / 12.92, ((plain + 0.055) / 1.055) ** 2.4)
    linear = (linear @ np.array(matrix).T).clip(0, 1)
    return rgb2lab(np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055))


@given(MAPS)
def test_signed_maps_are_divided_by_their_largest_size(values):
    scaled, limit = scale(values, signed=True)
    assert limit == np.abs(values.astype(float)).max()
    np.testing.assert_allclose(scaled * limit, values, atol=1e-6 * max(limit, 1))
    assert np.array_equal(np.sign(scaled), np.sign(values))


@given(MAPS)
def test_one_signed_maps_lose_their_negative_part(values):
    scaled, limit = scale(values, signed=False)
    np.testing.assert_allclose(scaled * limit, values.clip(min=0), atol=1e-6 * max(limit, 1))
    assert scaled.min() >= 0
    assert scaled.max() == (1 if limit else 0)


@pytest.mark.parametrize("signed", [True, False])
def test_a_map_without_evidence_gives_zeros(signed):
    scaled, limit = scale(np.zeros((3, 4)), signed=signed)
    assert limit == 0
    assert scaled.shape == (3, 4)
    assert not scaled.any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("signed", [True, False])
def test_non_finite_maps_are_refused(bad, signed):
    values = np.ones((2, 2))
    values[1, 0] = bad
    with pytest.raises(ExplainError, match="1 values that are NaN or infinite"):
        scale(values, signed=signed)


@pytest.mark.parametrize("shape", [(4,), (1, 4, 4), (0, 4)])
def test_only_maps_are_scaled(shape):
    with pytest.raises(ExplainError, match="must be"):
        scale(np.ones(shape), signed=False)


def test_one_limit_makes_maps_comparable():
    weak, strong = np.array([[0.5, -1.0]]), np.array([[4.0, 2.0]])
    limit = peak(weak, strong, signed=True)
    assert limit == 4
    np.testing.assert_allclose(scale(weak, signed=True, limit=limit)[0], [[0.125, -0.25]])
    np.testing.assert_allclose(scale(strong, signed=True, limit=2)[0], [[1, 1]])


@pytest.mark.parametrize("limit", [0, -1, np.nan, np.inf])
def test_a_limit_must_be_able_to_carry_the_values(limit):
    with pytest.raises(UsageError, match="limit"):
        scale(np.ones((2, 2)), signed=False, limit=limit)


def test_the_percentile_counts_evidence_only():
    sparse = np.zeros((100, 100))
    sparse[0, :50] = np.arange(1, 51)
    assert peak(sparse, signed=False) == 50
    assert 24 < peak(sparse, signed=False, percentile=50) < 27
    assert peak(np.zeros((2, 2)), sparse, signed=False, percentile=50) > 24
    assert peak(-sparse, signed=False, percentile=50) == 0


def test_opposite_values_are_equally_dark_and_far_apart_for_every_eye():
    values = np.linspace(-1, 1, 21)[None]
    pixels = colorize(values, signed=True)
    assert pixels[0, 10].tolist() == [255, 255, 255]
    lightness = rgb2lab(pixels)[0, :, 0]
    np.testing.assert_allclose(lightness, lightness[::-1], atol=2)
    assert (np.diff(lightness[:11]) > 0).all()
    for matrix in (np.eye(3), DEUTERANOPIA, PROTANOPIA):
        lab = seen_as(pixels, matrix)[0]
        apart = np.linalg.norm(lab - lab[::-1], axis=1)
        assert (apart[np.abs(values[0]) > 0.25] > 25).all()


def test_more_evidence_is_lighter_for_every_eye():
    pixels = colorize(np.linspace(0, 1, 30)[None], signed=False)
    for matrix in (np.eye(3), DEUTERANOPIA, PROTANOPIA):
        assert (np.diff(seen_as(pixels, matrix)[0, :, 0]) > 0).all()


def test_any_matplotlib_palette_by_name():
    assert colorize(np.array([[0.0, 1.0]]), signed=False, cmap="jet").tolist() == [[[0, 0, 127], [127, 0, 0]]]
    with pytest.raises(UnknownName, match="viridis"):
        colorize(np.zeros((1, 1)), signed=False, cmap="virdis")


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        ({"opacity": 0}, UsageError, "opacity is 0, but must be above 0"),
        ({"opacity": 1.5}, UsageError, "at most 1"),
        ({"opacity": float("nan")}, UsageError, "opacity is nan"),
        ({"cmap": "virdis"}, UnknownName, "viridis"),
    ],
)
def test_colours_that_nobody_could_draw_are_refused_at_once(wrong, error, words):
    with pytest.raises(error, match=words):
        Colors(**wrong)


def test_matplotlib_keeps_its_state_and_torch_stays_away():
    code = (
        "import sys, numpy as np, matplotlib as mpl\n"
        "before = set(mpl.colormaps), dict.__getitem__(mpl.rcParams, 'backend')\n"
        "from seewhy.draw import panel, tile, bars\n"
        "photo = np.zeros((50, 50, 3), np.uint8)\n"
        "panel(photo, (0, 0, 50, 50), [tile(photo, np.ones((2, 2)), (0, 0, 50, 50), 'x')], title='y')\n"
        "assert before == (set(mpl.colormaps), dict.__getitem__(mpl.rcParams, 'backend'))\n"
        "assert not {'matplotlib.pyplot', 'torch'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_our_own_colours_are_those_of_matplotlib():
    positions = np.linspace(-1, 1, 2001)
    inferno = LinearSegmentedColormap.from_list("evidence", colormaps["inferno"](np.linspace(0.1, 0.92, 256)))
    ours = colorize(positions.clip(0), signed=False)
    assert np.array_equal(ours, inferno(positions.clip(0), bytes=True)[..., :3])
    both = LinearSegmentedColormap.from_list("against_for", AGAINST_FOR, N=511)
    off = colorize(positions, signed=True).astype(int) - both((positions + 1) / 2, bytes=True)[..., :3]
    assert np.abs(off).max() <= 1, "but for what is rounded down"
