"""Shapley values of a game that is only known in part: those of a Gaussian process that passes through the answers.

Players are written as signs z, +1 in and −1 out, and only the odd part D of a game counts, half the difference between
a coalition and its complement. D is taken for an additive game, plus a smooth one with the covariance
sinh(β z·z' / d), plus something of its own for every pair. All three have Shapley values in closed form, so theirs is
an answer to a linear question, and comes with its variance: Bayesian quadrature (O'Hagan 1991), here of Shapley's sum.
Once every pair is known it is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import lgamma, log, sinh

import numpy as np

BETAS = (0.5, 1.5, 4.0)  # how soon the smooth part forgets
OWN = (0.01, 0.1, 1.0)  # variance of each pair's own part; that of the smooth one is 1
CHOSEN_ON = 128  # pairs at most on which kernels are weighed against each other
UNLIKELY = 0.05  # posterior probability of a kernel that is left out
CHOSEN = 2  # numbers that make a kernel, chosen by the answers: as many fewer of these tell the scale


@dataclass(frozen=True)
class Kernel:
    """The covariance of what is not additive in games of so many `players`."""

    players: int
    beta: float
    own: float

    def between(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """The smooth part, `(n, m)`, of signs `(n, d)` and `(m, d)`."""
        return np.sinh(self.beta * (one @ other.T) / self.players) / sinh(self.beta)

    def shares(self, signs: np.ndarray) -> np.ndarray:
        """The covariance of each player's Shapley value with each pair, `(d, n)`."""
        joined, left = _smooth_shares(self.players, self.beta)
        size = (signs > 0).sum(1)
        smooth = np.where(signs.T > 0, joined[size], left[size])
        gain, loss = _own_shares(self.players)
        return smooth + self.own * np.where(signs.T > 0, gain[size], -loss[size])

    @property
    def variance(self) -> float:
        """The variance of a Shapley value before anything is known."""
        joined, left = _smooth_shares(self.players, self.beta)
        smooth = float((joined[1:] - left[:-1]).mean())
        # Each player is in S / d of the coalitions of size S, and pairs are counted once.
        gain, _ = _own_shares(self.players)
        return smooth + self.own * float(gain[1:].sum() * 2 / self.players)


@dataclass(frozen=True, eq=False)
class Fit:
    """What a kernel makes of the answers: `likelihood` of them (restricted, logarithm), `values`, `errors` `(d,)`."""

    likelihood: float
    values: np.ndarray
    errors: np.ndarray


def process_shapley(signs: np.ndarray, odd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shapley values and their standard errors, `(d,)`, from the odd parts `(n,)` of pairs, signs `(n, d)`.

    Kernels count by how likely they make the answers, and where they differ the errors are larger.

    The first pair is all players against none; no pair comes twice, and they must tell the players apart.
    """
    from scipy.special import stdtrit

    scale = float(np.abs(odd).max()) or 1.0
    count, players = signs.shape
    few = slice(min(count, max(CHOSEN_ON, 2 * players)))
    kernels = [Kernel(players, beta, own) for beta, own in product(BETAS, OWN)]
    likely = np.array([_fit(kernel, signs[few], odd[few] / scale).likelihood for kernel in kernels])
    chances = np.exp(likely - likely.max())
    believed = np.flatnonzero(chances >= UNLIKELY * chances.sum())
    fits = [_fit(kernels[place], signs, odd / scale) for place in believed]
    weights = chances[believed] / chances[believed].sum()
    values = weights @ np.stack([each.values for each in fits])
    spread = weights @ np.stack([each.errors**2 + (each.values - values) ** 2 for each in fits])
    heavier = stdtrit(_free(count, players), 0.975) / stdtrit(np.inf, 0.975)  # of few answers the scale is unsure
    return scale * values, scale * heavier * np.sqrt(spread)


def _free(count: int, players: int) -> int:
    """How many of `count` answers are left to tell the scale of the process."""
    return max(count - players - CHOSEN, 1)


def _fit(kernel: Kernel, signs: np.ndarray, odd: np.ndarray) -> Fit:
    """Universal kriging: the additive part is free, the rest a process."""
    from scipy.linalg import cho_factor, cho_solve

    count, players = signs.shape
    factor = cho_factor(kernel.between(signs, signs) + kernel.own * np.eye(count), lower=True)
    solved = cho_solve(factor, np.column_stack([signs, odd]))
    gram = signs.T @ solved[:, :-1]
    inverse = np.linalg.pinv(gram, hermitian=True)
    weights = inverse @ (signs.T @ solved[:, -1])
    rest = solved[:, -1] - solved[:, :-1] @ weights
    free = _free(count, players)
    noise = max(float(odd @ rest), 0.0) / free
    shares = kernel.shares(signs)
    missing = 2 * np.eye(players) - shares @ solved[:, :-1]  # of an additive game's values what the process leaves
    known = (shares * cho_solve(factor, shares.T).T).sum(1)
    variance = kernel.variance - known + (missing * (missing @ inverse)).sum(1)
    determinants = 2 * float(np.log(np.diag(factor[0])).sum()) + float(np.linalg.slogdet(gram)[1])
    return Fit(
        likelihood=-0.5 * (free * log(noise + 1e-24) + determinants),
        values=2 * weights + shares @ rest,
        errors=np.sqrt(noise * variance.clip(min=0)),
    )


@lru_cache(maxsize=64)
def _smooth_shares(players: int, beta: float) -> tuple[np.ndarray, np.ndarray]:
    """A player's Shapley value in the game z → sinh(β z·z' / d) / sinh β, by how many signs of z' are plus.

    First where the player's own is plus, then where it is minus; `(d + 1,)`. By Owen's multilinear extension: the mean
    over q of its gain where every other player is in with probability q, and there exp(b z·z') is a product.
    """
    nodes, weights = np.polynomial.legendre.leggauss(players // 2 + 2)
    q, rate = (nodes + 1) / 2, beta / players
    alike, apart = (np.log(q * np.exp(sign * rate) + (1 - q) * np.exp(-sign * rate)) for sign in (1, -1))
    plus = np.arange(players + 1)[:, None]
    joined, left = (
        2 * sinh(sign * rate) * np.exp((plus - (sign > 0)) * alike + (players - plus - (sign < 0)) * apart)
        @ (weights / 2)
        for sign in (1, -1)
    )  # fmt: skip
    # The odd half of the exponential: less the same of −z'.
    odd = (joined - left[::-1]) / 2, (left - joined[::-1]) / 2
    return odd[0] / sinh(beta), odd[1] / sinh(beta)


@lru_cache(maxsize=64)
def _own_shares(players: int) -> tuple[np.ndarray, np.ndarray]:
    """What a pair's own part 1 gives each player in its coalition, and takes from each other, by size, `(d + 1,)`."""
    sizes = np.arange(players + 1)
    ways = np.array([lgamma(players + 1) - lgamma(size + 1) - lgamma(players - size + 1) for size in sizes])
    gain, loss = (2 * np.exp(-ways) / np.maximum(each, 1) for each in (sizes, players - sizes))
    gain[0] = loss[-1] = 0
    return gain, loss
