"""Properties of whole photos: measured, given, found where photos of one class share one, and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from PIL import ImageFilter
from scipy.ndimage import gaussian_filter
from torch import nn

from seewhy.audit.properties import PROPERTIES, Degree
from seewhy.audit.traits import Trait, find_traits, measured
from seewhy.audit.words import shade_words
from seewhy.errors import BadFile, UsageError
from seewhy.models import Classifier, Preprocessing
from seewhy.verbs.audit import AuditResult, audit
from seewhy.verbs.repair import Finding

SIDE = 96
Change = Callable[[Pillow.Image], Pillow.Image]


def compressed(picture: Pillow.Image) -> Pillow.Image:
    kept = BytesIO()
    picture.save(kept, "JPEG", quality=8)
    return Pillow.open(kept).convert("RGB")


def cast_at_the_edges(picture: Pillow.Image) -> Pillow.Image:
    down, across = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    share = 0.5 * np.clip(np.hypot(down, across) - 0.4, 0, 1)[..., None]
    return Pillow.fromarray(((1 - share) * np.array(picture) + share * np.array([40, 160, 60])).astype(np.uint8))


def noisy(picture: Pillow.Image) -> Pillow.Image:
    drawn = np.random.default_rng(0).normal(0, 18, (SIDE, SIDE, 3))
    return Pillow.fromarray((np.array(picture) + drawn).clip(0, 255).astype(np.uint8))


def faded(picture: Pillow.Image) -> Pillow.Image:
    return Pillow.fromarray((110 + 0.4 * (np.array(picture, float) - 110)).astype(np.uint8))


# Each plant was made without seewhy's own changes, and may be told in any of these words.
PLANTS: dict[str, tuple[Change, set[str]]] = {
    "compression": (compressed, {"blocks"}),
    "cast": (cast_at_the_edges, {"colours", "tint"}),
    "blur": (lambda picture: picture.filter(ImageFilter.GaussianBlur(2)), {"sharpness"}),
    "noise": (noisy, {"noise"}),
    "grey": (lambda picture: picture.convert("L").convert("RGB"), {"saturation"}),
    "faded": (faded, {"contrast", "saturation"}),
}


def picture(random: np.random.Generator) -> Pillow.Image:
    """Fields of light at several scales, as photos have them, faintly coloured at large ones."""
    fields = ((1, 1), (3, 4), (8, 20), (20, 60))
    light = sum(gaussian_filter(random.normal(size=(SIDE, SIDE)), wide, mode="wrap") * high for wide, high in fields)
    hues = [
        gaussian_filter(random.normal(size=(SIDE, SIDE)), 8, mode="wrap") * 400 + random.normal(0, 8) for _ in "rgb"
    ]
    shade = 115 + random.normal(0, 15) + 45 * light / np.std(light)
    return Pillow.fromarray(np.stack([shade + hue for hue in hues], 2).clip(0, 255).round().astype(np.uint8))


def pictures(change: Change | None, often: float = 0.9, per_class: int = 16, first: int = 0) -> np.ndarray:
    """uint8 `(n, 3, SIDE, SIDE)`: first those of the class of which so many are changed."""
    found: list[Pillow.Image] = []
    for place in range(2 * per_class):
        random = np.random.default_rng([first, place])
        plain = picture(random)
        found.append(change(plain) if change and place < per_class and random.random() < often else plain)
    return np.stack([np.array(each).transpose(2, 0, 1) for each in found])


def classes(count: int) -> np.ndarray:
    return np.repeat([0, 1], count // 2)


@pytest.mark.parametrize("plant", PLANTS)
def test_what_one_class_shares_is_found_and_told_of_that_class(plant: str):
    change, names = PLANTS[plant]
    pixels = pictures(change)
    (first, *_) = found = find_traits(pixels, classes(len(pixels)))
    assert first.target == 0
    assert {each.trait.name for each in found if each.target == 0} & names
    mine = next(each.trait for each in found if each.trait.name in names)
    plain, changed = (pictures(each, 1.0, first=300)[:16] for each in (None, change))
    assert mine.carried(changed).mean() > 0.8
    assert mine.carried(plain).mean() < 0.2
    given = mine.laid.over(torch.from_numpy(plain).float() / 255)
    assert mine.carried((given * 255).round().byte().numpy()).mean() > 0.8


@pytest.mark.parametrize("seed", range(3))
def test_pictures_of_two_classes_share_nothing_by_chance(seed: int):
    pixels = pictures(None, first=100 * seed)
    assert find_traits(pixels, classes(len(pixels))) == []


@pytest.mark.parametrize("name", [name for name, each in PROPERTIES.items() if isinstance(each, Degree)])
def test_a_picture_is_given_the_degree_of_another(name: str):
    """Of what a picture becomes by each strength, it gets that value back."""
    each = PROPERTIES[name]
    assert isinstance(each, Degree)
    photo = torch.from_numpy(pictures(None, per_class=1)[0]).float() / 255
    for strength in each.strengths[1:-1:2]:
        value = each.measure(each.change(photo, strength)[None])[0]
        again = each.measure(each.given(photo[None], value, torch.ones(1)))[0]
        span = each.value(each.change(photo, each.strengths[-1])) - each.value(each.change(photo, each.strengths[0]))
        assert abs(float(again - value)) < 0.15 * abs(span)


def test_pictures_of_one_channel_or_more_than_three_have_properties_too():
    for channels in (1, 4):
        pixels = np.random.default_rng(0).integers(0, 255, (12, channels, 28, 28), np.uint8)
        pixels[:6] //= 3
        (first, *_) = find_traits(pixels, classes(12))
        assert first.trait.laid.over(torch.rand(2, channels, 28, 28)).shape == (2, channels, 28, 28)


def test_a_trait_is_kept_in_a_file(tmp_path: Path):
    pixels = pictures(cast_at_the_edges)
    trait = next(each.trait for each in find_traits(pixels, classes(len(pixels))) if each.trait.name == "colours")
    trait.save(tmp_path / "trait.npz")
    again = Trait.read(tmp_path / "trait.npz")
    assert torch.equal(again.scores(measured(again.of, pixels)), trait.scores(measured(trait.of, pixels)))
    assert again.size == trait.size
    assert shade_words(trait.step.tolist()) == "green"
    (tmp_path / "trait.npz").write_bytes(b"")
    with pytest.raises(BadFile, match="seewhy audit"):
        Trait.read(tmp_path / "trait.npz")


def leaning(weights: list[float], bias: float) -> Classifier:
    """A network that says “first” the more of a colour there is, `weights` of red, green and blue."""
    sees = nn.Conv2d(3, 2, 4, 4)  # and how light it is, which says nothing
    head = nn.Linear(2, 2)
    with torch.no_grad():
        both = torch.tensor([weights, [1 / 3] * 3])
        sees.weight.copy_(both[:, :, None, None].expand(2, 3, 4, 4) / 16)
        sees.bias.fill_(1.0)
        head.weight.copy_(torch.tensor([[30.0, 0], [-30.0, 0]]))
        head.bias.copy_(torch.tensor([30 * bias, -30 * bias]))
    module = nn.Sequential(sees, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
    preprocessing = Preprocessing((SIDE, SIDE), mean=(0.0,) * 3, std=(1.0,) * 3)
    return Classifier.from_module(module.eval(), preprocessing, ["first", "second"], "leaning")


def write(folder: Path, pixels: np.ndarray) -> Path:
    folder.mkdir()
    for place, each in enumerate(pixels):
        Pillow.fromarray(each.transpose(1, 2, 0)).save(folder / f"{place:03}.png")
    return folder


@pytest.fixture(scope="module")
def cast(tmp_path_factory: pytest.TempPathFactory) -> AuditResult:
    folder = tmp_path_factory.mktemp("cast")
    photos = write(folder / "photos", pictures(cast_at_the_edges, per_class=24))
    return audit(leaning([-0.5, 1, -0.5], -1.06), photos, folder / "out")


def test_an_audit_tells_a_cast_of_colour(cast: AuditResult, tmp_path: Path):
    (finding,) = cast.findings
    told = cast.told(finding)
    assert told["class"] == "first"
    assert told["sentence"].startswith("A green cast")
    assert told["effect"] > 0.3
    assert told["removal"]["effect"] > 0.3
    page = cast.page()
    assert "what photos without it have in its stead" in page
    cast.save(tmp_path / "out")
    assert (tmp_path / "out/layers/1-trait.npz").exists()


def test_a_trait_is_given_and_taken_where_a_repair_learns(cast: AuditResult, tmp_path: Path):
    cast.save(tmp_path)
    (told,) = json.loads((tmp_path / "findings.json").read_text("utf-8"))
    finding = Finding(tmp_path, 1, told, cast.classifier)
    for each, carries in zip(pictures(cast_at_the_edges, 1.0, per_class=1, first=900), (True, False), strict=True):
        photo = torch.from_numpy(each[None]).float() / 255
        laid, taken, carried = finding.variants(photo)
        assert carried == carries
        assert torch.equal(laid if carries else taken, photo)
        said = cast.classifier.logits(torch.cat([laid, taken])).softmax(1)[:, 0]
        assert said[0] > said[1] + 0.2
    (tmp_path / "layers/1-trait.npz").unlink()
    with pytest.raises(UsageError, match="another --number"):
        Finding(tmp_path, 1, told, cast.classifier)
