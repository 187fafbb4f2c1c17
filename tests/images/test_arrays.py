"""Arrays of every type and shape: the closed form, and the refusals."""

from __future__ import annotations

import re
from contextlib import suppress

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from seewhy.errors import BadImage
from seewhy.images import Image, open_image, open_images

sides = st.integers(1, 9)
shapes = st.one_of(st.tuples(sides, sides), st.tuples(sides, sides, st.sampled_from([1, 3])))


def as_rgb(levels: np.ndarray) -> np.ndarray:
    levels = levels if levels.ndim == 3 else levels[..., np.newaxis]
    return np.concatenate([levels] * (3 if levels.shape[2] == 1 else 1), axis=2)


def refused(array: np.ndarray) -> BadImage:
    with pytest.raises(BadImage) as caught:
        open_image(array)
    return caught.value


@given(hnp.arrays(np.uint8, shapes))
def test_bytes_stay(array):
    assert np.array_equal(open_image(array).pixels, as_rgb(array))


@given(hnp.arrays(np.bool_, shapes))
def test_truth_is_white(array):
    assert np.array_equal(open_image(array).pixels, as_rgb(array * np.uint8(255)))


@given(hnp.arrays(st.sampled_from(["<u2", ">u2"]), shapes))
def test_of_16_bits_those_in_use_are_seen(array):
    bits = next(bits for bits in (8, 12, 14, 16) if array.max() < 2**bits)
    assert np.array_equal(open_image(array).pixels, as_rgb(array // 2 ** (bits - 8)))
    assert bool(open_image(array).notes) == (bits < 16 and array.max() > 0)


@given(hnp.arrays(st.sampled_from([np.float16, np.float32, np.float64]), shapes, elements=st.floats(0, 1, width=16)))
def test_floats_from_0_to_1_are_rounded_to_bytes(array):
    assert np.array_equal(open_image(array).pixels, as_rgb(np.rint(array.astype(np.float64) * 255)))


@given(hnp.arrays(np.uint8, st.tuples(sides, sides, st.just(4))), st.tuples(*[st.integers(0, 255)] * 3))
def test_alpha_mixes_with_the_background(array, background):
    share = array[..., 3:] / 255
    mixed = array[..., :3] * share + np.array(background) * (1 - share)
    assert np.abs(open_image(array, background=background).pixels - mixed).max() <= 0.5 + 1e-9


@given(hnp.arrays(hnp.scalar_dtypes(), hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)))
def test_any_array_gives_an_image_or_a_bad_image(array):
    with suppress(BadImage):
        usual = {1, 3, 4}
        last = (
            array.ndim != 3
            or array.shape[2] in usual
            or not (array.shape[0] in usual or array.shape[0] < array.shape[2])
        )
        assert open_image(array).pixels.shape == (*(array.shape[:2] if last else array.shape[1:]), 3)


@given(hnp.arrays(np.uint8, shapes))
def test_the_caller_keeps_the_array(array):
    before = array.copy()
    image = open_image(array)
    array[...] = 255 - array
    assert np.array_equal(image.pixels, as_rgb(before))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_value_that_is_no_number_spoils_all(value):
    array = np.full((4, 5, 3), 0.5, np.float32)
    array[2, 3, 1] = value
    assert refused(array).code == "nonfinite"


@pytest.mark.parametrize(
    ("array", "cure"),
    [
        (np.zeros((1, 8, 9, 3), np.uint8), "array[0]"),
        (np.zeros((800, 900, 700), np.uint8), "(H, W, C)"),
        (np.zeros(8, np.uint8), "(H, W, C)"),
        (np.zeros((8, 9), np.int64), "uint8"),
        (np.zeros((8, 9), complex), "uint8"),
        (np.zeros((8, 9), object), "uint8"),
        (np.full((8, 9), 255.0), "Divide by 255"),
        (np.full((8, 9), -0.1), "undo the normalisation"),
    ],
)
def test_a_wrong_array_is_refused_with_its_cure(array, cure):
    error = refused(array)
    assert error.code == "bad_array"
    assert cure in str(error)


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0, 3), (0, 5, 4)])
def test_an_array_without_pixels_is_too_small(shape):
    assert refused(np.zeros(shape, np.float32)).code == "too_small"


def test_views_of_any_stride_are_read():
    array = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    for view in (array[::-1], array[:, ::2], array[..., ::-1], np.asfortranarray(array), array.swapaxes(0, 1)):
        assert np.array_equal(open_image(view).pixels, view)


@given(hnp.arrays(np.uint8, st.tuples(st.sampled_from([1, 3]), st.integers(5, 9), st.integers(5, 9))))
def test_channels_may_come_first(array):
    assert np.array_equal(open_image(array).pixels, as_rgb(array.transpose(1, 2, 0)))


@given(hnp.arrays(np.uint8, st.tuples(st.sampled_from([1, 3]), sides, sides)))
def test_in_tensors_channels_come_first(array):
    pixels = as_rgb(array.transpose(1, 2, 0))
    assert np.array_equal(open_image(torch.from_numpy(array)).pixels, pixels)
    for kind in (torch.float32, torch.float64):
        assert np.array_equal(open_image((torch.from_numpy(array) / 255).to(kind).requires_grad_()).pixels, pixels)


def test_a_tensor_of_half_precision_is_a_picture_and_others_are_refused():
    white = torch.ones(3, 8, 9)
    for kind in (torch.float16, torch.bfloat16, torch.bool):
        assert (open_image(white.to(kind)).pixels == 255).all()
    assert (open_image(torch.ones(8, 9)).pixels == 255).all()
    for tensor, cure in [
        (white * 2.5, "seewhy.attribute"),
        (white.long(), "uint8"),
        (white.to(torch.complex64), "to_dense"),
        (white.to_sparse(), "to_dense"),
        (white[None], "array[0]"),
    ]:
        with pytest.raises(BadImage, match=re.escape(cure)) as caught:
            open_image(tensor)
        assert caught.value.code == "bad_array"


def test_of_several_it_says_so_and_numbers_those_without_names(tmp_path):
    array = np.zeros((2, 8, 9, 3), np.uint8)
    assert open_images(array[0])[1] is False
    for several in (array, [*array], (*array,), torch.from_numpy(array).permute(0, 3, 1, 2)):
        images, many = open_images(several)
        assert many
        assert [(image.name, image.pixels.shape) for image in images] == [
            ("picture 1", (8, 9, 3)), ("picture 2", (8, 9, 3))
        ]  # fmt: skip
    assert open_images([]) == ([], True)
    assert open_images(["sample:cat", Image(array[0], "mine")])[0][1].name == "mine"


@pytest.mark.parametrize(
    ("sources", "cure"),
    [
        (None, "give a path"),
        ([None], "give a path"),
        ([["a.png"]], "do not nest"),
        ((each for each in "ab"), "list"),
        ({"a": 1}, "give a path"),
    ],
)
def test_what_holds_no_pictures_is_refused(sources, cure):
    with pytest.raises(BadImage, match=cure):
        open_images(sources)
