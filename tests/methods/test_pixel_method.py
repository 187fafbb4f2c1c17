"""What methods of gradients share: what a query knows, and what becomes of what is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

import zoo
from seewhy.engines import Constant, Images, Noise
from seewhy.methods import Explanation, Found, Task
from seewhy.methods.gradients import PixelMethod, Query, completeness_gap, gap_notes
from seewhy.models import Target

pytestmark = pytest.mark.usefixtures("one_thread")

PIXELS = torch.rand((3, *zoo.SIZE), generator=torch.Generator().manual_seed(0))


def query(layer: str | None = None, name: str = "residual") -> Query:
    classifier = zoo.classifier(name)
    x = classifier.preprocessing.normalize(PIXELS[None])
    task = Task(classifier, PIXELS[None], x, [[Target(0)]], generator=torch.Generator().manual_seed(3))
    return Query(task, layer)


# --- The query ----------------------------------------------------------------------------------------------------


def test_the_point_is_the_normalised_picture():
    asked = query()
    torch.testing.assert_close(asked.point, asked.network.classifier.preprocessing.normalize(PIXELS[None]))
    assert asked.point is asked.point, "and is made once"


def test_at_a_layer_the_point_is_what_the_layer_puts_out():
    asked = query("stem")
    module = asked.network.classifier.module
    torch.testing.assert_close(asked.point, module.stem(query().point).detach())


@pytest.mark.parametrize(
    ("background", "count"), [("black", 1), ("blur", 1), (Noise(draws=5), 5), (Images(tuple(zoo.photos(3))), 3)]
)
@pytest.mark.parametrize("layer", [None, "stem"])
def test_references_are_what_a_fill_puts_where_all_is_hidden(background, count, layer):
    asked = query(layer)
    assert asked.references(background).shape == (count, *asked.point.shape[1:])


def test_a_reference_of_one_colour():
    asked = query()
    wanted = asked.network.classifier.preprocessing.normalize(torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1))
    torch.testing.assert_close(asked.references(Constant((0.1, 0.2, 0.3))), wanted.expand(1, 3, *zoo.SIZE))


def test_colours_are_summed_or_the_strongest_is_taken():
    values = torch.tensor([[1.0, -5.0, 2.0], [0.0, 3.0, -1.0]]).view(2, 3, 1, 1)
    assert query().summed(values).flatten().tolist() == [-2, 2]
    assert query().strongest(values).flatten().tolist() == [5, 3]


def test_tokens_are_folded_to_a_grid_first():
    asked = query("blocks.0", "tiny-vit")
    assert asked.point.shape == (1, 17, 16)
    assert asked.summed(asked.point).shape == (1, 4, 4)
    torch.testing.assert_close(asked.summed(asked.point).flatten(), asked.point[0, 1:].sum(1))


# --- The method ---------------------------------------------------------------------------------------------------


def slope(asked: Query) -> list[Found]:
    _, found = asked.network.gradients(asked.point, asked.targets)
    noise = torch.randn(1, generator=asked.generator)
    return [Found(asked.summed(each)[0] + noise, checks={"noise": float(noise)}) for each in found]


class Toy(PixelMethod):
    """Finds what `finds` says."""

    signed = True

    finds: Callable[[Query], list[Found]] = slope

    @override
    def attribute(self, query: Query) -> list[Found]:
        return self.finds(query)


def explain(toy: Toy, *targets: int, count: int = 1, seed: int = 0, **options: Any) -> list[Explanation]:
    asked = [[Target(index) for index in targets or (0,)]] * count
    generator = torch.Generator().manual_seed(seed)
    return toy(zoo.classifier("residual"), zoo.photos(count), asked, generator=generator, **options)


def test_what_it_cost_is_told():
    found = explain(Toy(), 0, 2)
    assert {(each.cost.forwards, each.cost.backwards) for each in found} == {(2, 2)}


def test_every_image_and_layer_starts_from_the_seed_again():
    found = explain(Toy(layers=("stem", "norm")), 0, 1, count=2, seed=7)
    assert len({each.checks["noise"] for each in found}) == 1
    assert {each.seed for each in found} == {7}
    assert explain(Toy(), seed=8)[0].checks != found[0].checks


def test_maps_of_a_layer_are_enlarged_to_the_picture_and_errors_with_them():
    def halves(asked: Query) -> list[Found]:
        values = torch.zeros(16, 16)
        values[:, 8:] = 2
        return [Found(values, errors=values / 2)]

    (found,) = explain(Toy(layers=("stem",), finds=halves))
    assert found.layer == "stem"
    assert found.values.shape == zoo.SIZE
    assert not found.values[:, :14].any()
    np.testing.assert_allclose(found.values[:, 18:], 2)
    np.testing.assert_allclose(found.errors, found.values / 2)


def test_maps_of_the_pictures_size_stay_as_they_are():
    def noise(asked: Query) -> list[Found]:
        return [Found(PIXELS[0].double())]

    (found,) = explain(Toy(finds=noise))
    assert np.array_equal(found.values, PIXELS[0].numpy())
    assert found.layer is None
    assert found.errors is None


def test_progress_is_told_image_by_image():
    told: list[tuple[int, int | None, str]] = []
    explain(Toy(), count=3, progress=lambda *now: told.append(now))
    assert told == [(1, 3, "images"), (2, 3, "images"), (3, 3, "images")]


# --- Completeness -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "change", "gap"),
    [
        ([1.0, 2.0, 3.0], 6.0, 0.0),
        ([1.0, 2.0, 3.0], 5.0, 0.2),
        ([1.0, 2.0, 3.0], 60.0, 0.9),
        ([3.0, -3.0], 0.0, 0.0),  # nothing changes, and what speaks for it and against it is equal
        ([3.0, -2.0], 0.0, 0.2 * 2**23),  # in units of what float32 rounds
        ([0.0, 0.0], 0.0, 0.0),
        ([0.0, 0.0], -2.0, 1.0),
    ],
)
def test_how_far_a_map_is_from_adding_up(values, change, gap):
    assert completeness_gap(torch.tensor(values), torch.tensor(change)) == pytest.approx(gap)


numbers = st.integers(-1000, 1000).map(float)


@given(values=st.lists(numbers, min_size=1, max_size=9), change=numbers, factor=st.sampled_from([-4.0, 0.5, 1024.0]))
def test_the_gap_is_relative_to_the_change_and_has_no_unit(values, change, factor):
    tensor, target = torch.tensor(values).double(), torch.tensor(change).double()
    gap = completeness_gap(tensor, target)
    if change:
        assert gap == pytest.approx(abs(sum(values) - change) / abs(change))
    assert completeness_gap(factor * tensor, factor * target) == pytest.approx(gap)


@pytest.mark.parametrize(("values", "change"), [([1.0, 2.0], 3.0), ([1.0, 2.0], 3.02), ([0.0], 0.0)])
def test_a_map_that_adds_up_needs_no_note(values, change):
    assert gap_notes(torch.tensor(values), torch.tensor(change), "") == ()


@pytest.mark.parametrize(
    ("values", "change", "words"),
    [
        ([1.0, 2.0], 6.0, "its values sum to +3, while the score changed by +6. Why."),
        ([-1.0, 0.5], 6.0, "its values sum to -0.5, while the score changed by +6. Why."),
        ([500.0, -400.0], 0.001, "its values sum to +100, while the score hardly changed, by +0.001. Why."),
    ],
)
def test_one_that_does_not_says_both_numbers(values, change, words):
    assert gap_notes(torch.tensor(values), torch.tensor(change), "Why.") == (f"This map does not add up: {words}",)
