"""Feature activation map: where two pictures look alike to the network, with no class in play."""

from __future__ import annotations

import torch
from torch import Tensor
from typing_extensions import override

from seewhy.errors import UsageError
from seewhy.images import Image
from seewhy.methods.method import Method
from seewhy.methods.task import Found, Task, enlarge
from seewhy.models import Categories, capture, folded


def fam(activations: Tensor, reference: Tensor) -> Tensor:
    """Σ_k A_k r_k / (‖f‖ ‖r‖) with f, r the means of A `(N, C, h, w)` and of the reference's maps `(C, h, w)`.

    Its mean over positions is the cosine similarity of f and r, so the map shows where that similarity sits.
    Source: Liao 2023, with channel weights r_k instead of f_k r_k, which makes the map add up.
    """
    own, other = activations.mean((2, 3)), reference.mean((1, 2))
    weights = other / (own.norm(dim=1, keepdim=True) * other.norm()).clamp(min=torch.finfo(own.dtype).tiny)
    return torch.einsum("nk,nkhw->nhw", weights, activations)


def pair_shares(own: Tensor, other: Tensor) -> Tensor:
    """The share of each pair of cells in the cosine of two pictures' means, `(h w, h' w')`, which adds up to it.

    Summed over the other picture's cells it is `fam` of this one, a cell's part of the mean. Source: Liao 2023, before
    the sum over either picture.

    Args:
        own: maps `(C, h, w)`.
        other: maps `(C, h', w')`.
    """
    one, two = own.flatten(1), other.flatten(1)
    size = one.mean(1).norm() * two.mean(1).norm() * one.shape[1] * two.shape[1]
    return one.T @ two / size.clamp(min=torch.finfo(one.dtype).tiny)


class FAM(Method):
    """The share of each area in the similarity to `reference`, another picture."""

    name = "fam"
    title = "Feature activation map"
    status = "verified"
    class_blind = True
    family = "similarity"
    paper = "Liao et al. 2023"
    arxiv = "2307.05532"
    needs = ("layers",)
    signed = True
    question = "Where does this picture look like that other picture, to this network?"
    reading = (
        "Orange areas make the two pictures alike to the network, blue areas set them apart. No class plays a part "
        "in it; the areas average to the similarity of the two pictures."
    )
    cost = "one forward for each picture"

    reference: Image
    layers: tuple[str, ...] = ()

    @override
    def find(self, task: Task) -> list[Found]:
        """The target plays no part in the values."""
        grids = task.grids(self.layers)
        other = task.classifier.preprocess([self.reference]).to(task.inputs)
        if other.shape != task.inputs.shape:
            raise UsageError(
                f"the reference is {tuple(other.shape[1:])} to the network, the picture {tuple(task.inputs.shape[1:])}"
            )
        seen: list[dict[str, Tensor]] = []
        for part in torch.cat([task.inputs, other]).split(task.classifier.at_once(2)):
            with capture(task.classifier.module, list(grids), gradients=False) as captured:
                logits = task.classifier.logits(part)
            if not seen:
                task.note(logits[:1])
            seen.append({layer: folded(grid, captured[layer]) for layer, grid in grids.items()})
        task.spend(2)
        found: list[Found] = []
        for layer in grids:
            own, reference = torch.cat([each[layer] for each in seen])
            coarse = fam(own[None], reference)
            checks = {"similarity": float(coarse.mean())}
            found.append(Found(enlarge(coarse, task.size)[0], layer, checks=checks, label=self._label))
        return found * len(task.asked)

    def _label(self, _: Categories) -> str:
        return f"like {self.reference.name}"
