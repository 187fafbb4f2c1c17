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

from seewhy.engines.batches import keep_large_blocks
from seewhy.engines.inference import exact_copy, inference_copy
from seewhy.engines.rules import RuleSet, applying, frozen
from seewhy.engines.tail import tail
from seewhy.errors import ExplainError
from seewhy.models import Classifier, Target, capture
from seewhy.models.blame import explaining
from seewhy.models.state import evaluating
from seewhy.models.wrappers import without_gradient


class Differentiable:
    """The classifier as a function of its input; counts what is asked of it.

    The copy has its BatchNorm folded and its parameters out of autograd, so the network that was given stays as it is,
    and a backward costs no more than the way to the input. It is in full precision; with `exact`, in float64. What
    answers is `module`.
    """

    def __init__(self, classifier: Classifier, *, exact: bool = False) -> None:
        keep_large_blocks()
        if obstacle := without_gradient(classifier.module):
            raise ExplainError(obstacle)
        self.classifier = classifier
        self.forwards = 0
        self.backwards = 0
        copy = inference_copy(classifier, "float64") if exact else exact_copy(classifier)
        self.module, self._dtype = copy.module, copy.dtype

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
        with torch.no_grad(), evaluating(self.module):
            return self._run(points.clone())

    def gradients(
        self, points: Tensor, targets: Sequence[Target], rules: RuleSet | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Logits `(n, K)`, and for each target ∂ score / ∂ point `(n, …)`, under `rules` if there are any.

        Raises:
            ExplainError: no rule saw some operation, or the scores depend on the points and autograd does not know how.
        """
        self.forwards += len(points)
        self.backwards += len(points) * len(targets)
        try:
            return self._gradients(points, targets, rules)
        except ExplainError as error:
            if "modified by an inplace operation" not in str(error):
                raise
        # The network writes over what the way back needs, which is no fault where it only answers: keep copies of it.
        with torch.autograd.graph.allow_mutation_on_saved_tensors():
            return self._gradients(points, targets, rules)

    def _gradients(
        self, points: Tensor, targets: Sequence[Target], rules: RuleSet | None
    ) -> tuple[Tensor, list[Tensor]]:
        with torch.inference_mode(False), torch.enable_grad():
            leaf, logits, scores = self._scored(points, targets, rules)
            found = [self._gradient(score, leaf, last=score is scores[-1]) for score in scores]
        return logits.detach(), [
            self._nothing(points, target) if each is None else each for each, target in zip(found, targets, strict=True)
        ]

    def watch(self, points: Tensor, targets: Sequence[Target], rules: RuleSet) -> None:
        """Run to the scores under `rules`, for what the rules see."""
        self.forwards += len(points)
        with torch.inference_mode(False), torch.enable_grad():
            self._scored(points, targets, rules)

    def _scored(
        self, points: Tensor, targets: Sequence[Target], rules: RuleSet | None
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        leaf = points.detach().clone().requires_grad_()
        with evaluating(self.module), frozen(self.module), applying(rules) if rules else nullcontext() as mode:
            # A copy goes in, for networks that work on their input in place.
            logits = self._run(leaf.clone(), gradients=True)
            scores = [target.score(logits).sum() for target in targets]
            if mode:
                mode.check(scores)
        return leaf, logits, scores

    def _run(self, points: Tensor, *, gradients: bool = False) -> Tensor:
        return self.classifier.head.ask(self.module, points)

    def _gradient(self, score: Tensor, leaf: Tensor, *, last: bool) -> Tensor | None:
        """None where autograd knows of no way from the leaf to the score."""
        if not score.requires_grad:
            return None
        with explaining("the backward pass"):
            return torch.autograd.grad(score, leaf, retain_graph=not last, allow_unused=True)[0]

    def _nothing(self, points: Tensor, target: Target) -> Tensor:
        """The zero gradient of a score that does not depend on the points; refuses one that does."""
        leaf = points.detach().clone().requires_grad_()
        with evaluating(self.module), frozen(self.module), applying(RuleSet("none", strict=False)) as mode:
            score = target.score(self._run(leaf.clone(), gradients=True)).sum()
            maker = mode.cut_off(score)
        if self._gradient(score, leaf, last=True) is not None:  # the rules let nothing through
            return torch.zeros_like(points)
        # What left PyTorch, for NumPy, say, shows only in its answers.
        if maker or not torch.equal(score, target.score(self.logits(-points)).sum()):
            cause = f"'{maker}' ran where nothing is recorded" if maker else "it leaves PyTorch"
            raise ExplainError(
                f"the network's answer depends on the picture, but not through autograd: {cause}; take out what cuts "
                "it off (no_grad, inference_mode, detach, argmax, NumPy), or use a method that needs scores only "
                "(lime, occlusion, kernel-shap)"
            )
        return torch.zeros_like(points)


class FromLayer(Differentiable):
    """The classifier from `layer` on, as a function of what the layer puts out, for the picture `pixels` `(C, h, w)`.

    What goes past the layer, on a shortcut, stays as it is for that picture. The layer has a grid over the picture.
    """

    def __init__(self, classifier: Classifier, layer: str, pixels: Tensor) -> None:
        super().__init__(classifier)
        self.layer = layer
        self._grid = classifier.require_grid(layer)
        self.module, self._dtype = classifier.module, classifier.dtype  # the copy's layers may be folded together
        x = super().points(pixels[None])
        with evaluating(self.module):
            self._tail = tail(self.module, layer, self._whole, x, alone=classifier.head.alone)

    @override
    def points(self, pixels: Tensor) -> Tensor:
        self.forwards += len(pixels)
        found: list[Tensor] = []
        for part in super().points(pixels).split(self.classifier.at_once(len(pixels))):
            with evaluating(self.module), capture(self.module, [self.layer], gradients=False) as seen:
                self._whole(part)
            found.append(seen[self.layer].detach())
        return torch.cat(found)

    @override
    def maps(self, values: Tensor) -> Tensor:
        return self._grid.fold(values)

    @override
    def _run(self, points: Tensor, *, gradients: bool = False) -> Tensor:
        return self._tail(points, gradients=gradients)

    def _whole(self, x: Tensor) -> Tensor:
        return self.classifier.head.ask(self.module, x)
