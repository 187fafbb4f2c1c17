"""A linear head that is trained to the end, and what each vector that it was trained on does to its scores."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize
from scipy.special import log_softmax, logsumexp, softmax

from seewhy.errors import ExplainError

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

EXACT = 1e-8  # length of what may be left of the gradient
FOLDS = 10


@dataclass(frozen=True, eq=False)
class LinearHead:
    """A softmax regression. Its loss is the mean cross entropy and half of `penalty` times the sum of squared weights.

    Attributes:
        vectors: float64 `(n, D)`, each with a 1 for the bias.
        classes: of each vector, int64 `(n,)`, below K.
        penalty: above 0.
        weights: float64 `(K, D)`, those with the least loss.
    """

    vectors: Floats
    classes: Rows
    penalty: float
    weights: Floats

    @classmethod
    def fit(cls, vectors: Floats, classes: Rows, count: int, penalty: float, start: Floats | None = None) -> LinearHead:
        """Train a head of `count` classes to the end, which hangs on no seed; a good `start` saves steps.

        Raises:
            ExplainError: It comes to no end.
        """
        truth, n, shape = np.eye(count)[classes], len(vectors), (count, vectors.shape[1])

        def loss(flat: Floats) -> tuple[float, Floats]:
            weights = flat.reshape(shape)
            logs = log_softmax(vectors @ weights.T, axis=1)
            slopes = (np.exp(logs) - truth).T @ vectors / n + penalty * weights
            return float(-(logs * truth).sum() / n + penalty / 2 * (flat @ flat)), slopes.ravel()

        def curved(flat: Floats, step: Floats) -> Floats:
            likely = softmax(vectors @ flat.reshape(shape).T, axis=1)
            moves = vectors @ step.reshape(shape).T
            moves = likely * (moves - (likely * moves).sum(1, keepdims=True))
            return (moves.T @ vectors / n).ravel() + penalty * step

        first = np.zeros(shape) if start is None else start
        found = minimize(loss, first.ravel(), jac=True, hessp=curved, method="trust-ncg", options={"gtol": EXACT})
        if np.linalg.norm(found.jac) > 100 * EXACT:  # near its end the loss itself changes by less than rounding
            raise ExplainError(f"a linear head of {count} classes comes to no end with a penalty of {penalty:g}")
        return cls(vectors, classes, penalty, found.x.reshape(shape))

    def scores(self, vector: Floats) -> Floats:
        """Of one vector `(D,)`, `(K,)`."""
        return self.weights @ vector

    @cached_property
    def probabilities(self) -> Floats:
        """What it says of its own vectors, `(n, K)`."""
        return softmax(self.vectors @ self.weights.T, axis=1)

    @cached_property
    def misses(self) -> Floats:
        """What each of those probabilities lacks, `(n, K)`: the truth, 1 or 0, less what is said."""
        return np.eye(len(self.weights))[self.classes] - self.probabilities

    def without(self, row: int) -> LinearHead:
        """The head, trained again without one of its vectors; the penalty is as strong beside each other as before."""
        kept, n = np.arange(len(self.vectors)) != row, len(self.vectors)
        penalty = self.penalty * n / (n - 1)
        return LinearHead.fit(self.vectors[kept], self.classes[kept], len(self.weights), penalty, self.weights)

    @cached_property
    def curvature(self) -> Floats:
        """The second derivatives of the loss, `(K D, K D)`."""
        x, likely, (count, length) = self.vectors, self.probabilities, self.weights.shape
        blocks = np.empty((count, length, count, length))
        for one in range(count):
            for two in range(one + 1):
                weigh = likely[:, one] * ((one == two) - likely[:, two]) / len(x)
                blocks[one, :, two] = blocks[two, :, one] = (x * weigh[:, None]).T @ x
        found = blocks.reshape(count * length, -1)
        found[np.diag_indices_from(found)] += self.penalty
        return found

    def solved(self, sides: Floats) -> Floats:
        """The curvature's inverse times sides `(K D, m)`."""
        return cho_solve(self._factor, sides)

    @cached_property
    def _factor(self) -> tuple[Floats, bool]:
        return cho_factor(self.curvature)

    @cached_property
    def steps(self) -> Floats:
        """What leaving each vector out does to its own scores' slopes, `(n, K)`: one step of Newton's method.

        With the curvature of what is left and not of the whole, which matters for vectors that stand alone. Source:
        Pregibon 1981, section 3, for several classes.
        """
        n, count = len(self.vectors), len(self.weights)
        found = np.empty((n, count))
        for row, (vector, likely, miss) in enumerate(zip(self.vectors, self.probabilities, self.misses, strict=True)):
            sides = np.kron(np.eye(count), vector[:, None])
            lever = sides.T @ self.solved(sides) / n
            inner = np.diag(likely) - np.outer(likely, likely)
            found[row] = np.linalg.solve(np.eye(count) - inner @ lever, -miss)
        return found


def pulls(head: LinearHead, vector: Floats) -> Floats:
    """What each vector of the head adds to the scores of `vector` `(D,)`; `(n, K)`, which adds up to them.

    Source: Yeh et al. 2018, theorem 3.1: where the gradient is 0, weights are a sum over the vectors trained on.
    """
    return head.misses * (head.vectors @ vector)[:, None] / (head.penalty * len(head.vectors))


def log_odds(scores: Floats, index: int) -> float:
    """The log-odds of a class, of scores `(K,)`.

    >>> log_odds(np.array([2.0, 0.0]), 0)
    2.0
    """
    return float(scores[index] - logsumexp(np.delete(scores, index)))


def changes(head: LinearHead, vector: Floats, index: int) -> Floats:
    """How the log-odds of class `index` for `vector` `(D,)` would change without each vector of the head, `(n,)`.

    Source: Koh & Liang 2017, eq. 2, with the steps of `LinearHead.steps`.
    """
    scores = head.scores(vector)
    slope = -softmax(np.where(np.arange(len(scores)) == index, -np.inf, scores))
    slope[index] = 1.0
    felt = head.solved(np.outer(slope, vector).reshape(-1, 1)).reshape(head.weights.shape)
    return ((head.vectors @ felt.T) * head.steps).sum(1) / len(head.vectors)


def foretold(vectors: Floats, classes: Rows, count: int, penalty: float) -> Floats:
    """What heads that have not seen a vector say of it, `(n, K)`: each tenth by the other nine tenths."""
    fold = np.empty(len(classes), np.int64)
    fold[np.argsort(classes, kind="stable")] = np.arange(len(classes)) % FOLDS
    found = np.empty((len(classes), count))
    for each in np.unique(fold):
        asked = fold == each
        head = LinearHead.fit(vectors[~asked], classes[~asked], count, penalty)
        found[asked] = softmax(vectors[asked] @ head.weights.T, axis=1)
    return found
