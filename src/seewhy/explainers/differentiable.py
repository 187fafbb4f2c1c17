"""A network's exact private copy, asked for gradients with respect to its input, under any rule set."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

import torch
from torch import Tensor

from seewhy.explainers.rules import RuleSet, applying, frozen
from seewhy.models import Classifier, Target
from seewhy.models.inference import exact_copy
from seewhy.models.memory import keep_large_blocks
from seewhy.models.outputs import find_logits
from seewhy.models.state import evaluating

__all__ = ["Differentiable"]


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
        self._network = exact_copy(classifier)

    def preprocess(self, pixels: Tensor) -> Tensor:
        """Pictures `(n, 3, h, w)` in [0, 1] as network inputs, in the copy's precision."""
        return self.classifier.preprocessing.normalize(pixels).to(self.classifier.device, self._network.dtype)

    def logits(self, x: Tensor) -> Tensor:
        """`(n, K)`, without gradients."""
        self.forwards += len(x)
        return self._network(x.clone())

    def gradients(
        self, x: Tensor, targets: Sequence[Target], rules: RuleSet | None = None, scored: int | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Logits `(n, K)`, and for each target ∂ score / ∂ x `(n, 3, h, w)`, under `rules` if there are any.

        `scored` leading rows are scored, all without it: the rest are references that only take part.
        """
        self.forwards += len(x)
        with torch.inference_mode(False), torch.enable_grad():
            leaf = x.detach().clone(memory_format=torch.channels_last).requires_grad_()
            module = self._network.module
            with evaluating(module), frozen(module), applying(rules) if rules else nullcontext():
                # A copy goes in, for networks that work on their input in place.
                logits = find_logits(module(leaf.clone()))
            scores = [target.score(logits[:scored]).sum() for target in targets]
            self.backwards += len(x) * len(targets)
            found = [self._gradient(score, leaf, last=score is scores[-1]) for score in scores]
        return logits.detach(), found

    def _gradient(self, score: Tensor, leaf: Tensor, *, last: bool) -> Tensor:
        if not score.requires_grad:  # a constant network
            return torch.zeros_like(leaf)
        return torch.autograd.grad(score, leaf, retain_graph=not last, materialize_grads=True, allow_unused=True)[0]
