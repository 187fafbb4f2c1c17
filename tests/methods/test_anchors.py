"""Anchors of networks whose decision is a known function of which cells of the picture are in sight."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from seewhy.engines import Images
from seewhy.errors import UsageError
from seewhy.images import Image, open_image
from seewhy.methods import Explanation, find_method
from seewhy.methods.anchors import Anchors
from seewhy.methods.regions import seen_pixels
from seewhy.models import Categories, Classifier, Head, Preprocessing, Target

SIDE = 30
CELLS = 3
WHITE = Image(np.full((SIDE, SIDE, 3), 255, np.uint8), "white")
ROWS = np.arange(SIDE) // (SIDE // CELLS)
LABELS = ROWS[:, None] * CELLS + ROWS
NAMES = Categories(("cat", "dog", "cow"))
METHODS = ["anchors", "anchors-lime"]
every_method = pytest.mark.parametrize("name", METHODS)


class Cells(nn.Module):
    """Scores `rule` of the nine cells of the picture, bool `(n, 9)`, where white is in sight and black is hidden."""

    def __init__(self, rule: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.rule = rule
        self.share = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        cells = avg_pool2d(x[:, :1] * self.share, SIDE // CELLS)
        return self.rule(cells.flatten(1) > 0).float()


def classifier(rule: Callable[[Tensor], Tensor]) -> Classifier:
    return Classifier.from_module(Cells(rule).eval(), Preprocessing((SIDE, SIDE)), NAMES, "cells", gives="logits")


def says_cat(where: Callable[[Tensor], Tensor]) -> Classifier:
    """Cat where the function of the cells is true, else dog."""
    return classifier(lambda z: torch.stack([where(z).float(), torch.full((len(z),), 0.5), torch.zeros(len(z))], 1))


def explain(name: str, model: Classifier, *targets: Target, seed: int = 0, **parameters: Any) -> list[Explanation]:
    method = find_method(name, **{"regions": LABELS, "fill": "black", "precision": "float32", **parameters})
    return method(model, [WHITE], [list(targets or [Target(0)])], generator=torch.Generator().manual_seed(seed))


def both(z: Tensor) -> Tensor:
    return z[:, 1] & z[:, 5]


@every_method
def test_and(name):
    (found,) = explain(name, says_cat(both))
    rule = found.rule
    assert rule is not None
    assert rule.regions == (1, 5)
    assert rule.precision == 1
    assert rule.coverage == 0.25
    assert rule.holds
    assert rule.area == pytest.approx(np.isin(LABELS, [1, 5]).mean())
    assert rule.low > rule.threshold - 0.05
    assert rule.high == 1
    assert found.checks["precision_low"] == rule.low
    np.testing.assert_array_equal(found.values, np.isin(LABELS, [1, 5]))
    assert rule.sentence.startswith("These 2 regions (22")
    assert "while they stay, the model says “cat” in " in rule.sentence
    assert "by the toss of a coin; hidden ones are painted black." in rule.sentence


@every_method
def test_no_case_is_asked_twice(name):
    (found,) = explain(name, says_cat(both), other_fill=None)
    assert found.cost.forwards <= 2**9 + 1
    assert found.rule is not None
    assert found.rule.second is None


@every_method
def test_a_constant_model_needs_no_region(name):
    (found,) = explain(name, says_cat(lambda z: z[:, 0] | True))
    assert found.rule is not None
    assert (found.rule.regions, found.rule.coverage, found.rule.area) == ((), 1, 0)
    assert found.rule.holds
    assert found.is_zero
    assert found.rule.sentence.startswith("No region has to stay")


@every_method
def test_no_empty_rule_where_hiding_everything_loses_the_class(name):
    """One of the nine in sight is nearly always there by chance, and never with all hidden."""
    (found,) = explain(name, says_cat(lambda z: z.any(1)))
    assert found.rule is not None
    assert found.rule.holds
    assert len(found.rule.regions) == 1
    assert found.rule.sentence.endswith("the rule holds here too (90\u00a0% or more).")
    assert "With all of them hidden it still does." in found.rule.sentence


@every_method
def test_what_is_enough_by_chance_alone_grows_until_it_is_enough_by_itself(name):
    """Two or more of the nine: almost always by chance, with any one kept surely; but one alone is not enough."""
    (found,) = explain(name, says_cat(lambda z: z.sum(1) >= 2))
    assert found.rule is not None
    assert len(found.rule.regions) == 2
    assert "With all of them hidden it still does." in found.rule.sentence


class Shades(Cells):
    """Sees how bright each cell is, normalised: white above 1, black below −1, grey in between."""

    def forward(self, x: Tensor) -> Tensor:
        return self.rule(avg_pool2d(x[:, :1] * self.share, SIDE // CELLS).flatten(1)).float()


@pytest.mark.parametrize(("kept_in_grey", "fragile"), [(False, True), (True, False)])
def test_a_rule_is_fragile_where_another_way_of_hiding_breaks_it(kept_in_grey, fragile):
    """Cat while cell 4 is white, and (or not) nothing is grey."""

    def scores(z: Tensor) -> Tensor:
        grey = (z.abs() < 1).any(1)
        cat = (z[:, 4] > 1) & (~grey | kept_in_grey)
        return torch.stack([cat.float(), torch.full((len(z),), 0.5), torch.zeros(len(z))], 1)

    model = Classifier.from_module(Shades(scores).eval(), Preprocessing((SIDE, SIDE)), NAMES, "shades", gives="logits")
    (found,) = explain("anchors-lime", model, other_fill="grey")
    rule = found.rule
    assert rule is not None
    assert rule.second is not None
    assert (rule.regions, rule.holds, rule.fragile) == ((4,), True, fragile)
    assert rule.second.hidden == "painted grey"
    assert (rule.second.high < 0.9) == fragile
    assert ("fragile, as a rule promises" in rule.sentence) == fragile


def test_the_second_look_is_never_the_first_one_again():
    (found,) = explain("anchors-lime", says_cat(both), fill="grey", other_fill="grey")
    assert found.rule is not None
    assert found.rule.second is not None
    assert found.rule.second.hidden == "painted black"


@every_method
def test_a_picture_of_one_region_is_its_own_rule(name):
    (found,) = explain(name, says_cat(lambda z: z.all(1)), regions=np.zeros((SIDE, SIDE), np.int64))
    assert found.rule is not None
    assert found.rule.regions == (0,)
    assert (found.rule.area, found.rule.coverage) == (1, 0.5)
    assert found.rule.sentence.startswith("Only if all of the picture stays")


@every_method
def test_what_hangs_on_everything_fails_in_words(name):
    (found,) = explain(name, says_cat(lambda z: z.sum(1) % 2 == 1))
    assert found.rule is not None
    assert not found.rule.holds
    assert found.rule.low <= 0.5 <= found.rule.high
    assert found.rule.sentence.startswith("No rule was found under which the model says “cat” in 95")


@every_method
@pytest.mark.parametrize("target", [Target(1), Target(2), Target(1, 0)])
def test_what_the_model_does_not_say_has_no_anchor(name, target):
    (found,) = explain(name, says_cat(both), target)
    assert found.rule is not None
    assert found.is_zero
    assert not found.rule.holds
    assert found.rule.variations == 0
    assert not found.rule.sought
    assert "not the model's answer" in found.rule.sentence.lower()
    assert found.cost.forwards <= 10


@every_method
def test_a_tie_is_no_decision(name):
    (found,) = explain(name, classifier(lambda z: torch.ones(len(z), 3)))
    assert found.rule is not None
    assert found.is_zero
    assert not found.rule.holds
    assert "score exactly the same" in found.rule.sentence


@every_method
def test_one_class_rather_than_another(name):
    """Cat leads dog while cell 4 is in sight, whatever the cow, which is on top, does."""
    model = classifier(
        lambda z: torch.stack([z[:, 4].float(), torch.full((len(z),), 0.5), torch.full((len(z),), 2)], 1)
    )
    (found,) = explain(name, model, Target(0, 1))
    assert found.rule is not None
    assert found.rule.regions == (4,)
    assert "the model prefers “cat” to “dog”" in found.rule.sentence


@every_method
def test_one_seed_one_answer(name):
    def majority(z: Tensor) -> Tensor:
        return z[:, :5].sum(1) >= 3

    one, same = (explain(name, says_cat(majority), seed=4)[0] for _ in range(2))
    assert one.rule == same.rule
    assert one.cost.forwards == same.cost.forwards


@every_method
def test_targets_share_their_answers(name):
    model = says_cat(both)
    (alone,) = explain(name, model, Target(0))
    first, second, third = explain(name, model, Target(0), Target(0, 1), Target(2))
    assert first.rule == alone.rule
    assert second.rule is not None
    assert second.rule.regions == (1, 5)
    assert third.is_zero
    assert first.cost.forwards == alone.cost.forwards


def test_a_fill_of_several_pictures_is_drawn_from():
    """Behind hidden cells stands one of two pictures, black or white: half of what is hidden does not look so."""
    pictures = [Image(np.full((SIDE, SIDE, 3), grey, np.uint8), f"grey {grey}") for grey in (0, 255)]
    (found,) = explain("anchors", says_cat(lambda z: z.all(1)), fill=Images(pictures), largest=1)
    assert found.rule is not None
    assert found.rule.low <= 0.5 + 0.5 * 0.5**8 <= found.rule.high


@pytest.mark.parametrize("name", ["astronaut", "coffee", "cat"])
def test_slic_cuts_as_many_regions_as_asked_of_photos(name):
    pixels = Preprocessing((224, 224)).pixels([open_image(f"sample:{name}")])[0]
    assert 15 <= Anchors().labels(seen_pixels(pixels)).max() + 1 <= 25


def test_slic_cuts_about_as_many_regions_as_asked():
    ramp = np.arange(SIDE, dtype=np.uint8) * 8
    colours = np.stack(np.broadcast_arrays(ramp[:, None], ramp, 0), -1).astype(np.uint8)
    model, image = says_cat(both), Image(colours, "ramps")
    seen = seen_pixels(model.preprocessing.pixels([image])[0])
    few, more = (Anchors(segments=count).labels(seen).max() + 1 for count in (4, 30))
    assert 2 <= few < more <= 40
    assert Anchors(regions="grid").labels(seen).max() + 1 == 49


@pytest.mark.parametrize(
    "wrong",
    [
        {"threshold": 0.0},
        {"threshold": 1.1},
        {"delta": 0.0},
        {"delta": 1.0},
        {"largest": 0},
        {"largest": 11},
        {"batch": 1},
        {"segments": 1},
        {"other_fill": "gray"},
    ],
)
def test_senseless_settings_are_refused(wrong):
    with pytest.raises(UsageError):
        find_method("anchors", **wrong)


def test_the_lead_over_the_closest_rival():
    logits = torch.tensor([[3.0, 1.0, 2.0], [0.0, 0.0, -1.0], [1.0, 5.0, 4.0]])
    ahead, rival = Head().margin(logits, Target(0))
    assert ahead.tolist() == [1, 0, -4]
    assert rival.tolist() == [2, 1, 1]
    ahead, rival = Head().margin(logits, Target(0, 2))
    assert ahead.tolist() == [1, 1, -3]
    assert rival.tolist() == [2, 2, 2]
    assert Head().margin(logits[:, :1], Target(0))[0].tolist() == [torch.inf] * 3
