"""One class activation map of several layers: fine detail of early ones where the last agrees."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from seewhy.methods.cam import CAM, WHERE, GradCAMPlusPlus, LayerCAM
from seewhy.methods.method import Method
from seewhy.methods.score_cam import stage_layers
from seewhy.methods.task import Found, Task, unit

GAIN = 2.0  # how much early maps, whose values are small, are lifted


def product(maps: Sequence[Tensor]) -> Tensor:
    """The product of maps `(h, w)`, each stretched to [0, 1]. Source: RefineCAM, as in pytorch-grad-cam."""
    return torch.stack([unit(each) for each in maps]).prod(0)


def lifted_maximum(maps: Sequence[Tensor]) -> Tensor:
    """The greatest of maps `(h, w)`, finest first; all but the last are tanh(2 M / max M). Source: Jiang 2021, eq. 6.

    The last is divided by its maximum.
    """
    scaled = [each / each.amax().clamp(min=torch.finfo(each.dtype).tiny) for each in maps]
    return torch.stack([*(torch.tanh(GAIN * each) for each in scaled[:-1]), scaled[-1]]).amax(0)


class SeveralLayers(Method):
    """One map of `stages`, layers from the finest to the coarsest; without any the last layer of each resolution."""

    family = "cam"
    needs = ("layers", "gradients")
    cost = "one forward, one backward"
    batched = True
    single: ClassVar[type[CAM]]

    stages: tuple[str, ...] = ()

    @staticmethod
    @abstractmethod
    def fuse(maps: Sequence[Tensor]) -> Tensor:
        """One map `(h, w)` of the layers' maps, none negative, each enlarged to what the network sees."""

    @override
    def find(self, task: Task) -> list[Found]:
        stages = self.stages or stage_layers(task.classifier)
        found = [torch.as_tensor(each.values) for each in self.single(layers=stages).find(task)]
        groups = [found[start : start + len(stages)] for start in range(0, len(found), len(stages))]
        return [Found(self.fuse(group), checks={"layers": len(stages)}) for group in groups]


class RefineCAM(SeveralLayers):
    """The product of Grad-CAM++ at several layers: where one of them is dark, it is dark."""

    name = "refine-cam"
    title = "RefineCAM"
    status = "verified"
    paper = "pytorch-grad-cam's RefineCAM"
    arxiv = "2605.14641"
    question = "Which areas raised the score of this class in every stage of the network?"
    reading = (
        "Bright areas raised the score at every resolution; one stage that saw nothing there is enough to make it "
        "dark. Read it for outlines, and Grad-CAM for what is left out."
    )

    single = GradCAMPlusPlus
    fuse = staticmethod(product)


class LayerCAMFusion(SeveralLayers):
    """LayerCAM of several layers, the greatest of them at each pixel."""

    name = "layer-cam-fusion"
    title = "LayerCAM, fused"
    status = "approximate"
    paper = "Jiang et al. 2021"
    question = "Which areas raised the score of this class in any stage of the network?"
    reading = WHERE + "Fine detail comes from early layers, whole areas from the last."

    single = LayerCAM
    fuse = staticmethod(lifted_maximum)
