"""Maps that know nothing of the network, to compare methods with: who is no better than these explains nothing."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from seewhy.errors import UsageError
from seewhy.methods.method import Method
from seewhy.methods.task import Found, Task, enlarge


class Control(Method):
    """A map of the picture alone, the same for every target."""

    kind = "control"
    family = "controls"
    paper = "a control"
    question = "What does a map score that knows nothing of the network?"
    cost = "one forward"

    @abstractmethod
    def draw(self, picture: Tensor, generator: torch.Generator) -> Tensor:
        """The map `(h, w)`, not negative, of what the network sees, `(C, h, w)`."""

    @override
    def find(self, task: Task) -> list[Found]:
        values = self.draw(task.picture.cpu(), task.generator)
        return [Found(values) for _ in task.asked]


class RandomMap(Control):
    """Uniform noise on `cells` × `cells` cells, enlarged bilinearly; without cells, on every pixel."""

    name = "control:random"
    title = "Random map"
    status = "verified"
    reading = "Chance alone: what does not beat it explains nothing."
    stochastic = True

    cells: int | None = 7

    def __post_init__(self) -> None:
        if self.cells is not None and self.cells < 1:
            raise UsageError(f"cells is how many random numbers there are in a row, at least 1, not {self.cells}")

    @override
    def draw(self, picture: Tensor, generator: torch.Generator) -> Tensor:
        return self.draws(1, (picture.shape[1], picture.shape[2]), generator)[0]

    def draws(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Tensor:
        """So many maps of one picture, `(count, h, w)`."""
        if self.cells is None:
            return torch.rand((count, *size), generator=generator)
        return enlarge(torch.rand((count, self.cells, self.cells), generator=generator), size)


class CentredGaussian(Control):
    """A bell in the middle, its σ `sigma` times each side."""

    name = "control:gaussian"
    title = "Centred Gaussian"
    status = "verified"
    reading = "People put what matters into the middle; this map knows no more than that."

    sigma: float = 0.25

    def __post_init__(self) -> None:
        if self.sigma <= 0:
            raise UsageError(f"sigma is a share of each side, above 0, not {self.sigma:g}")

    @override
    def draw(self, picture: Tensor, generator: torch.Generator) -> Tensor:
        rows, columns = (self._bell(length) for length in picture.shape[1:])
        return rows[:, None] * columns

    def _bell(self, length: int) -> Tensor:
        places = (torch.arange(length) + 0.5) / length - 0.5
        return torch.exp(-((places / self.sigma) ** 2) / 2)


class PositionPrior(Control):
    """A map of where something lies whatever the picture, stretched over it: `prior`, such as `mean_map` of others.

    The mean over *other* photos of a method's maps, or of masks, is what can be told without looking at this one.

    Raises:
        UsageError: `prior` is no map `(h, w)` of finite numbers from 0 on.
    """

    name = "control:prior"
    title = "Position prior"
    status = "verified"
    reading = "What lies where on other photos: a map that is no better says nothing about this one."

    prior: np.ndarray

    def __post_init__(self) -> None:
        prior = np.asarray(self.prior)
        if prior.ndim != 2 or not prior.size or prior.dtype.kind not in "buif":
            raise UsageError(f"prior is a map (h, w) of numbers, not {prior.dtype} of shape {prior.shape}")
        if not np.isfinite(prior).all() or (prior < 0).any():
            raise UsageError("prior says how much lies where: finite numbers from 0 on")

    @override
    def draw(self, picture: Tensor, generator: torch.Generator) -> Tensor:
        whole = torch.from_numpy(np.asarray(self.prior, np.float32))
        return enlarge(whole[None], (picture.shape[1], picture.shape[2]))[0]


def mean_map(maps: Sequence[np.ndarray]) -> np.ndarray:
    """Where the evidence of maps `(h, w)` lies on average, float32 `(h, w)` of sum 1; each map counts alike.

    Evidence is what is above zero; a map without any counts as one that is the same everywhere.

    >>> mean_map([np.array([[1.0, 3.0]]), np.array([[-1.0, 5.0]])])
    array([[0.125, 0.875]], dtype=float32)

    Raises:
        UsageError: there is no map, or their sizes differ.
    """
    if len({each.shape for each in maps}) != 1:
        raise UsageError("a mean is of one map or more, all of one size (height, width)")
    positive = np.stack(maps).astype(np.float64).clip(min=0)
    positive[~positive.any((1, 2))] = 1.0
    return (positive / positive.sum((1, 2), keepdims=True)).mean(0).astype(np.float32)


class SobelEdges(Control):
    """How steep the picture's brightness is."""

    name = "control:sobel"
    title = "Sobel edges"
    status = "verified"
    reading = "The picture's own edges: maps that look like this may show the picture, not the decision."

    @override
    def draw(self, picture: Tensor, generator: torch.Generator) -> Tensor:
        from skimage.filters import sobel

        return torch.from_numpy(sobel(picture.float().mean(0).numpy()))


class EmptyMap(Control):
    """Zero everywhere."""

    name = "control:empty"
    title = "Empty map"
    status = "verified"
    reading = "No evidence at all: what scores are worth that this map gets, too, is nothing."

    @override
    def draw(self, picture: Tensor, generator: torch.Generator) -> Tensor:
        return torch.zeros(picture.shape[1:])
