from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from seewhy.errors import UsageError
from seewhy.images import Image
from seewhy.models import Categories, Classifier, Preprocessing
from seewhy.network.axes import class_space, find_axes
from seewhy.report.classes import axes_page

CLASSES, WIDTH = 5, 9
NAMES = Categories(tuple("abcde"))
PREPARING = Preprocessing((8, 8), mean=(0.0,) * 3, std=(1.0,) * 3)


def weights(seed: int = 0) -> torch.Tensor:
    return torch.randn((CLASSES, WIDTH), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def photos(count: int = 6) -> list[Image]:
    random = np.random.default_rng(0)
    return [Image(random.integers(0, 256, (8, 8, 3), dtype=np.uint8), f"{number}.png") for number in range(count)]


def classifier(*, square: bool = False) -> Classifier:
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.maps, self.head = nn.Sequential(nn.Conv2d(3, WIDTH, 3), nn.ReLU()), nn.Linear(WIDTH, CLASSES)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            scores = self.head(self.maps(x).mean((2, 3)))
            return 3 * scores**2 + scores if square else scores

    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Classifier(Network().eval(), PREPARING, NAMES, "small")


def test_the_axes_say_every_centred_score():
    given, features = weights(), torch.randn((4, WIDTH), generator=torch.Generator().manual_seed(1)).double()
    space = class_space(given)
    scores = features @ (given - given.mean(0)).T
    said = torch.einsum("kr,r,nr->nk", space.classes, space.widths, features @ space.axes.T)
    assert torch.allclose(said, scores, atol=1e-9)
    assert float(space.shares.sum()) == pytest.approx(1)


def test_along_the_first_axis_its_ends_part_as_fast_as_it_is_wide():
    given = weights()
    space = class_space(given)
    low, high = int(space.classes[:, 0].argmin()), int(space.classes[:, 0].argmax())
    parted = (given[high] - given[low]) @ space.axes[0]
    assert float(parted) == pytest.approx(float(space.widths[0] * (space.classes[high, 0] - space.classes[low, 0])))


def test_what_is_blind_moves_no_difference_of_scores():
    given = weights()
    space = class_space(given)
    assert space.blind == WIDTH - (CLASSES - 1)
    move = torch.randn(WIDTH, generator=torch.Generator().manual_seed(3)).double()
    across = move - space.axes.T @ (space.axes @ move)
    changed = given @ across
    assert float((changed - changed.mean()).abs().max()) < 1e-9
    assert space.unseen(across[None]).item() == pytest.approx(1)
    assert space.unseen(space.axes[:1]).item() == pytest.approx(0, abs=1e-12)


def test_signs_are_settled_by_the_largest_class():
    one, other = class_space(weights()), class_space(weights()[torch.tensor([3, 1, 0, 2, 4])])
    assert torch.allclose(one.axes, other.axes, atol=1e-9)
    largest = one.classes.gather(0, one.classes.abs().argmax(0, keepdim=True))
    assert bool((largest > 0).all())


def test_maps_average_to_the_coordinate_and_ends_are_those_of_the_photos():
    found = find_axes(classifier(), photos(), count=2)
    assert len(found.axes) == 2
    for number, axis in enumerate(found.axes):
        along = found.coordinates[:, number]
        assert [each.coordinate for each in axis.low_photos] == pytest.approx(sorted(along)[:3])
        assert [each.coordinate for each in axis.high_photos] == pytest.approx(sorted(along)[:2:-1])
        for each in (*axis.low_photos, *axis.high_photos):
            assert each.map is not None
            assert each.map.mean() == pytest.approx(each.coordinate, abs=1e-6)
        assert not set(axis.low) & set(axis.high)


def test_a_single_photo_lies_at_one_end():
    for axis in find_axes(classifier(), photos(1), count=2).axes:
        (found,) = (*axis.low_photos, *axis.high_photos)
        assert (found in axis.low_photos) == (found.coordinate < 0)


def test_the_page_says_what_was_found():
    found = find_axes(classifier(), photos(), count=2)
    page = axes_page(found, "small")
    assert f"To {found.blind} the classifier is blind" in page
    assert f"{100 * found.unseen:.1f} % of the embedding" in page
    assert ", ".join(found.axes[0].high) in page


def test_a_last_layer_that_is_not_linear_has_no_axes():
    with pytest.raises(UsageError, match="no linear function"):
        find_axes(classifier(square=True), photos())
    with pytest.raises(UsageError, match="give some"):
        find_axes(classifier(), [])
