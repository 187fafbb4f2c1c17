"""Guided Grad-CAM: the fine structure of guided backpropagation, where Grad-CAM says that it mattered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from typing_extensions import override

from seewhy.core.progress import Progress
from seewhy.engines import Differentiable
from seewhy.images import Image
from seewhy.methods.cam import GradCAM
from seewhy.methods.gradients import GUIDED
from seewhy.methods.map_method import Heat, MapMethod, Maps
from seewhy.methods.registry import register
from seewhy.models import Classifier, Target


def guided_grad_cam(gradients: Tensor, cam: Tensor) -> Tensor:
    """Guided gradients `(3, h, w)` times a CAM `(h, w)`, the largest absolute value over colours, `(h, w)`.

    Source: Selvaraju 2017, section 3.2.
    """
    return (gradients * cam.clamp(min=0)).abs().amax(0)


@register(
    "guided-grad-cam",
    title="Guided Grad-CAM",
    family="gradients",
    paper="Selvaraju et al. 2017",
    arxiv="1610.02391",
    needs=("layers", "gradients"),
    question="Which fine structures lie in the areas that raised the score of this class?",
    reading="Bright pixels draw edges inside the areas that Grad-CAM finds. The areas depend on the class, the edges "
    "hardly do: trust where it is bright, not how fine it looks.",
    cost="two forwards, two backwards",
)
@dataclass(frozen=True, kw_only=True)
class GuidedGradCAM(MapMethod):
    """Guided backpropagation times Grad-CAM at each of `layers` (default: the one the classifier names)."""

    layers: tuple[str, ...] = ()

    @override
    def find(
        self,
        classifier: Classifier,
        image: Image,
        targets: Sequence[Target],
        generator: torch.Generator,
        progress: Progress,
    ) -> Maps:
        network = Differentiable(classifier)
        point = network.points(classifier.preprocessing.pixels([image]).to(classifier.device))
        logits, guided = network.gradients(point, targets, GUIDED)
        layers = self.layers or (classifier.default_layer,)
        progress(1, 2, "passes")
        cams = iter(GradCAM(layers)(classifier, [image], [targets], generator=generator))
        progress(2, 2, "passes")
        heats = [
            Heat(target, guided_grad_cam(gradients[0].float().cpu(), torch.tensor(next(cams).values)).numpy(), layer)
            for target, gradients in zip(targets, guided, strict=True)
            for layer in layers
        ]
        return Maps(heats, logits[0], network.forwards + 1)
