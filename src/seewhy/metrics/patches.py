"""Infidelity, IDSDS and sensitivity-n: does a map say how much the score falls when a part is hidden?

The patches are the same for every map, so that many maps cost no more than one.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from typing_extensions import override

from seewhy.engines import Fill
from seewhy.errors import UsageError
from seewhy.metrics.context import Question, Score, cell_labels, is_flat, pearson, spearman
from seewhy.metrics.metric import Metric


def infidelity(predicted: np.ndarray, actual: np.ndarray, *, scaled: bool) -> float:
    """Mean squared error of predicted falls `(n,)`, in units of `actual`, or multiplied by what makes it smallest.

    Source: Yeh 2019; the scale β is that of their code.
    """
    beta = 1.0
    if scaled:
        square = float(predicted @ predicted)
        beta = float(predicted @ actual) / square if square else 0.0
    return float(np.square(beta * predicted - actual).mean())


def squares(size: tuple[int, int], side: int, count: int, generator: torch.Generator) -> np.ndarray:
    """Bool `(count, h, w)`: squares of `side` pixels at random places, each pixel of it inside."""
    masks = np.zeros((count, *size), bool)
    places = [torch.randint(length - side + 1, (count,), generator=generator).tolist() for length in size]
    for mask, top, left in zip(masks, *places, strict=True):
        mask[top : top + side, left : left + side] = True
    return masks


def grid(size: tuple[int, int], cells: int) -> np.ndarray:
    """Bool `(cells², h, w)`: the cells of a regular grid, row by row."""
    return cell_labels(size, cells) == np.arange(cells**2)[:, None, None]


def random_cells(
    size: tuple[int, int], cells: int, counts: Sequence[int], draws: int, generator: torch.Generator
) -> np.ndarray:
    """Bool `(len(counts) · draws, h, w)`: random cells of a regular grid, `draws` times for each of `counts`."""
    labels = cell_labels(size, cells)
    chosen = [torch.randperm(cells**2, generator=generator)[:count] for count in counts for _ in range(draws)]
    return np.stack([np.isin(labels, each.numpy()) for each in chosen])


def sensitivity_n(predicted: np.ndarray, actual: np.ndarray) -> float:
    """Mean over sizes of the linear correlation of predicted with actual falls, both `(sizes, draws)`.

    Source: Ancona 2018.

    >>> round(sensitivity_n(np.array([[1.0, 2.0], [1.0, 2.0]]), np.array([[3.0, 5.0], [4.0, 9.0]])), 6)
    1.0
    """
    return float(np.mean([pearson(*each) for each in zip(predicted, actual, strict=True)]))


class _Patches(Metric):
    family = "faithfulness"
    needs = ("scores",)
    ranked = True
    asks_network = True

    fill: str | Fill = "mean"

    @abstractmethod
    def patches(self, size: tuple[int, int], generator: torch.Generator) -> np.ndarray:
        """Bool `(n, h, w)`, true where a patch hides the picture."""

    @abstractmethod
    def score(self, predicted: np.ndarray, actual: np.ndarray) -> Score:
        """From what the map says a patch is worth, `(n,)`, and how far the score falls without it, `(n,)`."""

    @override
    def scores(self, asked: Question) -> list[Score]:
        perturber = asked.perturber(self.fill)
        patches = self.patches(asked.context.classifier.preprocessing.size, asked.fresh())
        kept = torch.from_numpy(np.concatenate([np.ones_like(patches[:1]), ~patches]))
        whole, *without = perturber.logits(len(kept), lambda part: kept[part]).double()
        falls = whole - torch.stack(without)
        inside = patches.reshape(len(patches), -1).astype(np.float64)
        actual = {target: target.score(falls).numpy() for target in dict.fromkeys(each.target for each in asked.maps)}
        return [self.score(inside @ each.values.ravel(), actual[each.target]) for each in asked.maps]


class Infidelity(_Patches):
    """E[(β Iᵀa − (f(x) − f(x without the square)))²], f the logit, or the difference of two, that was explained.

    I is 1 on `draws` random squares of `side` times the shorter side. `scaled` takes the best β, for maps that have
    no unit; else β = 1. Source: Yeh 2019, with square removal.
    """

    name = "infidelity"
    title = "Infidelity"
    paper = "Yeh et al. 2019"
    arxiv = "1901.09392"
    higher_is_better = False
    bounds = (0, np.inf)
    stochastic = True
    question = "How far off is the map when it predicts how much the score falls as random squares are hidden?"
    reading = (
        "The mean squared error, in squared logits: 0 is perfect, and an empty map gets what the falls themselves "
        "amount to. Compare maps of the same picture only. The squares are drawn, and where maps are close, other "
        "squares may turn their order."
    )

    side: float = 0.25
    draws: int = 64
    scaled: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.side <= 1 or self.draws < 1:
            raise UsageError(
                f"infidelity wants one draw or more of squares with a side above 0 and up to 1, not "
                f"draws={self.draws}, side={self.side:g}"
            )

    @override
    def patches(self, size: tuple[int, int], generator: torch.Generator) -> np.ndarray:
        return squares(size, max(round(self.side * min(size)), 1), self.draws, generator)

    @override
    def score(self, predicted: np.ndarray, actual: np.ndarray) -> Score:
        return Score(infidelity(predicted, actual, scaled=self.scaled), np.stack([predicted, actual]))


class IDSDS(_Patches):
    """Rank correlation of the map's sum over each of `cells` × `cells` patches with the fall of the score without it.

    Source: Hesse 2024, where the network is first trained to cope with missing patches: there, scores of
    different networks can be compared; here, only of maps.
    """

    name = "idsds"
    title = "IDSDS, without fine-tuning"
    paper = "Hesse et al. 2024"
    arxiv = "2407.11910"
    bounds = (-1, 1)
    question = "Does the map rank the patches of the picture as the network does?"
    reading = "1 means that the order of the patches is that of how far the score falls without each; 0 is chance."

    cells: int = 4

    def __post_init__(self) -> None:
        if self.cells < 2:
            raise UsageError(f"cells is how many patches there are in a row, two or more, not {self.cells}")

    @override
    def patches(self, size: tuple[int, int], generator: torch.Generator) -> np.ndarray:
        return grid(size, self.cells)

    @override
    def score(self, predicted: np.ndarray, actual: np.ndarray) -> Score:
        if is_flat(predicted):
            return Score.undefined("the map calls every patch equally relevant, so it ranks none")
        return Score(spearman(predicted, actual), np.stack([predicted, actual]))


class SensitivityN(_Patches):
    """Linear correlation of the map's sum over n random cells with the fall of the score without them, mean over n.

    n is each of `shares` of the `cells` × `cells` cells, and each n is drawn `draws` times. Source: Ancona 2018, there
    with single pixels; hidden pixels strewn over a picture hardly change what a network sees of it.
    """

    name = "sensitivity-n"
    title = "Sensitivity-n"
    paper = "Ancona et al. 2018"
    arxiv = "1711.06104"
    bounds = (-1, 1)
    stochastic = True
    question = "When several parts are hidden at once, does the map's sum over them say how far the score falls?"
    reading = (
        "1 means that sums over the map and falls of the score are in proportion, whatever is hidden; 0 is chance. "
        "The parts are drawn, and where maps are close, other parts may turn their order."
    )

    cells: int = 14
    shares: tuple[float, ...] = (0.05, 0.1, 0.25, 0.5)
    draws: int = 16

    def __post_init__(self) -> None:
        if self.cells < 2 or self.draws < 2 or not self.shares or not all(0 < each < 1 for each in self.shares):
            raise UsageError(
                "sensitivity-n wants two cells in a row and two draws or more, and shares between 0 and 1, not "
                f"cells={self.cells}, draws={self.draws}, shares={self.shares}"
            )

    @override
    def patches(self, size: tuple[int, int], generator: torch.Generator) -> np.ndarray:
        counts = [min(max(round(share * self.cells**2), 1), self.cells**2 - 1) for share in self.shares]
        return random_cells(size, self.cells, counts, self.draws, generator)

    @override
    def score(self, predicted: np.ndarray, actual: np.ndarray) -> Score:
        if is_flat(predicted):
            return Score.undefined("the map gives all parts the same, so it tells none apart")
        by_size = (each.reshape(len(self.shares), self.draws) for each in (predicted, actual))
        return Score(sensitivity_n(*by_size), np.stack([predicted, actual]))
