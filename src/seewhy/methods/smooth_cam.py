"""Class activation maps averaged over variations of the picture, or of what is shown of it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from typing_extensions import override

from seewhy.errors import UsageError
from seewhy.methods.cam import CAM, COARSE, WHERE, grad_cam_plus_plus
from seewhy.methods.score_cam import ScoreCAM
from seewhy.methods.task import Found, Task, enlarge
from seewhy.models import Captured, Grid, Target, capture, folded

BATCH = 8


def smooth_weights(activations: Tensor, powers: Tensor) -> Tensor:
    """Σ_ij a ReLU(D₁) with a = D₂ / (2 D₂ + S D₃), `(C,)`. Source: Omeiza 2019, eq. 8, stabilised as Grad-CAM++.

    Args:
        activations: A `(C, h, w)`, S its sum over positions.
        powers: D₁, D₂, D₃: the means of g, g², g³ over noisy copies, `(3, C, h, w)`.
    """
    first, second, third = powers
    shares = second / (2 * second + activations.sum((1, 2), keepdim=True) * third + 1e-6)
    return torch.where(first > 0, shares * first, 0).sum((1, 2))


class SmoothGradCAMPlusPlus(CAM):
    """Grad-CAM++ with gradients averaged over `samples` copies with noise of `noise` times the range of the input."""

    name = "smooth-grad-cam++"
    others = ""  # a backward for each noisy copy and class
    title = "Smooth Grad-CAM++"
    status = "verified"
    paper = "Omeiza et al. 2019"
    arxiv = "1908.01224"
    question = "Which areas raised the score of this class, whatever a little noise?"
    cost = "one forward and backward for each of 10 noisy copies"
    stochastic = True
    batched = False

    samples: int = 10
    noise: float = 0.15

    cam = staticmethod(grad_cam_plus_plus)

    def __post_init__(self) -> None:
        if self.samples < 1 or self.noise < 0:
            raise UsageError(f"{self.name} wants samples ≥ 1 and noise ≥ 0, not {self.samples} and {self.noise}")

    @override
    def find(self, task: Task) -> list[Found]:
        grids = task.grids(self.layers)
        with capture(task.classifier.module, list(grids), gradients=False) as seen:
            task.note(task.classifier.logits(task.inputs))
        task.spend(1)
        maps = {layer: folded(grid, seen[layer])[0] for layer, grid in grids.items()}
        powers = [{layer: each.new_zeros((3, *each.shape)) for layer, each in maps.items()} for _ in task.asked]
        sigma = self.noise * (task.inputs.max() - task.inputs.min())
        size = task.classifier.at_once(BATCH)
        for start in range(0, self.samples, size):
            count = min(size, self.samples - start)
            noise = torch.randn((count, *task.inputs.shape[1:]), generator=task.generator).to(task.inputs)
            for mine, target in zip(powers, _gradients(task, grids, task.inputs + sigma * noise), strict=True):
                for layer, gradients in target.items():
                    each = torch.stack([gradients, gradients.square(), gradients**3])
                    mine[layer] += each.sum(1) / self.samples
            task.progress(start + count, self.samples, "noisy copies")
        return [self._found(maps[layer], mine[layer], layer, task) for mine in powers for layer in grids]

    def _found(self, maps: Tensor, powers: Tensor, layer: str, task: Task) -> Found:
        cam = torch.einsum("k,khw->hw", smooth_weights(maps, powers), maps)
        return Found(enlarge((cam if self.signed else cam.clamp(min=0))[None], task.size)[0], layer, signed=self.signed)


def _gradients(task: Task, grids: Mapping[str, Grid], inputs: Tensor) -> list[dict[str, Tensor]]:
    """For each target the gradients at each layer, `(n, C, h, w)`."""
    with capture(task.classifier.module, list(grids)) as seen:
        logits = task.classifier.logits(inputs)
        found = [_folded(seen, grids, logits, target) for target in task.asked]
    task.spend(len(inputs), len(inputs) * len(found))
    return found


def _folded(seen: Captured, grids: Mapping[str, Grid], logits: Tensor, target: Target) -> dict[str, Tensor]:
    gradients = seen.gradients(target.score(logits).sum(), list(grids))
    return {layer: folded(grid, gradients[layer]) for layer, grid in grids.items()}


class AveragedScoreCAM(ScoreCAM):
    """Score-CAM with each mask shown in `samples` ways, their mean."""

    samples: int = 10

    @property
    @override
    def copies(self) -> int:
        return self.samples


class SSCAM(AveragedScoreCAM):
    """Score-CAM with each mask under Gaussian noise of deviation `noise`, the mean of `samples`."""

    name = "ss-cam"
    title = "SS-CAM"
    status = "approximate"
    paper = "Wang et al. 2020"
    arxiv = "2006.14255"
    question = "Which areas, shown alone under noise, make the network sure of this class?"
    cost = "35 times Score-CAM: 44,800 forwards for the default model"
    stochastic = True

    samples: int = 35
    noise: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.samples < 1 or self.noise < 0:
            raise UsageError(f"ss-cam wants samples ≥ 1 and noise ≥ 0, not {self.samples} and {self.noise}")

    @override
    def shown(self, masks: Tensor, copy: int, generator: torch.Generator) -> Tensor:
        return masks + self.noise * torch.randn(masks.shape, generator=generator).to(masks)


class ISCAM(AveragedScoreCAM):
    """Score-CAM with each mask faded in, the mean of `samples` steps."""

    name = "is-cam"
    title = "IS-CAM"
    status = "verified"
    paper = "Naidu et al. 2020"
    arxiv = "2010.03023"
    question = "Which areas, faded in alone, make the network sure of this class?"
    reading = WHERE + "An area counts from the faintest hint of it on. " + COARSE
    cost = "10 times Score-CAM: 12,800 forwards for the default model"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.samples < 1:
            raise UsageError(f"is-cam wants at least one sample, not {self.samples}")

    @override
    def shown(self, masks: Tensor, copy: int, generator: torch.Generator) -> Tensor:
        return masks * ((copy + 1) / self.samples)
