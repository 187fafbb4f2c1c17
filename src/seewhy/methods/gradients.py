"""Plain gradients with respect to the input, and what is made of them without a reference."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from seewhy.engines import Call, Fill, RuleSet, find_fill
from seewhy.errors import UsageError
from seewhy.methods.cam import GradCAM
from seewhy.methods.method import Method
from seewhy.methods.task import Found, Task, enlarge

SPECKLED = "It shows single pixels, often in speckles: read where they gather, not each one. "
BATCH = 8
TOLERANCE = 0.01  # of the change of the score, by which a map that adds up may miss it
HARDLY = 1e-3  # of what the pixels move back and forth, under which a score hardly changed


class Query:
    """What is asked about one picture at one point of the network: why each of `targets`?

    The point is the network's input, or what one of its layers puts out. `labels` are the regions over which numbers
    of pixels are summed, int `(h, w)` over the picture, where they are.
    """

    def __init__(self, task: Task, layer: str | None, *, exact: bool = False, labels: np.ndarray | None = None) -> None:
        self._task, self._layer = task, layer
        self.labels = labels
        self.network = task.differentiable(layer, exact=exact)
        self.pixels = task.picture
        self.generator = task.generator
        self.progress = task.progress
        self.point = self.network.points(self.pixels[None])
        task.note(self.network.logits(self.point))
        self.targets = task.asked
        self.own = len(task.own[0])  # the others are asked about to compare with

    def in_float64(self) -> Query | None:
        """The same with a network that rounds less, if there can be one."""
        can = self._layer is None and self.point.dtype == torch.float32 and self.point.device.type != "mps"
        found = Query(self._task, None, exact=True, labels=self.labels) if can else None
        return found if found and found.point.dtype == torch.float64 else None

    def references(self, background: str | Fill) -> Tensor:
        """The points `(m, …)` that a background stands for: what the fill puts where all is hidden."""
        filler = find_fill(background).prepare(self.pixels, None, self.generator)
        nothing = self.pixels.new_zeros((filler.alternatives, *self.pixels.shape[1:]))
        which = torch.arange(filler.alternatives, device=self.pixels.device)
        return self.network.points(filler(nothing, which).expand(len(nothing), -1, -1, -1))

    def changes(self, references: Tensor) -> list[Tensor]:
        """How far each target's score is above its mean at the references."""
        whole, *others = self.network.logits(torch.cat([self.point, references]))
        return [target.score(whole) - target.score(torch.stack(others)).mean() for target in self.targets]

    def summed(self, values: Tensor) -> Tensor:
        """`(n, …)` that belongs to points, summed over colours or channels: `(n, h, w)`."""
        return self.network.maps(values).sum(1)

    def strongest(self, values: Tensor) -> Tensor:
        """The largest absolute value over colours or channels, `(n, h, w)`. Source: Simonyan 2013, section 3.1."""
        return self.network.maps(values).abs().amax(1)


class PixelMethod(Method):
    """A number per pixel of what the network saw, from gradients with respect to its input.

    With `layers` the same for what each of them puts out, summed over channels and enlarged to the picture. A token
    that is no part of the picture, as a class token, takes a share that no map shows.
    """

    family = "gradients"
    needs = ("gradients",)
    cost = "one forward, one backward"

    layers: tuple[str, ...] = ()

    @abstractmethod
    def attribute(self, query: Query) -> list[Found]:
        """One answer per target."""

    def labels(self, task: Task) -> np.ndarray | None:
        """The regions over which pixels are summed, too, int32 `(h, w)`; None where they are not."""
        return None

    @override
    def find(self, task: Task) -> list[Found]:
        labels = self.labels(task)
        by_layer = [self._at(task, layer, labels) for layer in self.layers or (None,)]
        return [each for of_target in zip(*by_layer, strict=True) for each in of_target]

    def _at(self, task: Task, layer: str | None, labels: np.ndarray | None) -> list[Found]:
        task.generator.manual_seed(task.generator.initial_seed())
        found = self.attribute(Query(task, layer, labels=labels))
        return [
            replace(each, values=_full(each.values, task), errors=_full(each.errors, task), layer=layer)
            for each in found
        ]


def _full(values: Tensor | np.ndarray | None, task: Task) -> Tensor | np.ndarray | None:
    """A map as large as what the network sees."""
    if not isinstance(values, Tensor) or values.shape == task.size:
        return values
    return enlarge(values[None], task.size)[0]


def completeness_gap(values: Tensor, change: Tensor, least: float = 0.0) -> float:
    """|Σ values − change of the score| / |change|: 0.01 is 1 % off.

    A change smaller than the rounding of Σ |values|, or than the `least` that is none, counts as that.
    """
    rounding = torch.finfo(values.dtype).eps * float(values.abs().sum())
    scale = max(abs(float(change)), rounding, least, torch.finfo(values.dtype).tiny)
    return abs(float(values.double().sum()) - float(change)) / scale


def gap_notes(
    values: Tensor, change: Tensor, reason: str, tolerance: float = TOLERANCE, least: float = 0.0
) -> tuple[str, ...]:
    """The sentence that a map needs which should add up and does not, with the `reason`."""
    if completeness_gap(values, change, least) <= tolerance:
        return ()
    total = float(values.double().sum())
    only = "hardly changed, by" if abs(float(change)) < HARDLY * float(values.abs().sum()) else "changed by"
    return (
        f"This map does not add up: its values sum to {total:+.4g}, while the score {only} {float(change):+.4g}. "
        + reason,
    )


class Gradient(PixelMethod):
    """How sensitive the score is to each pixel."""

    name = "gradient"
    title = "Gradient"
    status = "verified"
    paper = "Simonyan et al. 2013"
    arxiv = "1312.6034"
    question = "Which pixels would change the score most if they changed a little?"
    reading = "Bright pixels are those the score is most sensitive to, in either direction. " + SPECKLED

    @override
    def attribute(self, query: Query) -> list[Found]:
        _, found = query.network.gradients(query.point, query.targets)
        return [Found(query.strongest(each)[0]) for each in found]


class InputXGradient(PixelMethod):
    """The gradient times the normalised input, summed over colours: exact for a linear network."""

    name = "input-x-gradient"
    title = "Input × gradient"
    status = "verified"
    paper = "Shrikumar et al. 2016"
    arxiv = "1605.01713"
    signed = True
    others = "sum"
    question = "How much did each pixel add to the score, if the network were linear?"
    reading = (
        "Orange pixels raised the score, blue ones lowered it, measured from the mean colour of the training "
        "pictures. " + SPECKLED
    )

    @override
    def attribute(self, query: Query) -> list[Found]:
        _, found = query.network.gradients(query.point, query.targets)
        return [Found(query.summed(query.point * each)[0]) for each in found]


class SmoothGrad(PixelMethod):
    """The gradient averaged over `samples` copies with Gaussian noise of `noise` times the range of the input."""

    name = "smooth-grad"
    title = "SmoothGrad"
    status = "verified"
    stochastic = True
    paper = "Smilkov et al. 2017"
    arxiv = "1706.03825"
    question = "Which pixels is the score sensitive to, whatever a little noise?"
    reading = "Bright pixels are those the score is most sensitive to, averaged over noisy copies of the picture."
    cost = "one forward and backward for each of 25 noisy copies"

    samples: int = 25
    noise: float = 0.15

    def __post_init__(self) -> None:
        if self.samples < 1 or self.noise < 0:
            raise UsageError(f"{self.name} wants samples ≥ 1 and noise ≥ 0, not {self.samples} and {self.noise}")

    @override
    def attribute(self, query: Query) -> list[Found]:
        sums, _ = self._sums(query)
        return [Found(query.strongest(each / self.samples)[0]) for each in sums]

    def _sums(self, query: Query) -> tuple[list[Tensor], list[Tensor]]:
        """For each target the sum of the noisy copies' gradients, and of their squares, `(1, …)`."""
        x = query.point
        sigma = self.noise * (x.max() - x.min())
        sums = [torch.zeros_like(x) for _ in query.targets]
        squares = [torch.zeros_like(x) for _ in query.targets]
        for start in range(0, self.samples, BATCH):
            count = min(BATCH, self.samples - start)
            noise = torch.randn((count, *x.shape[1:]), generator=query.generator).to(x)
            _, found = query.network.gradients(x + sigma * noise, query.targets)
            for number, each in enumerate(found):
                sums[number] += each.sum(0, keepdim=True)
                squares[number] += each.square().sum(0, keepdim=True)
            query.progress(start + count, self.samples, "noisy copies")
        return sums, squares


class VarGrad(SmoothGrad):
    """The variance of the gradient over noisy copies: Adebayo's E[g²] − E[g]²."""

    name = "var-grad"
    title = "VarGrad"
    status = "verified"
    paper = "Adebayo et al. 2018"
    arxiv = "1810.03307"
    question = "Where does the score's sensitivity change most under a little noise?"
    reading = (
        "Bright pixels are those where the network's slope is unsteady: near the edges of what it decides by. It does "
        "not say which way they push. "
    ) + SPECKLED

    @override
    def attribute(self, query: Query) -> list[Found]:
        means = [[total / self.samples for total in totals] for totals in self._sums(query)]
        variances = [squares - mean.square() for mean, squares in zip(*means, strict=True)]
        return [Found(query.strongest(each.clamp(min=0))[0]) for each in variances]


def _guided(call: Call) -> Tensor:
    """The activation's own derivative, for positive gradients only."""
    return _PositiveOnly.apply(call.plain())  # pyright: ignore[reportReturnType]


class _PositiveOnly(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, y: Tensor) -> Tensor:  # noqa: ARG004
        return y.clone()

    @staticmethod
    def backward(ctx: object, *gradients: Tensor) -> Tensor:  # noqa: ARG004
        return gradients[0].clamp(min=0)


# Springenberg's rule is for ReLU; on other activations it clamps what flows into their own derivative.
GUIDED = RuleSet("guided backpropagation", {"activation": _guided}, strict=False)


class GuidedBackpropagation(PixelMethod):
    """The gradient with negative values dropped at every activation."""

    name = "guided-backprop"
    title = "Guided backpropagation"
    status = "verified"
    paper = "Springenberg et al. 2014"
    arxiv = "1412.6806"
    question = "Which fine structures excite the network?"
    reading = (
        "Bright pixels draw the edges that excite the network. The picture is sharp but hardly depends on the "
        "class or even on training, so it is no proof of what decided."
    )

    @override
    def attribute(self, query: Query) -> list[Found]:
        _, found = query.network.gradients(query.point, query.targets, GUIDED)
        return [Found(query.strongest(each)[0]) for each in found]


def guided_grad_cam(gradients: Tensor, cam: Tensor | np.ndarray) -> Tensor:
    """Guided gradients `(C, h, w)` times a CAM `(h, w)`, the largest absolute value over colours, `(h, w)`.

    Source: Selvaraju 2017, section 3.2.
    """
    return (gradients * torch.as_tensor(cam).to(gradients).clamp(min=0)).abs().amax(0)


class GuidedGradCAM(Method):
    """Guided backpropagation times Grad-CAM at each of `layers` (default: the one the classifier names)."""

    name = "guided-grad-cam"
    title = "Guided Grad-CAM"
    status = "verified"
    family = "gradients"
    paper = "Selvaraju et al. 2017"
    arxiv = "1610.02391"
    needs = ("layers", "gradients")
    question = "Which fine structures lie in the areas that raised the score of this class?"
    reading = (
        "Bright pixels draw edges inside the areas that Grad-CAM finds. The areas depend on the class, the edges "
        "hardly do: trust where it is bright, not how fine it looks."
    )
    cost = "two forwards, two backwards"

    layers: tuple[str, ...] = ()

    @override
    def find(self, task: Task) -> list[Found]:
        network = task.differentiable()
        logits, guided = network.gradients(network.points(task.pixels), task.asked, GUIDED)
        task.note(logits)
        task.progress(1, 2, "passes")
        cams = GradCAM(layers=self.layers).find(task)
        task.progress(2, 2, "passes")
        layers = len(cams) // len(guided)
        return [
            Found(guided_grad_cam(guided[number // layers][0].float(), cam.values), cam.layer)
            for number, cam in enumerate(cams)
        ]
