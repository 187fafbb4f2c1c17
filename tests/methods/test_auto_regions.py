"""Which segmentation is chosen, and what that costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import seewhy
from methods.seeing import checkers, seeing
from seewhy.engines import SEGMENTERS, MaskedForward, segment
from seewhy.methods import find_method, regions
from seewhy.methods.regions import ASKED, FEWEST, best_engine, cut, explained
from seewhy.models import Target

SIDE = 28
FINE = segment(np.zeros((SIDE, SIDE, 3)), "grid:7")
SHIFTED = np.roll(FINE, (2, 2), (0, 1))
COARSE = FINE // 21 * 2 + FINE % 7 // 4


def whole_cells(visible: Tensor) -> Tensor:
    """The log-probability of the first class is a sum over the regions that are seen as a whole."""
    weights = torch.rand(visible.shape[1], generator=torch.Generator().manual_seed(1))
    score = -0.1 - (visible < 0.9).float() @ weights
    return torch.stack([score, torch.log1p(-score.exp())], 1)


def engines(
    rule: Callable[[Tensor], Tensor] = whole_cells, made: list[MaskedForward] | None = None
) -> Callable[[np.ndarray], MaskedForward]:
    """Makes the engine for label maps, and keeps it in `made`."""
    classifier = seeing(FINE, rule)

    def make(labels: np.ndarray) -> MaskedForward:
        engine = MaskedForward(
            classifier, checkers(SIDE), labels=labels, generator=torch.Generator(), precision="float32"
        )
        if made is not None:
            made.append(engine)
        return engine

    return make


@pytest.fixture
def choices(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts label maps in the place of all segmenters."""

    def offer(**labels: np.ndarray) -> None:
        made = {
            name: replace(SEGMENTERS["grid"], cut=lambda pixels, labels=labels, name=name: labels[name])
            for name in labels
        }
        monkeypatch.setattr("seewhy.engines.regions.SEGMENTERS", made)
        monkeypatch.setattr(regions, "SEGMENTERS", made)

    return offer


def photo(side: int) -> np.ndarray:
    return np.asarray(seewhy.open_image("sample:cat").to_pil().resize((side, side))) / 255


def pixels() -> np.ndarray:
    return np.zeros((SIDE, SIDE, 3))


def test_the_regions_that_the_network_sees_win(choices):
    choices(shifted=SHIFTED, right=FINE, quickshift=SHIFTED)
    engine = best_engine(engines(), pixels(), torch.Generator())
    np.testing.assert_array_equal(engine.label_map, FINE)
    assert engine.checks["r2_right"] > 0.99 > engine.checks["r2_shifted"]


def test_too_coarse_and_too_fine_do_not_stand(choices):
    choices(coarse=COARSE, single=np.arange(SIDE * SIDE).reshape(SIDE, SIDE), shifted=SHIFTED)
    engine = best_engine(engines(), pixels(), torch.Generator())
    np.testing.assert_array_equal(engine.label_map, SHIFTED)
    assert [name for name in engine.checks if name.startswith("r2_")] == ["r2_shifted"]


def test_what_the_network_sees_alike_stands_beside_the_others(choices):
    choices(shifted=SHIFTED)
    engine = best_engine(engines(), pixels(), torch.Generator(), {"network": FINE})
    np.testing.assert_array_equal(engine.label_map, FINE)
    assert engine.checks["r2_network"] > 0.99 > engine.checks["r2_shifted"]


def test_where_none_stands_it_is_quickshift(choices):
    single = np.arange(SIDE**2).reshape(SIDE, SIDE)
    choices(quickshift=single, other=COARSE)
    engine = best_engine(engines(), pixels(), torch.Generator())
    np.testing.assert_array_equal(engine.label_map, single)
    assert engine.forwards == 0


@pytest.mark.parametrize("side", [28, 32, 48, 64])
@pytest.mark.parametrize("method", ["lime", "kernel-shap", "partition-shap", "anchors"])
def test_small_pictures_have_ten_regions_all_the_same(side, method):
    """Quickshift's usual kernel leaves most of them in one piece, and a method then says one number for all pixels."""
    seen = photo(side)
    for how in ("quickshift", "felzenszwalb", "watershed"):
        made = find_method(method, regions=how).labels(seen)
        assert made.shape == (side, side)
        assert made.max() + 1 >= FEWEST


def test_a_plain_picture_becomes_a_grid():
    plain = np.full((28, 36, 3), 0.5)
    np.testing.assert_array_equal(cut(plain, "felzenszwalb"), segment(plain, "grid"))
    assert cut(plain[:5, :4], "felzenszwalb").max() + 1 == 16
    assert cut(np.zeros((1, 1, 3)), "quickshift").tolist() == [[0]]


@pytest.mark.parametrize(("asked", "fewest"), [("slic:24", 10), ("slic:4", 2), ("watershed:30", 10), ("slic:2", 1)])
def test_a_plain_picture_has_half_the_regions_that_are_asked_for(asked, fewest):
    assert cut(np.full((16, 16, 3), 0.5), asked).max() + 1 >= fewest
    assert cut(np.full((16, 16, 3), 0.5), "felzenszwalb:20").max() == 0  # a size of pixels, and no number of regions


def test_large_pictures_are_cut_as_before():
    seen = photo(224)
    np.testing.assert_array_equal(cut(seen, "quickshift"), segment(seen))


def test_a_label_map_of_ones_own_stays_as_it_is():
    np.testing.assert_array_equal(cut(pixels(), COARSE), COARSE)


def test_the_forwards_of_all_are_counted(choices):
    choices(shifted=SHIFTED, right=FINE)
    made: list[MaskedForward] = []
    best_engine(engines(made=made), pixels(), torch.Generator())
    assert len(made) == 2
    took = sum(engine.forwards for engine in made)
    assert 1.5 * ASKED < took <= 2 * (ASKED + 2)
    assert [engine.checks.get("trial_forwards") for engine in made] == [None, took]


def test_it_predicts_what_it_has_not_seen():
    """What is chance is not foretold, though 49 weights fitted to 160 answers would seem to explain a third of it."""

    def chance(visible: Tensor) -> Tensor:
        score = (1e4 * (visible @ torch.arange(1.0, 50.0).sqrt())).sin()
        return torch.stack([score, 0 * score], 1)

    assert explained(engines(chance)(FINE), torch.Generator()) < 0.05
    assert explained(engines()(FINE), torch.Generator()) > 0.99


@pytest.mark.parametrize(
    ("name", "parameters"), [("lime", {"samples": 200}), ("lime-classic", {"samples": 50}), ("kernel-shap", {})]
)
def test_every_method_over_regions_takes_it(name: str, parameters: dict[str, Any]):
    method = find_method(name, regions="auto", precision="float32", **parameters)
    first, second = (
        method(seeing(FINE, whole_cells), [checkers(SIDE)], [[Target(0)]], generator=torch.Generator().manual_seed(3))[
            0
        ]
        for _ in range(2)
    )
    assert first.values.tobytes() == second.values.tobytes()
    assert first.parameters["regions"] == "auto"
    assert {"r2_slic", "r2_watershed", "r2_grid"} <= set(first.checks)
    assert first.cost.forwards > 3 * 0.9 * ASKED
