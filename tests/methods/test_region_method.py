"""What methods over regions share: which engine they get, and what becomes of what they find."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from typing_extensions import override

import zoo
from methods.seeing import SIXTEEN, checkers, seeing
from seewhy.engines import MaskedForward
from seewhy.engines.network_regions import network_regions
from seewhy.errors import SeewhyError, UsageError
from seewhy.images import Image
from seewhy.methods import Explanation, Found, find_method
from seewhy.methods.evidence import Rule
from seewhy.methods.regions import RegionMethod, seen_pixels
from seewhy.methods.surrogate import region_found
from seewhy.models import Classifier, Preprocessing, Target, black_box
from seewhy.verbs.explain import explain as explain_pictures

pytestmark = pytest.mark.usefixtures("one_thread")

RULE = Rule((1, 2), 0.97, 0.95, 0.99, 0.4, 0.1, 500, 0.95, "while these stay")


def draws(engine: MaskedForward, targets: Sequence[Target], generator: torch.Generator) -> list[Found]:
    """Random weights, the same for every target, after one forward of every region alone."""
    engine(torch.eye(engine.regions, dtype=torch.bool))
    weights = torch.randn(engine.regions, generator=generator).numpy()
    return [
        region_found(engine, weights + target.index, 0.1 * np.abs(weights), checks={"index": target.index})
        for target in targets
    ]


class Toy(RegionMethod):
    """Finds what `finds` says, and keeps the engines that it is given."""

    finds: Callable[[MaskedForward, Sequence[Target], torch.Generator], list[Found]] = draws
    engines: list[MaskedForward] = field(default_factory=list)

    @override
    def weigh(self, engine: MaskedForward, targets: Sequence[Target], generator: torch.Generator) -> list[Found]:
        self.engines.append(engine)
        return self.finds(engine, targets, generator)


def additive(visible: Tensor) -> Tensor:
    return torch.stack([visible.sum(1), -visible.sum(1)], 1)


def explain(method: RegionMethod, *targets: int, classifier: Classifier | None = None, images: Any = None,
            seed: int = 0) -> list[Explanation]:  # fmt: skip
    images = images or [checkers()]
    asked = [[Target(index) for index in targets or (0,)]] * len(images)
    generator = torch.Generator().manual_seed(seed)
    return method(classifier or seeing(SIXTEEN, additive), images, asked, generator=generator)


def test_weights_are_painted_on_their_regions():
    (found,) = explain(Toy(regions=SIXTEEN), 1)
    assert found.regions is not None
    assert np.array_equal(found.regions.labels, SIXTEEN)
    np.testing.assert_allclose(found.values, found.regions.weights[SIXTEEN], rtol=1e-6)
    np.testing.assert_allclose(found.regions.errors, np.abs(found.regions.weights - 1) / 10, rtol=1e-5)


def test_of_single_pixels_the_map_says_it_all():
    labels = np.arange(256).reshape(16, 16)
    (found,) = explain(Toy(regions=labels))
    assert found.regions is None
    assert len(np.unique(found.values)) == 256


def test_checks_of_the_engine_and_of_the_finding_are_told_and_the_rule_kept():
    def rule(engine: MaskedForward, targets: Sequence[Target], generator: torch.Generator) -> list[Found]:
        return [region_found(engine, np.ones(16), rule=RULE, checks={"coverage": 0.4})]

    (found,) = explain(Toy(regions=SIXTEEN, precision="float32", finds=rule))
    assert found.checks == {"precision_bits": 32, "coverage": 0.4}
    assert found.rule == RULE
    assert found.computed == ("PyTorch computed the answers in single precision.",)


def test_all_targets_share_the_forwards_and_the_seconds():
    first, second = explain(Toy(regions=SIXTEEN, precision="float32"), 0, 1)
    assert first.cost == second.cost
    assert first.cost.forwards == 1 + 16
    assert first.cost.backwards == 0
    np.testing.assert_allclose(second.values - first.values, 1, rtol=1e-5)


def test_every_image_starts_from_the_seed_again():
    first, second = explain(Toy(regions=SIXTEEN), images=[checkers(), checkers()], seed=4)
    assert first.values.tobytes() == second.values.tobytes()
    assert first.seed == second.seed == 4
    assert first.values.tobytes() != explain(Toy(regions=SIXTEEN), seed=5)[0].values.tobytes()


def test_the_settings_reach_the_engine():
    toy = Toy(regions=SIXTEEN, fill="black", precision="bfloat16", batch_size=3)
    told: list[int] = []
    (image,) = images = [checkers()]
    toy(seeing(SIXTEEN, additive), images, [[Target(0)]], generator=torch.Generator(),
        progress=lambda done, total, message: told.append(done) if message == "variations" else None)  # fmt: skip
    (engine,) = toy.engines
    assert engine.network.dtype == torch.bfloat16
    assert np.diff(told[-6:]).tolist() == [3, 3, 3, 3, 1]
    black = torch.where(torch.from_numpy(SIXTEEN == 2), torch.tensor(image.pixels[..., 0]) / 255, 0)
    whole = engine.classifier.logits(engine.classifier.preprocessing.normalize(black.expand(1, 3, 16, 16)))
    alone = engine(torch.eye(16, dtype=torch.bool))[2]
    torch.testing.assert_close(alone, whole[0], rtol=2**-6, atol=2**-6)


def test_settings_are_told():
    (found,) = explain(Toy(regions=SIXTEEN, fill="black", batch_size=3))
    assert found.parameters["fill"] == "black"
    assert found.parameters["batch_size"] == 3
    assert found.parameters["regions"]["shape"] == [16, 16]


@pytest.mark.parametrize("name", ["quickshift", "grid", "slic"])
def test_regions_are_cut_from_what_the_network_saw(name):
    classifier = Classifier.from_module(zoo.network("residual"), Preprocessing((24, 40)))
    (image,) = zoo.photos(1, 60, 50)
    toy = Toy(regions=name)
    (found,) = explain(toy, classifier=classifier, images=[image])
    labels = toy.labels(seen_pixels(classifier.preprocessing.pixels([image])[0]))
    assert found.regions is not None
    assert np.array_equal(found.regions.labels, labels)
    assert labels.shape == (24, 40)
    assert set(np.unique(labels)) == set(range(labels.max() + 1))


def test_what_the_network_saw_is_the_picture_before_normalising():
    classifier = zoo.classifier("residual")
    seen = seen_pixels(classifier.preprocessing.pixels(zoo.photos(1))[0])
    assert seen.shape == (*zoo.SIZE, 3)
    assert seen.dtype == np.float32
    assert 0 <= seen.min() < seen.max() <= 1
    normal = classifier.preprocessing.normalize(torch.from_numpy(seen).permute(2, 0, 1)[None])
    torch.testing.assert_close(normal, classifier.preprocess(zoo.photos(1)))


def test_regions_of_another_size_are_refused():
    with pytest.raises(UsageError, match="16 × 16"):
        explain(Toy(regions=SIXTEEN[:8]))


# --- Masks of people ----------------------------------------------------------------------------------------------


def cropped() -> Classifier:
    """A classifier that sees the middle of a photo, half as large."""
    return Classifier.from_module(zoo.network("residual"), Preprocessing((16, 16), resize=20))


def painted(labels: np.ndarray) -> Image:
    colours = np.random.default_rng(0).permutation(256)[: labels.max() + 1].astype(np.uint8)
    return Image(np.repeat(colours[labels][..., None], 3, 2), "mask.png")


@pytest.mark.parametrize("kind", [painted, np.asarray], ids=["picture", "label map"])
def test_a_mask_of_the_photo_is_seen_where_the_network_looks(kind):
    photo = Image(np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8), "photo")
    columns = np.broadcast_to(np.arange(60) // 6, (40, 60)).astype(np.int32)  # ten stripes
    (found,) = explain(Toy(regions=kind(columns)), classifier=cropped(), images=[photo])
    view = found.view
    middles = view.left + (np.arange(16) + 0.5) * (view.right - view.left) / 16
    wanted = np.unique(middles.astype(int) // 6, return_inverse=True)[1]
    stripes = found.regions.labels[0]
    assert len(np.unique(stripes)) == len(np.unique(wanted))
    assert all((stripes == stripes[place]).tolist() == (wanted == wanted[place]).tolist() for place in range(16))


def test_a_mask_of_another_photo_is_refused():
    photo = Image(np.zeros((40, 60, 3), np.uint8), "photo")
    with pytest.raises(UsageError, match="of the size of the photo, 40 × 60 pixels"):
        explain(Toy(regions=painted(np.zeros((60, 40), int))), classifier=cropped(), images=[photo])


def test_a_photo_is_no_mask():
    photo = Image(np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8), "photo")
    with pytest.raises(UsageError, match="colours; a mask has one for each region"):
        explain(Toy(regions=photo), classifier=cropped(), images=[photo])


# --- What cannot work is refused at once --------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["lime", "lime-classic", "kernel-shap", "partition-shap", "anchors"])
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"regions": "foo"}, "segmentation"),
        ({"regions": "slic:0"}, "from 2 to 1,000"),
        ({"regions": "slic:many"}, "after slic: comes"),
        ({"regions": "grid:"}, "how many cells a side"),
        ({"fill": "gray"}, "grey"),
    ],
)
def test_settings_that_cannot_work_are_refused_before_any_work(method, settings, message):
    with pytest.raises(SeewhyError, match=message):
        find_method(method, **settings)


@pytest.mark.parametrize(("regions", "count"), [("grid:3", 9), ("grid:5", 25)])
def test_the_size_of_regions_can_be_asked_for(regions, count):
    (found,) = explain(Toy(regions=regions))
    assert len(found.regions.weights) == count


def test_no_images_and_no_targets_are_no_explanations():
    toy = Toy(regions=SIXTEEN)
    assert toy(seeing(SIXTEEN, additive), [], [], generator=torch.Generator()) == []
    assert toy(seeing(SIXTEEN, additive), [checkers()], [[]], generator=torch.Generator()) == []


# --- What the network sees alike ----------------------------------------------------------------------------------


OVER_REGIONS = ("lime", "lime-classic", "kernel-shap", "permutation-shap", "partition-shap", "anchors", "anchors-lime")


@pytest.mark.parametrize("name", OVER_REGIONS)
def test_every_method_takes_what_the_network_sees_alike(name):
    classifier, (image,) = zoo.classifier("residual"), zoo.photos(1)
    settings = {"samples": 64} if name not in ("anchors", "anchors-lime") else {"budget": 64}
    method = find_method(name, regions="network:11", precision="float32", **settings)
    (found,) = method(classifier, [image], generator=torch.Generator().manual_seed(0))
    seen = classifier.preprocessing.pixels([image])[0]
    assert found.regions is not None
    np.testing.assert_array_equal(found.regions.labels, network_regions(classifier, seen, 11))


def test_auto_tries_it_too_and_counts_its_forward():
    method = find_method("lime-classic", regions="auto", precision="float32", samples=40)
    (found,) = method(zoo.classifier("residual"), zoo.photos(1), generator=torch.Generator().manual_seed(0))
    assert "r2_network" in found.checks
    assert found.cost.forwards > found.checks["trial_forwards"]


def test_a_black_box_is_refused_before_a_picture_is_looked_at():
    classifier = black_box(lambda batch: np.full((len(batch), 2), 0.5), categories=["a", "b"], size=(16, 16))
    for asked in ("network", "network:8"):
        with pytest.raises(UsageError, match=r"shows none of its layers.*choose regions by colour, such as slic"):
            explain_pictures(classifier, Path("absent.png"), "lime", regions=asked)
