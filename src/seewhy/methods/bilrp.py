"""BiLRP: which parts of two pictures together make them alike to the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from seewhy.errors import UsageError
from seewhy.images import Image
from seewhy.methods.gradients import Query
from seewhy.methods.method import Method
from seewhy.methods.relevance import COMPOSITES, Composite, Rules, relevance
from seewhy.methods.task import Found, Task
from seewhy.models import Categories, Target


def bilrp(own: Tensor, other: Tensor) -> Tensor:
    """Σ_m R_m(i) S_m(j), how much places i and j together make two pictures alike: `(p, q)` of `(m, p)` and `(m, q)`.

    R_m and S_m are the relevance of their places for the m-th number of their embeddings. Where relevance is conserved
    it adds up to the dot product of both. Source: Eberle 2020, eq. 5.
    """
    return own.T @ other


class BiLRP(Method):
    """What each pixel has of the similarity to `reference`, summed over all that it goes with in the other picture.

    Of the embedding's numbers the `units` are followed that make the pictures alike, or unlike, most; with as many as
    there are, all. The relevance of each goes back through both pictures by `rules`, as in `lrp`.
    """

    name = "bilrp"
    title = "BiLRP"
    status = "verified"
    class_blind = True
    family = "similarity"
    claimed = "lrp"
    paper = "Eberle et al. 2020"
    arxiv = "2003.05386"
    needs = ("gradients",)
    signed = True
    question = "Which pixels here, together with some in that other picture, make the two alike to this network?"
    reading = (
        "Orange pixels make the two pictures alike to the network, blue ones set them apart. No class plays a part in "
        "it. The relevance was handed back, layer by layer, from what both pictures share in the network's last layer."
    )
    cost = "three forwards, and a backward of each picture for each unit"
    choices: ClassVar[Mapping[str, Rules]] = COMPOSITES

    reference: Image
    units: int = 64
    rules: Composite = "epsilon-plus-flat"

    def __post_init__(self) -> None:
        if self.units < 1:
            raise UsageError(f"units is how many numbers of the embedding to follow, 1 or more, not {self.units}")
        if self.rules not in self.choices:
            raise UsageError(f"there are no rules '{self.rules}'; there are {', '.join(self.choices)}")

    @override
    def find(self, task: Task) -> list[Found]:
        """The target plays no part in the values."""
        task.note(task.logits)
        pixels, inputs = task.classifier.seen([self.reference])
        embedding = task.classifier.embedding
        with torch.no_grad():
            features = torch.cat([embedding.logits(each) for each in (task.inputs, inputs)]).double()
        task.spend(2)
        products = features[0] * features[1]
        size = float(features.norm(dim=1).prod()) or 1.0
        chosen = products.abs().topk(min(self.units, len(products))).indices.tolist()
        own, other = (self._relevance(task, *each, chosen) for each in ((task.pixels, task.inputs), (pixels, inputs)))
        values = bilrp(own.flatten(1).double(), other.flatten(1).double().sum(1, keepdim=True)) / size
        followed = float(products[chosen].sum()) / size
        checks = {"similarity": float(products.sum()) / size, "followed": followed, "units": float(len(chosen))}
        found = Found(values.view(task.size).float(), checks=checks, label=self._label)
        return [found] * len(task.asked)

    def _relevance(self, task: Task, pixels: Tensor, inputs: Tensor, units: list[int]) -> Tensor:
        """The relevance `(m, h, w)` of a picture for each of some numbers of its embedding."""
        inner = Task(
            task.classifier.embedding,
            pixels,
            inputs,
            [[Target(each) for each in units]],
            generator=task.generator,
            progress=task.progress,
        )
        query = Query(inner, None)
        found = relevance(query, self.choices[self.rules](query))
        task.spend(inner.forwards, inner.backwards)
        return torch.stack([torch.as_tensor(each.values) for each in found])

    def _label(self, _: Categories) -> str:
        return f"like {self.reference.name}"
