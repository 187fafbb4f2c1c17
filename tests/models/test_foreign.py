"""Pictures prepared as the network's own library does it, found out by running that."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from models.test_preprocessing import photo
from seewhy.errors import ModelError
from seewhy.images import Image
from seewhy.models import Preprocessing
from seewhy.models.foreign import Foreign, checked, require_own
from seewhy.models.from_hub import Processor, transformers_preprocessing

SHAPES = [(500, 300), (260, 640), (333, 333), (97, 250)]
PROCESSORS = {
    "MobileViTImageProcessor": {},  # blue first, not normalised
    "EfficientNetImageProcessor": {"include_top": True},  # normalised twice
    "DeiTImageProcessor": {},  # squeezed, then cut
    "DonutImageProcessor": {"size": {"height": 64, "width": 48}},  # a margin all round
    "ViTImageProcessor": {"do_rescale": False, "do_normalize": False},
    "CLIPImageProcessor": {},
    "LevitImageProcessor": {},
    "PerceiverImageProcessor": {},
    "BridgeTowerImageProcessor": {},
    "PvtImageProcessor": {},
    "BeitImageProcessor": {"do_center_crop": True, "size": {"height": 256, "width": 200}},
    "BitImageProcessor": {"size": {"shortest_edge": 256}, "crop_size": {"height": 200, "width": 224}},
    "ConvNextImageProcessor": {"size": {"shortest_edge": 224}, "crop_pct": 0.875},
    "MobileNetV1ImageProcessor": {"do_convert_rgb": True},
    "PoolFormerImageProcessor": {"crop_pct": 0.7},
    "SegformerImageProcessor": {"do_reduce_labels": True},
    "PPLCNetImageProcessor": {},
    "SamImageProcessor": {"size": {"longest_edge": 64}, "pad_size": {"height": 64, "width": 64}},  # at one side
}


def processor(name, **options):
    import transformers

    return getattr(transformers, name)(**options)


def of(made):
    return checked(Processor(made), lambda: transformers_preprocessing(made.to_dict()), type(made).__name__)


@pytest.mark.parametrize("name", PROCESSORS)
def test_the_network_gets_what_its_processor_makes(name):
    made = processor(name, **PROCESSORS[name])
    found, notes = of(made)
    for shape in SHAPES:
        image = photo(*shape)
        theirs = made(images=image.to_pil(), return_tensors="pt")["pixel_values"]
        ours = found.normalize(found.pixels([image]))
        assert ours.shape == theirs.shape
        assert (ours - theirs).abs().mean() < 0.02
        assert found.size == tuple(theirs.shape[2:])
    assert bool(notes) == isinstance(found, Foreign)
    assert all("own" in note for note in notes[:1])


@pytest.mark.parametrize("short", [224, 225, 256])
def test_a_crop_rounded_otherwise_is_noticed(short):
    made = processor("BitImageProcessor", size={"shortest_edge": short}, crop_size={"height": 200, "width": 200})
    found, _ = of(made)
    for wide in range(300, 340):  # one pixel is much where edges are sharp
        noise = np.random.default_rng(wide).integers(0, 256, (280, wide, 3), np.uint8)
        theirs = made(images=Pillow.fromarray(noise), return_tensors="pt")["pixel_values"]
        assert (found.normalize(found.pixels([Image(noise, "noise")])) - theirs).abs().mean() < 0.02


def test_what_our_steps_do_as_well_is_ours():
    found, notes = of(processor("ViTImageProcessor"))
    assert found == Preprocessing((224, 224), mean=(0.5,) * 3, std=(0.5,) * 3)
    assert notes == ()


def test_settings_that_cannot_be_read_do_not_matter():
    def unreadable():
        raise KeyError("size")

    made = processor("ViTImageProcessor", size={"height": 32, "width": 48})
    found, _ = checked(Processor(made), unreadable, "a processor")
    assert isinstance(found, Foreign)
    assert found.size == (32, 48)
    assert found.mean == pytest.approx((0.5,) * 3)
    assert found.std == pytest.approx((0.5,) * 3)


def test_pixels_are_the_pictures_colours_whatever_the_network_gets():
    red = Image(np.full((300, 400, 3), (255, 0, 51), np.uint8), "red")
    for name in (
        "MobileViTImageProcessor",
        "PPLCNetImageProcessor",
        "EfficientNetImageProcessor",
        "CLIPImageProcessor",
    ):
        found, _ = of(processor(name))
        pixels = found.pixels([red])[0]
        torch.testing.assert_close(pixels.flatten(1).median(1).values, torch.tensor([1.0, 0.0, 0.2]), atol=2e-3, rtol=0)
        inputs = found.normalize(pixels[None])
        torch.testing.assert_close(found.denormalize(inputs)[0], pixels)
    found, _ = of(processor("MobileViTImageProcessor"))
    assert found.normalize(found.pixels([red]))[0, 2].median() == pytest.approx(1, abs=2e-3)  # red comes last


# Where the network looks


def squeezed_then_cut(picture):
    return (
        torch.from_numpy(np.array(picture.resize((80, 80), Pillow.Resampling.BILINEAR)))[10:70, 15:65].permute(2, 0, 1)
        / 255
    )


def padded_below(picture):
    canvas = Pillow.new("RGB", (64, 64), (90, 90, 90))
    factor = 64 / max(picture.size)
    size = (round(picture.width * factor), round(picture.height * factor))
    canvas.paste(picture.resize(size, Pillow.Resampling.BILINEAR))
    return (torch.from_numpy(np.array(canvas)).permute(2, 0, 1).float() / 255 - 0.4) / 0.2


def on_its_side(picture):
    return torch.from_numpy(np.array(picture.resize((60, 60)))).permute(2, 1, 0).float()


def mirrored(picture):
    return torch.from_numpy(np.array(picture.resize((60, 60)))).permute(2, 0, 1).flip(2).float()


def where_it_is_bright(picture):
    grey = np.array(picture.convert("L"))
    part = picture.crop((0, 0, *picture.size)) if grey[:, 0].mean() > 127 else picture.crop((50, 0, *picture.size))
    return torch.from_numpy(np.array(part.resize((60, 60)))).permute(2, 0, 1).float()


def standardised(picture):
    x = torch.from_numpy(np.array(picture.resize((60, 60)))).permute(2, 0, 1).float()
    return (x - x.mean()) / x.std()


def foreign(prepare):
    return checked(prepare, lambda: Preprocessing((60, 60)), prepare.__name__)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_view_is_found(shape):
    tall, wide = shape
    cut, _ = foreign(squeezed_then_cut)
    expected = (wide * 15 / 80, tall * 10 / 80, wide * 65 / 80, tall * 70 / 80)
    assert tuple(cut.view(photo(*shape))) == pytest.approx(expected, abs=0.01 * max(shape))
    padded, _ = foreign(padded_below)
    assert tuple(padded.view(photo(*shape))) == pytest.approx((0, 0, max(shape), max(shape)), abs=0.012 * max(shape))


@pytest.mark.parametrize("prepare", [on_its_side, mirrored, where_it_is_bright])
def test_a_view_that_is_no_upright_box_is_told(prepare):
    found, notes = foreign(prepare)
    assert any("is not known" in note for note in notes)
    assert tuple(found.view(photo(100, 200))) == (0, 0, 200, 100)


@pytest.mark.parametrize("name", ["DeiTImageProcessor", "CLIPImageProcessor", "MobileViTImageProcessor"])
@pytest.mark.parametrize("shape", SHAPES)
def test_masks_go_the_way_of_pictures(name, shape):
    found, _ = of(processor(name))
    down, across = np.mgrid[: shape[0], : shape[1]]
    mask = (down > shape[0] * 0.4) & (across < shape[1] * 0.55)
    seen, view = found.mask(mask), found.view(photo(*shape))
    rows = view.top + (np.arange(found.size[0]) + 0.5) * view.height / found.size[0]
    columns = view.left + (np.arange(found.size[1]) + 0.5) * view.width / found.size[1]
    inside = (rows > 0) & (rows < shape[0])
    within = (columns > 0) & (columns < shape[1])
    expected = ((rows > shape[0] * 0.4) & inside)[:, None] & ((columns < shape[1] * 0.55) & within)
    assert (seen != expected).mean() < 0.015


def test_margins_are_no_part_of_a_mask():
    found, _ = foreign(padded_below)
    seen = found.mask(np.ones((50, 100), bool))
    assert seen[:32].all()
    assert not seen[33:].any()
    assert not found.mask(np.zeros((50, 100), bool)).any()


@pytest.mark.parametrize("name", ["DeiTImageProcessor", "MobileViTImageProcessor", "CLIPImageProcessor"])
def test_a_picture_framed_is_seen_as_it_was(name):
    found, _ = of(processor(name))
    seen = photo(*found.size, seed=3)
    again = found.pixels([Image(found.framed(seen.pixels), "framed")])[0].permute(1, 2, 0).numpy()
    height, width = found.size
    middle = (slice(height // 8, -height // 8), slice(width // 8, -width // 8))  # a margin cannot be given
    assert abs(again * 255 - seen.pixels)[middle].mean() < 1


def test_what_is_standardised_by_the_picture_is_prepared_all_the_same():
    found, notes = foreign(standardised)
    image = photo(90, 200)
    assert notes
    torch.testing.assert_close(
        found.normalize(found.pixels([image]))[0], standardised(image.to_pil()), atol=1e-4, rtol=0
    )


# What is refused


def any_size(picture):
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float()


def patches(picture):
    return torch.zeros(196, 768)


def grey(picture):
    return torch.zeros(1, 32, 32)


def broken(picture):
    raise ImportError("\nMyProcessor requires the PyTesseract library but it was not found\nmore")


def sometimes(picture):
    side = 32 if picture.width < 1000 else 64
    return torch.zeros(3, side, side) + torch.from_numpy(np.array(picture)).float().mean() / 255


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (any_size, r"any_size makes inputs of another shape of each picture \(\(3, 500, 300\), \(3, 260, 640\)"),
        (patches, r"patches makes no picture \(channels, height, width\) of a picture, but \(196, 768\)"),
        (grey, "grey makes 1 channels of a picture, and the network takes 3"),
        (
            broken,
            "broken does not prepare a picture: MyProcessor requires the PyTesseract library but it was not found;",
        ),
    ],
)
def test_what_gives_no_picture_of_one_size_is_refused_with_its_reason(prepare, words):
    with pytest.raises(ModelError, match=words):
        foreign(prepare)


def test_a_size_that_comes_later_is_refused_then():
    found, _ = foreign(sometimes)
    with pytest.raises(ModelError, match=r"of a picture of 1200 × 20, where others became \(32, 32\)"):
        found.pixels([photo(20, 1200)])


def test_other_channels_are_taken_as_the_settings_say_with_a_note():
    five = Preprocessing((32, 32), mean=(0.5,) * 5, std=(0.5,) * 5)
    found, notes = checked(any_size, lambda: five, "a processor", 5)
    assert found is five
    assert "was not checked" in notes[0]


def test_one_channel_is_the_picture_in_grey():
    made = processor("ViTImageProcessor", size={"height": 32, "width": 32}, image_mean=[0.3], image_std=[0.2])
    found, _ = checked(Processor(made), lambda: transformers_preprocessing(made.to_dict()), "a processor", 1)
    image = photo(60, 90)
    theirs = made(images=image.to_pil().convert("L"), return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(found.normalize(found.pixels([image])), theirs, atol=0.03, rtol=0)


def test_it_survives_pickle_and_no_card_takes_it():
    found, _ = of(processor("DeiTImageProcessor"))
    again = pickle.loads(pickle.dumps(found))  # noqa: S301
    image = photo(70, 90)
    assert torch.equal(again.pixels([image]), found.pixels([image]))
    assert again.to_dict() == found.to_dict() != Preprocessing().to_dict()
    with pytest.raises(ModelError, match=r"prepared by DeiTImageProcessor.*Recipe\(preprocessing="):
        require_own(found, "a network")


@pytest.mark.parametrize(
    "options",
    [
        {"crop_mode": "squash", "crop_pct": 0.9},
        {"crop_mode": "border", "crop_pct": 0.9},
        {"crop_pct": 1.15},
        {"input_size": (3, 96, 160), "crop_pct": 0.9},
    ],
)
def test_timms_transform_is_what_counts(options):
    import timm
    from timm.data import create_transform, resolve_model_data_config

    from seewhy.models.from_timm import classifier_of

    network = timm.create_model("test_resnet", pretrained=False, num_classes=5, pretrained_cfg_overlay=options)
    transform = create_transform(**resolve_model_data_config(network))
    classifier = classifier_of(network, "a network")
    for shape in SHAPES:
        image = photo(*shape)
        assert (classifier.preprocess([image])[0] - transform(image.to_pil())).abs().mean() < 0.02
