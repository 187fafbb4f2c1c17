"""Maps that know nothing of the network, to compare methods with: who is no better than these explains nothing.

They are methods like any other, but not in the list of methods.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate
from typing_extensions import override

from seewhy.core.progress import Progress
from seewhy.errors import UnknownName, UsageError
from seewhy.images import Image
from seewhy.methods import Method, MethodInfo
from seewhy.methods.map_method import Heat, MapMethod, Maps
from seewhy.models import Classifier, Target

C = TypeVar("C", bound=type)


def _control(name: str, title: str, reading: str) -> Callable[[C], C]:
    def declare(control: C) -> C:
        control.info = MethodInfo(  # pyright: ignore[reportAttributeAccessIssue]
            name=f"control:{name}",
            title=title,
            family="controls",
            paper="a control",
            arxiv=None,
            needs=frozenset({"scores"}),
            signed=False,
            question="What does a map score that knows nothing of the network?",
            reading=reading,
            cost="one forward",
            make=control,
        )
        return control

    return declare


@dataclass(frozen=True, kw_only=True)
class _Control(MapMethod):
    @abstractmethod
    def draw(self, pixels: Tensor, generator: torch.Generator) -> Tensor:
        """The map `(h, w)`, not negative, of what the network sees, `(3, h, w)` in [0, 1]."""

    @override
    def find(
        self,
        classifier: Classifier,
        image: Image,
        targets: Sequence[Target],
        generator: torch.Generator,
        progress: Progress,
    ) -> Maps:
        with torch.no_grad():
            logits = classifier.logits(classifier.preprocess([image]))[0]
        values = self.draw(classifier.preprocessing.pixels([image])[0], generator).numpy()
        progress(1, 1, "maps")
        return Maps([Heat(target, values) for target in targets], logits, 1)


@_control("random", "Random map", "Chance alone: what does not beat it explains nothing.")
@dataclass(frozen=True, kw_only=True)
class RandomMap(_Control):
    """Uniform noise on `cells` × `cells` cells, enlarged bilinearly; without cells, on every pixel."""

    cells: int | None = 7

    def __post_init__(self) -> None:
        if self.cells is not None and self.cells < 1:
            raise UsageError(f"cells is how many random numbers there are in a row, at least 1, not {self.cells}")

    @override
    def draw(self, pixels: Tensor, generator: torch.Generator) -> Tensor:
        size = pixels.shape[1:]
        if self.cells is None:
            return torch.rand(size, generator=generator)
        coarse = torch.rand((1, 1, self.cells, self.cells), generator=generator)
        return interpolate(coarse, size, mode="bilinear", align_corners=False)[0, 0]


@_control("gaussian", "Centred Gaussian", "People put what matters into the middle; this map knows no more than that.")
@dataclass(frozen=True, kw_only=True)
class CentredGaussian(_Control):
    """A bell in the middle, its σ `sigma` times each side."""

    sigma: float = 0.25

    def __post_init__(self) -> None:
        if self.sigma <= 0:
            raise UsageError(f"sigma is a share of each side, above 0, not {self.sigma:g}")

    @override
    def draw(self, pixels: Tensor, generator: torch.Generator) -> Tensor:
        rows, columns = (self._bell(length) for length in pixels.shape[1:])
        return rows[:, None] * columns

    def _bell(self, length: int) -> Tensor:
        places = (torch.arange(length) + 0.5) / length - 0.5
        return torch.exp(-((places / self.sigma) ** 2) / 2)


@_control(
    "sobel", "Sobel edges", "The picture's own edges: maps that look like this may show the picture, not the decision."
)
@dataclass(frozen=True, kw_only=True)
class SobelEdges(_Control):
    """How steep the picture's brightness is."""

    @override
    def draw(self, pixels: Tensor, generator: torch.Generator) -> Tensor:
        from skimage.filters import sobel

        edges: np.ndarray = sobel(pixels.mean(0).numpy())
        return torch.from_numpy(edges)


@_control("empty", "Empty map", "No evidence at all: what scores are worth that this map gets, too, is nothing.")
@dataclass(frozen=True, kw_only=True)
class EmptyMap(_Control):
    """Zero everywhere."""

    @override
    def draw(self, pixels: Tensor, generator: torch.Generator) -> Tensor:
        return torch.zeros(pixels.shape[1:])


def random_maps(pixels: Tensor, count: int, seed: int) -> np.ndarray:
    """Maps that the random control might have drawn of a picture `(3, h, w)`: float32 `(count, h, w)`, of one seed."""
    size, cells = pixels.shape[1:], RandomMap().cells or 1
    coarse = torch.rand((count, 1, cells, cells), generator=torch.Generator().manual_seed(seed + 1))
    return interpolate(coarse, size, mode="bilinear", align_corners=False)[:, 0].numpy()


def find_control(name: str) -> Method:
    """The control called `name`.

    Raises:
        UnknownName: there is none.
    """
    controls = {each.info.name: each for each in (make() for make in CONTROLS.values())}
    if name not in controls:
        raise UnknownName(f"there is no control '{name}'; there are {', '.join(controls)}")
    return controls[name]


def is_control(name: str) -> bool:
    """Whether a method of this name knows nothing of the network."""
    return name in {make().info.name for make in CONTROLS.values()}


CHANCE = "control:random"
CONTROLS: dict[str, Callable[[], Method]] = {
    "random": RandomMap,
    "gaussian": CentredGaussian,
    "sobel": SobelEdges,
    "empty": EmptyMap,
}
