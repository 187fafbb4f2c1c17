"""The bounds against what they claim, scipy, and slow literal forms."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import ceil, comb, floor, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import rel_entr
from scipy.stats import binom, hypergeom

from seewhy.methods.anchor_search import PRIOR
from seewhy.methods.kl_lucb import JEFFREYS, bounds, log_likelihood

ERROR = 0.1
PRIORS = (JEFFREYS, PRIOR)


def interval(
    kept: int, asked: int, population: float = np.inf, error: float = ERROR, prior: tuple[float, float] = JEFFREYS
) -> tuple[float, float]:
    low, high = bounds(np.array([kept]), np.array([asked]), population, error, prior)
    return float(low[0]), float(high[0])


def mixture(kept: int, asked: int, prior: tuple[float, float]) -> Fraction:
    """The probability of `kept` answers followed by `asked` − `kept` others, each foretold by those before it."""
    product, (one, other) = Fraction(1), map(Fraction, prior)
    for seen in range(kept):
        product *= (seen + one) / (seen + one + other)
    for missed in range(asked - kept):
        product *= (missed + other) / (kept + missed + one + other)
    return product


def divergence(mean: float, share: float) -> float:
    """KL(mean, share) of two coins."""
    return float(rel_entr(mean, share) + rel_entr(1 - mean, 1 - share))


@given(asked=st.integers(1, 400), part=st.floats(0, 1), error=st.floats(1e-6, 0.5), prior=st.sampled_from(PRIORS))
def test_the_bounds_of_independent_answers_are_those_of_kl(asked, part, error, prior):
    kept = round(part * asked)
    mean = kept / asked
    most = log(1 / error) - float(np.log(float(mixture(kept, asked, prior)))) + asked * (mean and mean * log(mean)) \
        + asked * (mean < 1 and (1 - mean) * log(1 - mean))  # fmt: skip
    low, high = interval(kept, asked, error=error, prior=prior)
    beta = lambda share: asked * divergence(mean, share) - most  # noqa: E731
    assert low == pytest.approx(brentq(beta, 1e-300, mean, xtol=1e-13) if kept else 0, abs=1e-6)
    assert high == pytest.approx(brentq(beta, mean, 1 - 1e-16, xtol=1e-13) if kept < asked else 1, abs=1e-6)


@given(population=st.integers(1, 40), data=st.data(), prior=st.sampled_from(PRIORS))
def test_the_bounds_of_a_finite_population_are_those_of_exact_fractions(population, data, prior):
    asked = data.draw(st.integers(0, population))
    kept = data.draw(st.integers(0, asked))
    foretold = mixture(kept, asked, prior)
    error = 0.09731  # not a round number, which some whole numbers would meet exactly
    possible = [
        whole
        for whole in range(kept, population - asked + kept + 1)
        if foretold * comb(population, whole) * Fraction(error) <= comb(population - asked, whole - kept)
    ]
    low, high = interval(kept, asked, population, error, prior)
    assert ceil(low * population - 1e-4) == possible[0]
    assert floor(high * population + 1e-4) == possible[-1]


@pytest.mark.parametrize(("whole", "population", "asked"), [(3, 10, 4), (9, 10, 9), (5, 12, 0), (7, 7, 5)])
def test_the_likelihood_of_a_finite_population_is_hypergeometric(whole, population, asked):
    for kept in range(max(0, asked - population + whole), min(asked, whole) + 1):
        found = log_likelihood(np.array(whole / population), np.array(kept), np.array(asked), population)
        orders = comb(asked, kept)
        assert np.exp(found) * orders == pytest.approx(hypergeom(population, whole, asked).pmf(kept))


@given(asked=st.integers(1, 100), part=st.floats(0, 1))
def test_a_large_population_is_as_good_as_infinite(asked, part):
    kept = round(part * asked)
    assert interval(kept, asked, 2.0**30) == pytest.approx(interval(kept, asked), abs=1e-4)


@given(population=st.integers(1, 200), part=st.floats(0, 1))
def test_they_meet_when_all_is_asked_and_say_nothing_before(population, part):
    kept = round(part * population)
    assert interval(kept, population, population) == pytest.approx((kept / population, kept / population))
    assert interval(0, 0, population) == (0, 1)
    assert interval(0, 0) == (0, 1)


@given(asked=st.integers(1, 300), part=st.floats(0, 1))
def test_they_hold_the_mean_and_narrow_with_the_population_and_the_error(asked, part):
    kept = round(part * asked)
    nested = [interval(kept, asked, 2 * asked), interval(kept, asked), interval(kept, asked, error=ERROR / 100)]
    for (low, high), (lower, higher) in pairwise(nested):
        assert lower <= low + 1e-6 <= kept / asked + 2e-6
        assert kept / asked <= high + 1e-6 <= higher + 2e-6


@pytest.mark.parametrize("share", [0.05, 0.5, 0.97])
@pytest.mark.parametrize("population", [16, 200, np.inf])
@pytest.mark.parametrize("prior", PRIORS)
def test_whenever_one_looks_the_truth_is_within(share, population, prior):
    """The share of histories that ever leave the bounds may exceed the error only by chance."""
    rng, runs, missed = np.random.default_rng(0), 400, 0
    truth = share if np.isinf(population) else round(share * population) / population
    for _ in range(runs):
        order = rng.random(400) if np.isinf(population) else (rng.permutation(int(population)) + 0.5) / population
        kept = (order < truth).cumsum()
        low, high = bounds(kept, np.arange(1, len(kept) + 1), population, ERROR, prior)
        missed += bool(((low > truth + 1e-9) | (high < truth - 1e-9)).any())
    assert missed <= binom(runs, ERROR).ppf(0.999)


@pytest.mark.parametrize("share", [0.975, 0.99, 1.0])
def test_proofs_of_rules_that_hold_ask_about_three_quarters_of_what_jeffreys_prior_asks(share):
    rng, batch = np.random.default_rng(1), 16
    kept = (rng.random((200, 1600)) < share).cumsum(1)[:, batch - 1 :: batch]
    asked = np.broadcast_to(np.arange(batch, 1601, batch), kept.shape)
    means = []
    for prior in PRIORS:
        low, _ = bounds(kept, asked, np.inf, 0.05, prior)
        means.append(float(asked[0][((low > 0.9) & (kept >= 0.95 * asked)).argmax(1)].mean()))
    assert 0.65 < means[1] / means[0] < 0.85
