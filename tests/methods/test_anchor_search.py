"""Which rules are found, and whether what is said about them is true: checked by trying every variation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from seewhy.methods.anchor_search import Anchor, BanditGrower, LinearGrower, Search, linear_weights
from seewhy.methods.anchor_variations import Variations
from seewhy.methods.evidence import SLACK

Function = Callable[[np.ndarray], np.ndarray]
DELTA = 0.1
BANDIT = Search(threshold=0.95, delta=DELTA, batch=50, largest=6, budget=4000, grower=BanditGrower(tau=0.15, beam=1))
LINEAR = replace(BANDIT, grower=LinearGrower(samples=100))
both = pytest.mark.parametrize("search", [BANDIT, LINEAR], ids=["bandit", "linear"])


def run(search: Search, function: Function, regions: int, seed: int = 0) -> tuple[Anchor, int]:
    variations = Variations(lambda shown, which: function(shown), regions, np.random.default_rng(seed))
    return search(variations), variations.asked


def every(regions: int) -> np.ndarray:
    return (np.arange(2**regions)[:, None] >> np.arange(regions)) % 2 == 1


def truth(function: Function, regions: int, rule: tuple[int, ...]) -> float:
    """The precision, by trying every variation."""
    shown = every(regions)
    return float(function(shown[shown[:, rule].all(1)]).mean())


def both_of(shown: np.ndarray) -> np.ndarray:
    return shown[:, 1] & shown[:, 3]


def rough(seed: int, regions: int) -> Function:
    """A linear decision with some noise of its own for each variation: what a network is like."""
    rng = np.random.default_rng(seed)
    weights, noise = rng.normal(size=regions), 0.5 * rng.normal(size=2**regions)
    whole = weights.sum()

    def keeps(shown: np.ndarray) -> np.ndarray:
        codes = shown @ 2 ** np.arange(regions)
        return (shown - 0.5) @ (weights * np.sign(whole)) + noise[codes] > 0

    return keeps


@both
@pytest.mark.parametrize("regions", [4, 8, 20])
def test_and_is_anchored_by_both(search, regions):
    anchor, _ = run(search, both_of, regions)
    assert anchor.regions == (1, 3)
    assert anchor.precision == 1
    assert search.holds(anchor)
    assert anchor.population == (2 ** (regions - 2) if regions < 20 else np.inf)


@both
def test_or_is_anchored_by_either(search):
    anchor, _ = run(search, lambda shown: shown[:, 1] | shown[:, 3], 8)
    assert anchor.regions in {(1,), (3,)}
    assert search.holds(anchor)


@both
def test_a_constant_needs_no_region(search):
    anchor, asked = run(search, lambda shown: np.ones(len(shown), bool), 8)
    assert anchor.regions == ()
    assert anchor.precision == 1
    assert search.holds(anchor)
    assert asked <= 102


@both
def test_a_decision_of_all_regions_fails_honestly(search):
    anchor, _ = run(search, lambda shown: shown.sum(1) % 2 == 0, 8)
    assert not search.holds(anchor)
    assert anchor.precision < search.threshold
    assert anchor.low <= 0.5 <= anchor.high, "whatever rule it is, half of its variations are even"


@both
def test_exclusive_or_holds_only_with_both_or_not_at_all(search):
    """A region alone tells nothing, so a rule that grows one by one may miss the two: it must not claim otherwise."""

    def equal(shown: np.ndarray) -> np.ndarray:
        return shown[:, 1] == shown[:, 3]

    for seed in range(20):
        anchor, _ = run(search, equal, 6, seed)
        assert search.holds(anchor) == ({1, 3} <= set(anchor.regions))


@both
def test_one_region(search):
    anchor, _ = run(search, lambda shown: shown[:, 0], 1)
    assert anchor == Anchor((0,), 1, 1, 1.0, 1.0, 1.0)


@both
def test_all_regions_are_the_rule_of_last_resort(search):
    anchor, _ = run(search, lambda shown: shown.all(1), 4)
    assert anchor == Anchor((0, 1, 2, 3), 1, 1, 1.0, 1.0, 1.0)


@both
def test_one_seed_one_answer(search):
    function = rough(5, 8)
    assert run(search, function, 8, 3) == run(search, function, 8, 3)


def test_a_rule_has_no_more_regions_than_allowed():
    anchor, _ = run(replace(BANDIT, largest=2), lambda shown: shown[:, :4].all(1), 8)
    assert len(anchor.regions) <= 2
    assert not BANDIT.holds(anchor)


def test_after_the_budget_rules_grow_no_more():
    tight = replace(BANDIT, budget=60)
    anchor, asked = run(tight, lambda shown: shown.all(1), 12)
    assert len(anchor.regions) <= 1
    assert not tight.holds(anchor)
    assert asked < 200


def test_a_beam_finds_what_greed_misses():
    """Region 0 is the best alone, but only 1 and 2 together are enough."""

    def function(shown: np.ndarray) -> np.ndarray:
        return (shown[:, 1] & shown[:, 2]) | (shown[:, 0] & (shown[:, 3:].sum(1) >= 2))

    wide = replace(BANDIT, largest=2, grower=BanditGrower(tau=0.02, beam=3))
    greedy = replace(wide, grower=BanditGrower(tau=0.02, beam=1))
    assert truth(function, 7, (0,)) > max(truth(function, 7, (1,)), truth(function, 7, (2,)))
    assert run(wide, function, 7)[0].regions == (1, 2)
    assert not greedy.holds(run(greedy, function, 7)[0])


@pytest.mark.parametrize(
    ("regions", "runs"), [(6, 100), (10, 50), *(pytest.param(each, 200, marks=pytest.mark.heavy) for each in (6, 10))]
)
def test_the_bounds_cover_the_truth(regions, runs):
    """In at least 1 − delta of runs, but for chance: RELIABILITY asks for no more, and they give more."""
    missed = 0
    for seed in range(runs):
        function = rough(seed, regions)
        anchor, _ = run(BANDIT, function, regions, seed)
        missed += not anchor.low - 1e-9 <= truth(function, regions, anchor.regions) <= anchor.high + 1e-9
    assert missed <= binom(runs, DELTA).ppf(0.999)


def test_the_bounds_cover_the_truth_where_variations_cannot_be_listed(monkeypatch):
    monkeypatch.setattr("seewhy.methods.anchor_variations.COUNTABLE", 0)
    runs, missed = 100, 0
    for seed in range(runs):
        function = rough(seed, 7)
        anchor, _ = run(LINEAR, function, 7, seed)
        missed += not anchor.low <= truth(function, 7, anchor.regions) <= anchor.high
    assert missed <= binom(runs, DELTA).ppf(0.999)


@given(table=st.integers(0, 2**32 - 1), seed=st.integers(0, 1000))
@settings(max_examples=100)
def test_whatever_the_function_the_bounds_are_true(table, seed):
    """Any function of five regions. An exception would be a miss, of which less than `delta` may occur: none did."""
    regions = 5
    function: Function = lambda shown: (table >> (shown @ 2 ** np.arange(regions))) % 2 == 1  # noqa: E731
    anchor, _ = run(BANDIT, function, regions, seed)
    precision = truth(function, regions, anchor.regions)
    assert anchor.kept <= anchor.asked <= anchor.population
    assert 0 <= anchor.low <= anchor.precision + 1e-9
    assert anchor.precision <= anchor.high + 1e-9 <= 1 + 1e-9
    if BANDIT.holds(anchor):
        assert precision > BANDIT.threshold - SLACK


@pytest.mark.parametrize("seed", range(20))
def test_a_rule_that_fails_is_none(seed):
    """When no rule of any size is an anchor, none is reported."""
    rng = np.random.default_rng(seed)
    answers = rng.random(2**7) < 0.7
    function: Function = lambda shown: answers[shown @ 2 ** np.arange(7)]  # noqa: E731
    search = replace(BANDIT, largest=3)
    precisions = [truth(function, 7, rule) for size in range(4) for rule in combinations(range(7), size)]
    anchor, _ = run(search, function, 7, seed)
    if max(precisions) <= search.threshold - SLACK:
        assert not search.holds(anchor)


@pytest.mark.parametrize("tau", [0.15, 0.05])
def test_the_best_region_is_found_to_within_tau(tau):
    runs, missed = 60, 0
    search = replace(BANDIT, largest=1, budget=10**6, grower=BanditGrower(tau=tau, beam=1))
    for seed in range(runs):
        function = rough(seed, 8)
        anchor, _ = run(search, function, 8, seed)
        best = max(truth(function, 8, (region,)) for region in range(8))
        if anchor.regions and not search.holds(anchor):
            missed += truth(function, 8, anchor.regions) < best - tau
    assert missed <= binom(runs, DELTA).ppf(0.999)


def test_sharing_answers_is_cheap():
    """Twelve rules of one region cost far less than twelve samples."""
    function = rough(1, 12)
    _, asked = run(replace(BANDIT, largest=1), function, 12)
    assert asked < 1000
    by_lime = sum(run(LINEAR, rough(seed, 12), 12)[1] for seed in range(8))
    assert by_lime < sum(run(BANDIT, rough(seed, 12), 12)[1] for seed in range(8))


def test_linear_weights_are_least_squares():
    shown = every(6)
    leads = np.where(rough(3, 6)(shown), 1.0, -1.0)  # angles of 45 degrees
    design = np.column_stack([np.ones(len(shown)), shown])
    expected = np.linalg.solve(design.T @ design, design.T @ leads)[1:] * np.pi / 4
    np.testing.assert_allclose(linear_weights(shown, leads), expected, atol=1e-12)
    always = shown[shown[:, 2]]
    assert linear_weights(always, leads[shown[:, 2]])[2] == pytest.approx(0, abs=1e-12)


def test_leads_without_end_weigh_like_large_ones():
    shown = every(3)
    weights = linear_weights(shown, np.where(shown[:, 1], np.inf, -1.0))
    assert weights.argmax() == 1
    assert np.isfinite(weights).all()
