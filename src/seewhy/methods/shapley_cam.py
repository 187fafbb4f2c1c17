"""ShapleyCAM: Grad-CAM with the score's curvature, so that what areas do together is shared out among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor
from typing_extensions import override

from seewhy.methods.cam import COARSE, WHERE, grad_cam
from seewhy.methods.cam_method import CamMethod
from seewhy.methods.registry import register
from seewhy.models import Captured, Target


@register(
    "shapley-cam",
    title="ShapleyCAM",
    family="cam",
    paper="Cai 2025",
    arxiv="2501.06261",
    needs=("layers", "gradients"),
    question="Which areas raised the score of this class, with what they do together shared out?",
    reading=WHERE + COARSE,
    cost="one forward, two backwards",
)
@dataclass(frozen=True)
class ShapleyCAM(CamMethod):
    """Grad-CAM with g − ½ H·A for the gradient, H the second derivatives: Shapley values to second order.

    The score is the logit plus the log-probability, since H of a logit alone is often zero. Source: Cai 2025,
    ShapleyCAM with the utility ReST.
    """

    cam = staticmethod(grad_cam)

    @override
    def score(self, logits: Tensor, target: Target) -> Tensor:
        return target.score(logits) + target.score(logits.log_softmax(-1))

    @override
    def slopes(self, seen: Captured, score: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        slopes, curvatures = seen.curvatures(score, layers)
        return {layer: slopes[layer] - curvatures[layer] / 2 for layer in layers}
