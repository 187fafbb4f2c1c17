"""A network asked for gradients under any rule set: with respect to its input, or to what one of its layers puts out.

Both are functions of points: normalised pictures, or a layer's activations. Methods that compare a picture with
references need no more than points, so each works at any layer, along the way that the activations go.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

import torch
from torch import Tensor
from typing_extensions import override

from seewhy.engines.inference import exact_copy, keep_large_blocks
from seewhy.engines.rules import RuleSet, applying, frozen
from seewhy.engines.tail import tail
from seewhy.models import Classifier, Target, capture
from seewhy.models.blame import explaining
from seewhy.models.state import evaluating


class Differentiable:
    """The classifier as a function of its input; counts what is asked of it.

    The copy has its BatchNorm folded and its parameters out of autograd, so the network that was given stays as it is,
    and a backward costs no more than the way to the input.
    """

    def __init__(self, classifier: Classifier) -> None:
        keep_large_blocks()
        self.classifier = classifier
        self.forwards = 0
        self.backwards = 0
        copy = exact_copy(classifier)
        self._module, self._dtype = copy.module, copy.dtype

    def points(self, pixels: Tensor) -> Tensor:
        """Pictures `(n, C, h, w)` in [0, 1] as points `(n, …)`; here network inputs, in the copy's precision."""
        inputs = self.classifier.preprocessing.normalize(pixels).to(self.classifier.device, self._dtype)
        return inputs.contiguous(memory_format=torch.channels_last)

    def maps(self, values: Tensor) -> Tensor:
        """What belongs to points `(n, …)` as maps `(n, C, h, w)` over the picture."""
        return values

    def logits(self, points: Tensor) -> Tensor:
        """`(n, K)`, without gradients."""
        self.forwards += len(points)
        with torch.no_grad(), evaluating(self._module):
            return self._run(points.clone())

    def gradients(
        self, points: Tensor, targets: Sequence[Target], rules: RuleSet | None = None, scored: int | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Logits `(n, K)`, and for each target ∂ score / ∂ point `(n, …)`, under `rules` if there are any.

        `scored` leading rows are scored, all without it: the rest are references that only take part.
        """
        self.forwards += len(points)
        with torch.inference_mode(False), torch.enable_grad():
            leaf = points.detach().clone().requires_grad_()
            with evaluating(self._module), frozen(self._module), applying(rules) if rules else nullcontext() as check:
                # A copy goes in, for networks that work on their input in place.
                logits = self._run(leaf.clone(), gradients=True)
                scores = [target.score(logits[:scored]).sum() for target in targets]
                if check:
                    check(scores)
            self.backwards += len(points) * len(targets)
            found = [self._gradient(score, leaf, last=score is scores[-1]) for score in scores]
        return logits.detach(), found

    def _run(self, points: Tensor, *, gradients: bool = False) -> Tensor:
        return self.classifier.head.ask(self._module, points)

    def _gradient(self, score: Tensor, leaf: Tensor, *, last: bool) -> Tensor:
        if not score.requires_grad:  # a constant network
            return torch.zeros_like(leaf)
        with explaining("the backward pass"):
            return torch.autograd.grad(score, leaf, retain_graph=not last, materialize_grads=True, allow_unused=True)[0]


class FromLayer(Differentiable):
    """The classifier from `layer` on, as a function of what the layer puts out, for the picture `pixels` `(C, h, w)`.

    What goes past the layer, on a shortcut, stays as it is for that picture. The layer has a grid over the picture.
    """

    def __init__(self, classifier: Classifier, layer: str, pixels: Tensor) -> None:
        super().__init__(classifier)
        self.layer = layer
        self._grid = classifier.require_grid(layer)
        self._module, self._dtype = classifier.module, classifier.dtype  # the copy's layers may be folded together
        x = super().points(pixels[None])
        with evaluating(self._module):
            self._tail = tail(self._module, layer, self._whole, x)

    @override
    def points(self, pixels: Tensor) -> Tensor:
        self.forwards += len(pixels)
        with evaluating(self._module), capture(self._module, [self.layer], gradients=False) as seen:
            self._whole(super().points(pixels))
        return seen[self.layer].detach()

    @override
    def maps(self, values: Tensor) -> Tensor:
        return self._grid.fold(values)

    @override
    def _run(self, points: Tensor, *, gradients: bool = False) -> Tensor:
        return self._tail(points, gradients=gradients)

    def _whole(self, x: Tensor) -> Tensor:
        return self.classifier.head.ask(self._module, x)
