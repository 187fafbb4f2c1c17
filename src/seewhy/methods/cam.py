"""Class activation maps: a layer's feature maps, weighted by what each contributes to the target.

All of them take one forward, and one backward to the chosen layers, for a whole batch and several layers at once.
A is the activation `(N, C, h, w)` and g = ∂ score / ∂ A its gradient; each function returns the map `(N, h, w)`
before the final ReLU. The score is made of logits, never of probabilities.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import zip_longest

import torch
from torch import Tensor
from torch.nn.functional import relu
from typing_extensions import override

from seewhy.methods.method import Method
from seewhy.methods.task import Found, Task, a_decision, enlarge
from seewhy.models import Captured, Categories, Grid, Head, Target, Value, capture, folded

CHEAP = "one forward, one backward"
LOGITS = Head("logits")
WHERE = "Bright areas raised the score of the class; dark areas did not matter or spoke against it. "
COARSE = "The map is as coarse as the layer's grid, so read areas, not outlines."


def grad_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Σ_k mean_ij(g_k) · A_k. Source: Selvaraju 2017, eq. 1-2."""
    return torch.einsum("nk,nkhw->nhw", gradients.mean((2, 3)), activations)


def grad_cam_plus_plus(activations: Tensor, gradients: Tensor) -> Tensor:
    """Σ_k (Σ_ij a_ij ReLU(g_k)) · A_k with a = g² / (2g² + S_k g³). Source: Chattopadhay 2018, eq. 19.

    Like every library we take the gradient of the logit where the paper derives it for exp(logit).
    """
    squares = gradients.square()
    sums = activations.sum((2, 3), keepdim=True)
    shares = squares / (2 * squares + sums * squares * gradients + 1e-6)
    weights = torch.where(gradients > 0, shares * gradients, 0).sum((2, 3))  # elsewhere a share may be 0 / 0
    return torch.einsum("nk,nkhw->nhw", weights, activations)


def hires_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Σ_k g_k ⊙ A_k: sums to logit minus bias where one linear layer follows. Source: Draelos 2020, eq. 4."""
    return (gradients * activations).sum(1)


def x_grad_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Σ_k (Σ_ij g_k A_k / S_k) · A_k, S_k = Σ_ij A_k. Source: Fu 2020, eq. 7-8."""
    sums = activations.sum((2, 3))
    weights = (gradients * activations).sum((2, 3)) / (sums + 1e-7)
    return torch.einsum("nk,nkhw->nhw", weights, activations)


def layer_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Σ_k ReLU(g_k) ⊙ A_k. Source: Jiang 2021, eq. 4-5."""
    return (relu(gradients) * activations).sum(1)


def element_wise_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Σ_k ReLU(g_k ⊙ A_k). Source: pytorch-grad-cam's GradCAMElementWise; no paper of its own."""
    return relu(gradients * activations).sum(1)


def eigen_cam(activations: Tensor, gradients: Tensor) -> Tensor:  # noqa: ARG001 - one signature for all
    """The first principal component of A over positions. Source: Muhammad & Yeasin 2020, eq. 3-4."""
    return principal_map(activations)


def eigen_grad_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """The first principal component of g ⊙ A. Source: pytorch-grad-cam's EigenGradCAM, after Muhammad & Yeasin."""
    return principal_map(gradients * activations)


def seg_eigen_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """The first principal component of |g| ⊙ A. Source: Chung & Ying 2025, eq. 10-13."""
    return principal_map(gradients.abs() * activations)


def principal_map(features: Tensor) -> Tensor:
    """`(N, C, h, w)` projected on its first principal component over positions, `(N, h, w)`.

    The sign of a singular vector is arbitrary; the larger extreme is made positive.
    """
    count, channels, height, width = features.shape
    rows = features.flatten(2).transpose(1, 2).cpu().double()  # not every device has float64
    rows = rows - rows.mean(1, keepdim=True)
    if height * width <= channels:
        values, vectors = torch.linalg.eigh(rows @ rows.mT)
        projected = vectors[..., -1] * values[..., -1:].clamp(min=0).sqrt()
    else:
        vectors = torch.linalg.eigh(rows.mT @ rows).eigenvectors
        projected = (rows @ vectors[..., -1:]).squeeze(-1)
    return positive_extreme(projected).view(count, height, width).to(features)


def positive_extreme(rows: Tensor) -> Tensor:
    """Each of `(N, n)`, turned round where its larger extreme is negative. Source: Chung & Ying 2025, eq. 13."""
    flipped = rows.amin(1).abs() > rows.amax(1).abs()
    return torch.where(flipped[:, None], -rows, rows)


class CAM(Method):
    """A map over `layers` (default: the one the classifier names); `signed` keeps the evidence against, too."""

    family = "cam"
    needs = ("layers", "gradients")
    question = "Which areas raised the score of this class?"
    reading = WHERE + COARSE
    cost = CHEAP
    batched = True
    others = "each"

    layers: tuple[str, ...] = ()
    signed: bool = False  # pyright: ignore[reportIncompatibleVariableOverride]

    @staticmethod
    @abstractmethod
    def cam(activations: Tensor, gradients: Tensor) -> Tensor:
        """The map `(N, h, w)` of activations and gradients `(N, C, h, w)`, before the final ReLU."""

    def score(self, logits: Tensor, target: Target, head: Head = LOGITS) -> Tensor:
        """The number to explain, from one row of logits `(K,)` that mean what `head` says."""
        return target.score(logits)

    def found(self, cam: Tensor, layer: str, logits: Tensor, target: Target) -> Found:
        """The answer that a map `(h, w)` is, for one row of logits `(K,)`."""
        return Found(cam, layer, signed=self.signed)

    def gradients(self, seen: Captured, score: Tensor, layers: Sequence[str]) -> Mapping[str, Tensor]:
        """What stands for the gradient g at each layer."""
        return seen.gradients(score, layers)

    @override
    def find(self, task: Task) -> list[Found]:
        """One forward and one backward for each target, of all pictures and layers at once."""
        grids, asks_gradients = task.grids(self.layers), "gradients" in self.needs
        with capture(task.classifier.module, list(grids), gradients=asks_gradients) as seen:
            logits = task.classifier.logits(task.inputs)
            task.note(logits)
            head = task.classifier.head
            columns = [self._maps(seen, grids, logits, column, head) for column in zip_longest(*task.targets)]
            task.spend(1, int(asks_gradients))
        maps = [{layer: enlarge(coarse, task.size) for layer, coarse in column.items()} for column in columns]
        return [
            self.found(maps[number][layer][row], layer, task.logits[row], target)
            for row, targets in enumerate(task.targets)
            for number, target in enumerate(targets)
            for layer in grids
        ]

    def _maps(
        self, seen: Captured, grids: Mapping[str, Grid], logits: Tensor, targets: Sequence[Target | None], head: Head
    ) -> dict[str, Tensor]:
        """Layer by layer the maps `(N, h, w)` of one target per picture, in the layer's own grid."""
        gradients: Mapping[str, Tensor] = seen.activations
        if "gradients" in self.needs:
            scores = [self.score(row, target, head) for row, target in zip(logits, targets, strict=True) if target]
            gradients = self.gradients(seen, torch.stack(scores).sum(), list(grids))
        maps = {
            layer: self.cam(folded(grid, seen[layer]), folded(grid, gradients[layer])) for layer, grid in grids.items()
        }
        return maps if self.signed else {layer: coarse.clamp(min=0) for layer, coarse in maps.items()}


class GradCAM(CAM):
    """Every feature map weighted by its mean gradient."""

    name = "grad-cam"
    title = "Grad-CAM"
    status = "verified"
    first = True
    paper = "Selvaraju et al. 2017"
    arxiv = "1610.02391"

    cam = staticmethod(grad_cam)


class GradCAMPlusPlus(CAM):
    """Grad-CAM that gives every occurrence of an object its due."""

    name = "grad-cam++"
    title = "Grad-CAM++"
    status = "verified"
    paper = "Chattopadhay et al. 2018"
    arxiv = "1710.11063"
    question = "Which areas raised the score of this class, when it shows several times?"

    cam = staticmethod(grad_cam_plus_plus)


class HiResCAM(CAM):
    """Every cell weighted by its own gradient: exact where a linear head follows."""

    name = "hires-cam"
    title = "HiResCAM"
    status = "verified"
    paper = "Draelos & Carin 2020"
    arxiv = "2011.08891"
    question = "Which areas did the score of this class come from?"
    reading = (
        WHERE + "Where one linear layer follows, the cells of the layer, with those that speak against the class "
        "(signed=true), add up to the score but for its bias. " + COARSE
    )

    cam = staticmethod(hires_cam)


class XGradCAM(CAM):
    """Grad-CAM with weights that come nearest to its own axioms."""

    name = "xgrad-cam"
    title = "XGrad-CAM"
    status = "verified"
    paper = "Fu et al. 2020"
    arxiv = "2008.02312"

    cam = staticmethod(x_grad_cam)


class LayerCAM(CAM):
    """Positive gradients cell by cell: the best of the cheap ones on early layers."""

    name = "layer-cam"
    title = "LayerCAM"
    status = "verified"
    first = True
    paper = "Jiang et al. 2021"
    question = "Which areas raised the score of this class, in early layers too?"
    reading = WHERE + "On early layers it shows fine detail; on the last it is as coarse as the layer's grid."

    cam = staticmethod(layer_cam)


class ElementWiseCAM(CAM):
    """Positive contributions cell by cell and map by map."""

    name = "element-wise-cam"
    title = "Element-wise Grad-CAM"
    status = "verified"
    paper = "pytorch-grad-cam"
    question = "Which cells of which maps raised the score of this class?"

    cam = staticmethod(element_wise_cam)


class EigenCAM(CAM):
    """The layer's first principal component: the same for every class."""

    name = "eigen-cam"
    title = "Eigen-CAM"
    status = "verified"
    class_blind = True
    paper = "Muhammad & Yeasin 2020"
    arxiv = "2008.00299"
    needs = ("layers",)
    question = "What stands out in this picture to the network, whatever the class?"
    reading = (
        "Bright areas are what the layer responds to most. The class plays no part in it, so it is the same map "
        "for every class: it does not say why the network chose this one. " + COARSE
    )
    cost = "one forward"

    cam = staticmethod(eigen_cam)


class EigenGradCAM(CAM):
    """The first principal component of gradient × activation."""

    name = "eigen-grad-cam"
    title = "EigenGrad-CAM"
    status = "verified"
    paper = "Muhammad & Yeasin 2020, with gradients"
    arxiv = "2008.00299"
    question = "What is the main pattern in what raised the score of this class?"

    cam = staticmethod(eigen_grad_cam)


class SegEigenCAM(CAM):
    """The first principal component of activations weighted by the size of their gradients."""

    name = "seg-eigen-cam"
    title = "Seg-Eigen-CAM"
    status = "verified"
    paper = "Chung & Ying 2025"
    question = "What is the main pattern in what moved the score of this class, up or down?"
    reading = "Bright areas stand out in what the score is sensitive to, in either direction. " + COARSE

    cam = staticmethod(seg_eigen_cam)


class FinerCAM(CAM):
    """Grad-CAM of the class less `strength` times its `comparisons` nearest classes, weighted by probability.

    Asked "A rather than B", B alone is compared. Source: Zhang 2025, eq. 5, with the weights of its reference code.
    """

    name = "finer-cam"
    title = "FinerCAM"
    status = "verified"
    first = True
    paper = "Zhang et al. 2025"
    arxiv = "2501.11309"
    question = "What tells this class from the ones most like it?"
    reading = "Bright areas tell the class from the named look-alikes; what they share stays dark. " + COARSE

    comparisons: int = 3
    strength: float = 1.0

    cam = staticmethod(grad_cam)

    @override
    def score(self, logits: Tensor, target: Target, head: Head = LOGITS) -> Tensor:
        if isinstance(target, Value):
            return target.score(logits)
        own = replace(a_decision(head, target, self.name), against=None).score(logits)
        if target.against is not None:
            return own - self.strength * logits[target.against]
        rivals = self._rivals(logits, target)
        shares = head.log_probabilities(logits)[rivals].softmax(0)
        return own - self.strength * (shares * logits[rivals]).sum()

    @override
    def found(self, cam: Tensor, layer: str, logits: Tensor, target: Target) -> Found:
        return Found(cam, layer, signed=self.signed, label=partial(self.label, logits, target))

    def label(self, logits: Tensor, target: Target, categories: Categories) -> str:
        """What is compared, in words."""
        if target.against is not None or isinstance(target, Value):
            return target.label(categories)
        names = [categories[int(index)] for index in self._rivals(logits, target)]
        return f"{target.label(categories)} rather than {' or '.join(names)}" if names else target.label(categories)

    def _rivals(self, logits: Tensor, target: Target) -> Tensor:
        own = [target.index, *target.also]
        distance = (logits - logits[target.index]).abs().detach()
        distance[own] = torch.inf
        return distance.topk(min(self.comparisons, len(logits) - len(own)), largest=False).indices


class ShapleyCAM(CAM):
    """Grad-CAM with g − ½ H·A for the gradient, H the second derivatives: Shapley values to second order.

    The score is the logit plus the log-probability, since H of a logit alone is often zero. Source: Cai 2025,
    ShapleyCAM with the utility ReST.
    """

    name = "shapley-cam"
    title = "ShapleyCAM"
    status = "verified"
    paper = "Cai 2025"
    arxiv = "2501.06261"
    question = "Which areas raised the score of this class, with what they do together shared out?"
    cost = "one forward, two backwards"

    cam = staticmethod(grad_cam)

    @override
    def score(self, logits: Tensor, target: Target, head: Head = LOGITS) -> Tensor:
        score = target.score(logits)
        return score if isinstance(target, Value) else score + target.score(head.log_probabilities(logits))

    @override
    def gradients(self, seen: Captured, score: Tensor, layers: Sequence[str]) -> Mapping[str, Tensor]:
        gradients, curvatures = seen.curvatures(score, layers)
        return {layer: gradients[layer] - curvatures[layer] / 2 for layer in layers}
