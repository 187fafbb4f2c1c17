"""Maps that know nothing of the network, to compare methods with: who is no better than these explains nothing."""

from __future__ import annotations

from abc import abstractmethod

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
