"""Networks of one, two, four and five channels, from pictures to maps: by every door, as the plain network has it."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tifffile
import torch
from torch import nn

import seewhy
from methods.test_conformance import PARAMETERS
from seewhy import Classifier
from seewhy.errors import BadImage, ModelError
from seewhy.images import open_image
from seewhy.methods import Explanation, suitable_methods
from seewhy.models import Preprocessing, black_box

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (32, 32), np.uint8)
COLOURS = RNG.integers(0, 256, (32, 32, 3), np.uint8)


def network(channels: int) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(channels, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(8, 4),
    ).eval()  # fmt: skip


class Averaging(nn.Module):
    """What people wrote round a grey network."""

    def __init__(self) -> None:
        super().__init__()
        self.grey = network(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.grey(x.mean(1, keepdim=True))


def classifier(channels: int, **options: object) -> Classifier:
    preprocessing = Preprocessing((32, 32), mean=(0.4,) * channels, std=(0.3,) * channels, **options)
    return Classifier.from_module(network(channels), preprocessing)


def probabilities(found: list) -> list[float]:
    return [each.probability for each in sorted(found, key=lambda each: each.index)]


@pytest.mark.parametrize("method", ["grad-cam", "integrated-gradients", "lrp", "deep-lift", "occlusion", "kernel-shap"])
def test_a_grey_network_is_explained_as_behind_an_averaging_wrapper(method):
    wrapper = Classifier.from_module(Averaging(), Preprocessing((32, 32), mean=(0.4,) * 3, std=(0.3,) * 3))
    wanted = seewhy.explain(wrapper, GREY, method, target=1).values
    found = seewhy.explain(classifier(1), GREY, method, target=1).values
    assert np.abs(found - wanted).max() < 1e-3 * np.abs(wanted).max()


def saved(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def tiff(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, values, planarconfig="contig", photometric="minisblack")
    return file.getvalue()


@pytest.mark.parametrize("channels", [2, 4, 5])
@pytest.mark.parametrize(
    "source", [lambda bands: bands, lambda bands: torch.from_numpy(bands).permute(2, 0, 1), saved, tiff, open_image],
    ids=["array", "tensor", "npy", "tiff", "image"],
)  # fmt: skip
def test_all_channels_reach_the_network(channels, source):
    bands = RNG.integers(0, 256, (32, 32, channels), np.uint8)
    inputs = (torch.from_numpy(bands).permute(2, 0, 1)[None].float() / 255 - 0.4) / 0.3
    with torch.no_grad():
        wanted = network(channels)(inputs)[0].softmax(0)
    found = classifier(channels).predict(source(bands), 4)
    assert probabilities(found) == pytest.approx(wanted.tolist(), abs=1e-5)


@pytest.mark.parametrize("channels", [1, 2, 4, 5])
def test_every_method_explains_draws_and_saves_any_channels(channels, tmp_path):
    bands = RNG.integers(0, 256, (40, 36, channels), np.uint8)
    asked, image = classifier(channels, resize=34), open_image(bands, name="field")
    for info in suitable_methods(asked):
        needed = {"reference": open_image(bands[::-1])} if "reference" in info.required else {}
        given = PARAMETERS.get(info.name, {}) | needed
        found = seewhy.explain(asked, image, info.name, target=1, **given)
        assert found.values.shape == (32, 32), info.name
    again = Explanation.load(found.save(tmp_path / "found"))
    assert again.image.sha256 == image.sha256
    assert asked.predict(again.image, 4) == asked.predict(image, 4)
    assert (tmp_path / "found/image.npy").exists() == (channels != 1)


def test_alpha_of_photos_is_laid_on_white_for_colours():
    rgba = np.dstack([COLOURS, np.full((32, 32), 128, np.uint8)])
    asked = classifier(3)
    found = seewhy.explain(asked, rgba, "grad-cam")
    assert "transparency" in found.image.notes[0]
    white = np.rint(COLOURS * (128 / 255) + 255 * (127 / 255)).astype(np.uint8)
    assert probabilities(asked.predict(rgba, 4)) == pytest.approx(probabilities(asked.predict(white, 4)), abs=1e-3)


def test_a_network_is_never_given_other_channels_than_it_takes():
    with pytest.raises(BadImage, match="has 3 channels, and the network takes 4"):
        seewhy.explain(classifier(4), COLOURS)
    with pytest.raises(BadImage, match="has 5 channels, and the network takes 1"):
        seewhy.explain(classifier(1), np.dstack([GREY] * 5))


def test_undeclared_a_grey_network_sees_grey_and_a_wrapped_one_colours():
    assert Classifier.from_module(network(1)).preprocessing.channels == 1
    assert Classifier.from_module(Averaging()).preprocessing.channels == 3
    with pytest.raises(ModelError, match="4"):
        Classifier.from_module(network(4)).predict(COLOURS)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_a_black_box_may_take_any_channels(channels):
    seen: list[np.ndarray] = []

    def score(pictures: np.ndarray) -> np.ndarray:
        seen.append(pictures)
        rows = pictures.reshape(len(pictures), -1).mean(1) / 255
        return np.stack([rows, 1 - rows], 1)

    asked = black_box(score, size=(32, 32), channels=channels)
    bands = RNG.integers(0, 256, (32, 32, channels), np.uint8)
    assert probabilities(asked.predict(bands, 2)) == pytest.approx(
        [bands.mean() / 255, 1 - bands.mean() / 255], abs=1e-4
    )
    assert any(np.array_equal(each[0], bands) for each in seen)
    assert seewhy.explain(asked, bands, "occlusion", target=0).values.shape == (32, 32)


def test_a_fill_of_pictures_of_bands_keeps_them_whole():
    from seewhy.engines import Images

    bands = RNG.integers(0, 256, (32, 32, 5), np.uint8)
    filler = Images([open_image(bands)]).prepare(torch.rand(5, 32, 32), None, torch.Generator())
    assert torch.allclose(filler.pictures[0], torch.from_numpy(bands).permute(2, 0, 1) / 255, atol=1e-6)
