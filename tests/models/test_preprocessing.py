import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from seewhy.errors import BadImage, ModelError
from seewhy.images import Image, open_image
from seewhy.models import Preprocessing
from seewhy.models.from_hub import transformers_preprocessing
from seewhy.models.from_timm import timm_preprocessing
from seewhy.models.from_torchvision import torchvision_preprocessing
from seewhy.models.preprocessing import IMAGENET_MEAN, IMAGENET_STD

TALL, WIDE = (500, 333), (301, 450)
sizes = st.tuples(st.integers(4, 60), st.integers(4, 60))


def photo(height, width, seed=0):
    """Smooth, as photos are, with every colour."""
    small = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), np.uint8)
    return Image(np.asarray(Pillow.fromarray(small).resize((width, height), Pillow.Resampling.BICUBIC)), "smooth")


def ramp(height, width):
    """Red tells how far to the right a pixel lies, green how far down."""
    across, down = (np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height
    red, green = np.broadcast_arrays(across[None, :], down[:, None])
    return Image(np.uint8(np.round(255 * np.stack([red, green, 0 * red], -1))), "ramp")


@pytest.mark.parametrize("shape", [TALL, WIDE, (224, 224), (97, 120)])
@pytest.mark.parametrize("name", ["resnet50", "vit_b_16", "convnext_tiny", "swin_t", "efficientnet_b0"])
def test_torchvision_sees_the_same(name, shape):
    from torchvision.models import get_model_weights

    image = photo(*shape)
    theirs = get_model_weights(name).DEFAULT.transforms()(image.to_pil())
    ours = torchvision_preprocessing(get_model_weights(name).DEFAULT.transforms())
    torch.testing.assert_close(ours.normalize(ours.pixels([image]))[0], theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("shape", [TALL, WIDE, (97, 120)])
@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224", "convnext_atto", "vit_base_patch16_siglip_224"])
def test_timm_sees_the_same(name, shape):
    from timm import get_pretrained_cfg
    from timm.data import create_transform, resolve_data_config

    image = photo(*shape)
    config = resolve_data_config(pretrained_cfg=get_pretrained_cfg(name).to_dict())
    theirs = create_transform(**config, is_training=False)(image.to_pil())
    ours = timm_preprocessing(config)
    torch.testing.assert_close(ours.normalize(ours.pixels([image]))[0], theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("shape", [TALL, WIDE])
@pytest.mark.parametrize(
    ("processor", "options"),
    [
        ("ViTImageProcessor", {}),
        ("ConvNextImageProcessor", {"size": {"shortest_edge": 224}, "crop_pct": 0.875}),
        ("ConvNextImageProcessor", {"size": {"shortest_edge": 384}}),
        ("MobileNetV2ImageProcessor", {}),
        ("ViTImageProcessor", {"do_normalize": False, "size": {"height": 40, "width": 60}}),
    ],
)
def test_transformers_sees_the_same_but_for_rounding(processor, options, shape):
    import transformers

    image, reference = photo(*shape), getattr(transformers, processor)(**options)
    theirs = reference(image.to_pil(), return_tensors="pt")["pixel_values"][0]
    ours = transformers_preprocessing(reference.to_dict())
    seen = ours.normalize(ours.pixels([image]))[0]
    assert seen.shape == theirs.shape
    steps = (seen - theirs).abs() * max(ours.std) * 255  # it resizes tensors, whose sums round otherwise
    assert steps.max() < 2.1
    assert steps.mean() < 0.2


@pytest.mark.parametrize("shape", [TALL, WIDE, (260, 260)])
@pytest.mark.parametrize(
    "preprocessing",
    [
        Preprocessing((100, 100), resize=114),
        Preprocessing((100, 100), resize=114, interpolation="bicubic"),
        Preprocessing((60, 100), resize=100),
        Preprocessing((100, 60)),
    ],
)
def test_the_view_says_which_part_of_the_photo_is_seen(preprocessing, shape):
    image = ramp(*shape)
    height, width = preprocessing.size
    view, seen = preprocessing.view(image), preprocessing.pixels([image])[0]
    across = view.left + (torch.arange(width) + 0.5) / width * (view.right - view.left)
    down = view.top + (torch.arange(height) + 0.5) / height * (view.bottom - view.top)
    torch.testing.assert_close(seen[0], (across / image.width).expand(height, -1), rtol=0, atol=2 / 255)
    torch.testing.assert_close(seen[1], (down / image.height)[:, None].expand(-1, width), rtol=0, atol=2 / 255)


def test_a_crop_of_a_wide_photo_leaves_the_sides_out():
    view = Preprocessing((224, 224), resize=256).view(ramp(256, 512))
    assert view == (144, 16, 368, 240)


@given(sizes, st.integers(0, 30), st.tuples(st.integers(1, 300), st.integers(1, 300)))
def test_the_view_lies_inside_the_photo_about_its_middle(size, margin, shape):
    image = Image(np.zeros((*shape, 3), np.uint8), "black")
    preprocessing = Preprocessing(size, resize=max(size) + margin)
    view = preprocessing.view(image)
    step_x = image.width / min(preprocessing._resized(image.height, image.width))
    assert -1e-6 <= view.left < view.right <= image.width + 1e-6
    assert -1e-6 <= view.top < view.bottom <= image.height + 1e-6
    assert abs(view.left + view.right - image.width) <= 1.01 * step_x * max(1, image.width / image.height) + 1e-6
    assert preprocessing.pixels([image]).shape == (1, 3, *size)


def test_normalising_is_the_formula_on_any_dtype():
    pixels = torch.rand(2, 3, 4, 5, dtype=torch.float64)
    normal = Preprocessing((4, 5)).normalize(pixels)
    for channel in range(3):
        expected = (pixels[:, channel] - IMAGENET_MEAN[channel]) / IMAGENET_STD[channel]
        torch.testing.assert_close(normal[:, channel], expected, rtol=1e-12, atol=0)
    assert normal.dtype == torch.float64


def test_pixels_are_a_batch_in_order_from_0_to_1():
    images = [Image(np.full((10, 20, 3), value, np.uint8), "flat") for value in (0, 51, 255)]
    pixels = Preprocessing((8, 8)).pixels(images)
    assert pixels.shape == (3, 3, 8, 8)
    assert pixels.dtype == torch.float32
    assert torch.equal(pixels[:, 0, 0, 0], torch.tensor([0, 0.2, 1]))


@pytest.mark.parametrize("shape", [(3, 1_000_000), (1_000_000, 3)])
def test_a_thin_strip_costs_no_more_than_what_is_seen_of_it(shape):
    preprocessing = Preprocessing((224, 224), resize=256, interpolation="bicubic")
    seen = preprocessing.pixels([open_image(ramp(*shape).pixels)])[0]
    assert seen.shape == (3, 224, 224)
    long = 0 if shape[1] > shape[0] else 1
    torch.testing.assert_close(seen[long], torch.full((224, 224), 0.5), rtol=0, atol=2 / 255)


def test_json_and_back():
    preprocessing = Preprocessing((192, 256), 300, "bicubic", (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    assert Preprocessing.from_dict({**preprocessing.to_dict(), "size": [192, 256]}) == preprocessing


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"size": 224}, "size is"),
        ({"size": [224]}, "size is"),
        ({"size": [0, 224]}, "size is"),
        ({"size": [224.0, 224]}, "size is"),
        ({"size": [224, 256], "resize": 255}, "at least 256"),
        ({"resize": "256"}, "at least 224"),
        ({"interpolation": "hamming"}, "bilinear"),
        ({"mean": [0.5]}, "mean and std"),
        ({"mean": [], "std": []}, "mean and std"),
        ({"std": [1, 1, 0]}, "mean and std"),
        ({"mean": "abc"}, "mean and std"),
        ({"scale": 2}, r"unknown preprocessing keys \['scale'\]"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused_at_once(fields, words):
    with pytest.raises(ModelError, match=words):
        Preprocessing.from_dict(fields)


def test_a_network_of_one_channel_sees_grey():
    image = photo(*WIDE)
    grey = Preprocessing((32, 48), mean=(0.5,), std=(0.25,))
    pixels = grey.pixels([image, image])
    assert pixels.shape == (2, 1, 32, 48)
    assert grey.normalize(pixels)[0] == pytest.approx((pixels[0] - 0.5) / 0.25)
    luma = (Preprocessing((32, 48)).pixels([image])[0] * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(0)
    assert (pixels[0, 0] - luma).abs().max() <= 1 / 255
    assert Preprocessing.from_dict(grey.to_dict() | {"mean": [0.5]}) == grey


@pytest.mark.parametrize("options", [{"resize": 36}, {}, {"interpolation": "bicubic"}, {"interpolation": "lanczos"}])
@pytest.mark.parametrize("shape", [TALL, WIDE, (20, 30_000)])
def test_bands_are_scaled_as_the_channels_of_a_photo_are(options, shape):
    colours = Preprocessing((32, 32), **options)
    three = colours.pixels([photo(*shape)])[0]
    bands = np.concatenate([photo(*shape).pixels, photo(*shape, seed=1).pixels], axis=2)
    for count in (2, 4, 5, 6):
        many = Preprocessing((32, 32), mean=(0.0,) * count, std=(1.0,) * count, **options)
        seen = many.pixels([open_image(bands[..., :count])])[0]
        assert seen.shape == (count, 32, 32)
        assert torch.equal(seen[: min(count, 3)], three[: min(count, 3)])
        assert torch.equal(many.normalize(seen[None])[0], seen)
        assert torch.equal(many.denormalize(seen[None])[0], seen)


@pytest.mark.parametrize(
    ("channels", "taken", "words"),
    [(3, 5, "has 3 channels, and the network takes 5"), (1, 4, "has 1 channel, and the network takes 4"),
     (5, 3, r"has 5 channels, and the network takes 3; .* array\[\.\.\., :3\]"), (2, 1, "has 2 .* takes 1"),
     (4, 2, "has 4 .* takes 2")],
)  # fmt: skip
def test_other_channels_than_the_network_takes_are_refused_with_both_numbers(channels, taken, words):
    image = open_image(np.random.default_rng(0).integers(0, 256, (40, 40, channels), np.uint8))
    with pytest.raises(BadImage, match=words) as caught:
        Preprocessing((32, 32), mean=(0.5,) * taken, std=(0.5,) * taken).pixels([image])
    assert caught.value.code == "channels"


def test_a_mask_is_seen_as_the_network_sees_the_picture():
    mask = np.zeros((40, 80), bool)
    mask[:, :30] = True  # of which the middle of the picture, 20 to 60, holds a quarter
    cropped = Preprocessing((32, 32), resize=32).mask(mask)
    assert (cropped.dtype, cropped.shape) == (np.bool_, (32, 32))
    assert cropped[:, :7].all()
    assert not cropped[:, 9:].any()
    assert Preprocessing((32, 32)).mask(mask).mean() == pytest.approx(30 / 80, abs=0.02)
