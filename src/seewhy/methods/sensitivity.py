"""How the answer's variation divides among cells of the picture: Sobol indices, and dependence by kernels."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor
from torch.nn.functional import interpolate
from typing_extensions import override

from seewhy.errors import UsageError
from seewhy.methods.masks import MaskMethod
from seewhy.methods.task import Found, Task, enlarge, in_chunks, of_targets


def sobol_designs(designs: int, cells: int, seed: int) -> Tensor:
    """Masks `(designs · (cells + 2), cells)` in [0, 1]: A, B, and A with each column of B in turn.

    Source: Fel 2021, section 3.2; A and B are halves of one scrambled Sobol sequence.
    """
    from scipy.stats.qmc import Sobol

    drawn = torch.from_numpy(Sobol(2 * cells, scramble=True, rng=seed).random(designs)).float()
    first, second = drawn.split(cells, 1)
    own = torch.eye(cells, dtype=torch.bool)[:, None]
    return torch.cat([first, second, torch.where(own, second, first).flatten(0, 1)])


def total_indices(scores: Tensor, designs: int) -> Tensor:
    """The share of each cell, alone and with others, in the variance of scores `(designs · (cells + 2),)`.

    Source: Jansen 1999, as in Fel 2021, eq. 6.
    """
    first, second, *others = scores.double().split(designs)
    variance = torch.cat([first, second]).var(correction=0)
    halves = torch.stack([(first - each).square().mean() / 2 for each in others])
    return torch.where(variance > 0, halves / variance, torch.zeros_like(halves))


def dependence(masks: Tensor, scores: Tensor) -> Tensor:
    """The Hilbert-Schmidt independence criterion of each cell with the scores, `(cells,)`.

    The kernel of a cell, kept or hidden, is 1 where both are alike and 0 elsewhere, that of the scores a Gaussian as
    wide as their median distance. Source: Novello 2022, eq. 6-8.

    Args:
        masks: bool `(n, cells)`.
        scores: `(n,)`.
    """
    distances = (scores[:, None] - scores).double().abs()
    width = distances[distances > 0].median() if distances.any() else distances.new_ones(())
    kernel = torch.exp(-(distances / width).square() / 2)
    centred = kernel - kernel.mean(0) - kernel.mean(1, keepdim=True) + kernel.mean()
    signs = masks.double() * 2 - 1  # the cell's kernel is (1 + s sᵀ) / 2, of which the 1 drops out
    return torch.einsum("ni,nm,mi->i", signs, centred, signs).clamp(min=0) / (2 * (len(scores) - 1) ** 2)


class SensitivityMethod(MaskMethod):
    """A number per cell of `cells` × `cells`, from the scores under random masks of cells."""

    stochastic = True
    others = "each"

    cells: int = 8

    @abstractmethod
    def draw(self, cells: int, seed: int) -> Tensor:
        """Masks `(n, cells)` of what is kept of each cell."""

    @abstractmethod
    def weigh(self, masks: Tensor, scores: Tensor) -> Tensor:
        """The number of each cell, `(cells,)`, from masks `(n, cells)` and scores `(n,)`."""

    @override
    def find(self, task: Task) -> list[Found]:
        engine = self.engine(task)
        masks = self.draw(self.cells**2, task.generator.initial_seed())
        engine.expected = engine.forwards + len(masks)
        squares = masks.float().unflatten(1, (self.cells, self.cells))
        answers = in_chunks(engine, len(masks), lambda part: interpolate(squares[part][:, None], task.size)[:, 0])
        scores = of_targets(
            lambda rows, target: target.score(rows), torch.cat([each for _, _, each in answers]), task.asked
        )
        grids = [self.weigh(masks, each).float().view(1, self.cells, self.cells) for each in scores]
        return [Found(enlarge(each, task.size)[0]) for each in grids]


class SobolAttribution(SensitivityMethod):
    """The total Sobol index of each cell, from `designs` · (cells² + 2) masks; a power of two is best."""

    name = "sobol"
    title = "Sobol attribution"
    status = "verified"
    paper = "Fel et al. 2021"
    arxiv = "2111.04138"
    question = "Which areas does the score hang on, alone or together with others?"
    reading = (
        "Bright areas are those whose fading in and out moves the score most, whatever else is shown. It says how "
        "much, not in which direction."
    )
    cost = "2112 forwards, however many classes are asked about"

    designs: int = 32

    def __post_init__(self) -> None:
        if self.designs < 2 or self.cells < 1:
            raise UsageError(f"sobol wants designs ≥ 2 and cells ≥ 1, not {self.designs} and {self.cells}")

    @override
    def draw(self, cells: int, seed: int) -> Tensor:
        return sobol_designs(self.designs, cells, seed)

    @override
    def weigh(self, masks: Tensor, scores: Tensor) -> Tensor:
        return total_indices(scores, self.designs)


class HSICAttribution(SensitivityMethod):
    """How far the score depends on each cell being there, by kernels, from `masks` masks that hide half."""

    name = "hsic"
    title = "HSIC attribution"
    status = "verified"
    paper = "Novello et al. 2022"
    arxiv = "2206.06219"
    question = "Which areas does the score depend on being there, in whatever way?"
    reading = (
        "Bright areas are those whose being shown or hidden tells most about the score. It says how much, not in "
        "which direction; a faint even ground is what chance gives everywhere."
    )
    cost = "750 forwards, however many classes are asked about"

    masks: int = 750

    def __post_init__(self) -> None:
        if self.masks < 2 or self.cells < 1:
            raise UsageError(f"hsic wants masks ≥ 2 and cells ≥ 1, not {self.masks} and {self.cells}")

    @override
    def draw(self, cells: int, seed: int) -> Tensor:
        return torch.rand((self.masks, cells), generator=torch.Generator().manual_seed(seed)) < 0.5

    @override
    def weigh(self, masks: Tensor, scores: Tensor) -> Tensor:
        return dependence(masks, scores)
