"""Bounds of a precision that hold whenever one looks."""

from __future__ import annotations

import numpy as np

HALVINGS = 24  # to 6e-8
JEFFREYS = (0.5, 0.5)


def log_likelihood(
    share: np.ndarray, kept: np.ndarray, asked: np.ndarray, population: float | np.ndarray
) -> np.ndarray:
    """Log-probability of one sequence of answers, `kept` of `asked` positive, if a `share` of all is positive.

    The answers are drawn without replacement from `population`; from an infinite one they are independent. Of several
    all are infinite, or none is.
    """
    from scipy.special import xlog1py, xlogy

    lost = asked - kept
    if np.isinf(population).all():
        return xlogy(kept, share) + xlog1py(lost, -share)
    positive = share * population
    return _falling(positive, kept) + _falling(population - positive, lost) - _falling(population, asked)


def bounds(
    kept: np.ndarray,
    asked: np.ndarray,
    population: float | np.ndarray,
    error: float,
    prior: tuple[float, float] = JEFFREYS,
) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and the highest share that `kept` of `asked` answers leave possible.

    With probability 1 − `error` the truth stays within them for ever, whenever one looks and stops. From an infinite
    population they are the q with asked · KL(kept / asked, q) ≤ β; when all of a finite one is asked, they meet.

    Source: Kaufmann & Kalyanakrishnan 2013, KL-LUCB. Their β(t) pays for every look by a union bound; ours comes from
    the mixture martingale of Robbins 1970, without replacement that of Waudby-Smith & Ramdas 2020, theorem 3.1.
    """
    from scipy.special import betaln

    mixture = betaln(kept + prior[0], asked - kept + prior[1]) - betaln(*prior)

    def possible(share: np.ndarray) -> np.ndarray:
        return mixture - log_likelihood(share, kept, asked, population) <= -np.log(error)

    mean = np.where(asked > 0, kept / np.maximum(asked, 1), 0.5)
    inside, outside = np.stack([mean, mean]), np.stack([kept / population, 1 - (asked - kept) / population])
    for _ in range(HALVINGS):
        middle = (inside + outside) / 2
        inner = possible(middle)
        inside, outside = np.where(inner, middle, inside), np.where(inner, outside, middle)
    low, high = outside  # the safe side
    return low, high


def _falling(base: np.ndarray | float, count: np.ndarray) -> np.ndarray:
    """Logarithm of base · (base − 1) · … with `count` factors."""
    from scipy.special import gammaln

    return gammaln(base + 1) - gammaln(base - count + 1)
