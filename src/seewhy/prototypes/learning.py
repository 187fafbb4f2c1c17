"""How prototypes learn: the recipe, the features they learn from, where they start, the costs, and the stages.

Sources: Chen et al., NeurIPS 2019, section 2.2 (cluster and separation cost, here both positive); orthogonality within
a class after Wang et al., Interpretable Image Recognition by Constructing Transparent Embedding Space, ICCV 2021. Not
in the papers: prototypes start at patches that tell a class apart; a small set never brings them there from anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from seewhy.core.progress import Progress, silent
from seewhy.errors import UsageError
from seewhy.models.backbone import Backbone
from seewhy.prototypes.network import Measure, PrototypeHead, PrototypeNetwork
from seewhy.train.data import Pictures, Stream, answers
from seewhy.train.finetune import measured
from seewhy.train.loop import Batch, Group, Record, Stage, fit, seed_of
from seewhy.train.recipe import changed

KEPT_BYTES = 3 << 30
ADD_ON_DECAY = 1e-3  # Chen et al.'s weight decay
LOOKS = 10  # at the validation pictures in each stage


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Three stages counted in steps: prototypes alone, then with the backbone, then the last layer, solved for.

    The first two are short and slow by default: a small set is soon learned by heart, and then all prototypes of a
    class become one. With hundreds of pictures 500 steps at 1e-3 are better.

    Attributes:
        per_class: prototypes of each class before pruning.
        size: numbers in a prototype.
        measure: how patches are compared.
        copies: changed copies of each training picture that are shown while the backbone is at rest; 0 for none.
        probe_steps: of the add-on layers under a plain head, after which prototypes start by k-means; with 0 they
            start anywhere.
        warm_steps: of add-on layers and prototypes, while the backbone is at rest.
        joint_steps: of all of them together with the backbone.
        batch_size: pictures in one step.
        learning_rate: of add-on layers and prototypes.
        backbone_learning_rate: of the backbone.
        cluster: weight of the distance to the nearest prototype of a picture's own class.
        separation: weight of the distance to the nearest other prototype.
        diversity: weight of the similarity of prototypes of a class to each other.
        solve: whether prototypes are pruned and the last layer is solved for; else its weights stay as they start.
    """

    per_class: int = 10
    size: int = 128
    measure: Measure = "cosine"
    copies: int = 8
    probe_steps: int = 50
    warm_steps: int = 300
    joint_steps: int = 0
    batch_size: int = 32
    learning_rate: float = 3e-4
    backbone_learning_rate: float = 1e-4
    cluster: float = 0.2
    separation: float = 0.08
    diversity: float = 0.1
    solve: bool = True

    def __post_init__(self) -> None:
        if min(self.per_class, self.size, self.batch_size) < 1:
            raise UsageError("prototypes to a class, their size and pictures to a batch are 1 at least")
        if min(self.copies, self.probe_steps, self.warm_steps, self.joint_steps) < 0:
            raise UsageError("copies and steps are 0 at least")
        if min(self.learning_rate, self.backbone_learning_rate) <= 0:
            raise UsageError("a learning rate is a positive number, such as 3e-4")

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


RECIPES: Mapping[str, Recipe] = {
    "default": Recipe(),
    # Jain, Explainable AI for Image Classification using Twin System and Grad-CAM, 2025: 200 pictures, 10 epochs in
    # batches of 32, Adam 1e-4, no augmentation, prototypes that start anywhere. It answered with one class for all.
    "source1": Recipe(
        measure="log-distance",
        copies=0,
        probe_steps=0,
        warm_steps=0,
        joint_steps=70,
        learning_rate=1e-4,
        cluster=0.8,
        diversity=0.0,
        solve=False,
    ),
}


def find_recipe(name: str, **settings: Any) -> Recipe:
    """As `train.recipe.find_recipe`, of these recipes."""
    return changed(RECIPES, name, settings)


# --- Stages ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Learning:
    """One network, its recipe, and what it has gone through, stage by stage, in `history`."""

    network: PrototypeNetwork
    validation: Pictures
    recipe: Recipe
    seed: int
    progress: Progress
    history: dict[str, list[Record]] = field(default_factory=dict[str, list[Record]])

    @property
    def head(self) -> PrototypeHead:
        """The part that is new."""
        return self.network.head

    def start(self, bank: FeatureBank) -> None:
        """Warm up the add-on layers under a plain head, and put the prototypes where patches tell classes apart."""
        probe = Probe(self.head)

        stage = self._stage(
            "probe",
            self.recipe.probe_steps,
            bank,
            lambda batch: {"loss": functional.cross_entropy(probe(batch.x), batch.y)},
            [Group(list(probe.parameters()), self.recipe.learning_rate, ADD_ON_DECAY)],
        )
        fit(probe, stage, progress=self.progress)
        with torch.no_grad():
            evidence, patches = probe.evidence(bank.plain, bank.labels), self.head.patches(bank.plain)
            self.head.prototypes.copy_(starting_points(patches, bank.labels, evidence, self.head.owners, self.seed))

    def warm(self, bank: FeatureBank) -> None:
        """Train add-on layers and prototypes on what the backbone makes of the pictures."""
        seen = features_of(self.network.backbone, self.validation, self.progress)
        stage = self._stage(
            "warm",
            self.recipe.warm_steps,
            bank,
            lambda batch: self._costs(batch.x, batch.y),
            self._groups(),
            lambda: self.head(seen),
        )
        self.history["prototypes"] = fit(self.head, stage, progress=self.progress)

    def joint(self, stream: Stream) -> None:
        """Train them together with the backbone."""
        backbone = self.network.backbone
        groups = [*self._groups(), Group(list(backbone.parameters()), self.recipe.backbone_learning_rate)]
        stage = self._stage(
            "joint",
            self.recipe.joint_steps,
            stream,
            lambda batch: self._costs(backbone(batch.x), batch.y),
            groups,
            lambda: self.head(features_of(backbone, self.validation)),
        )
        self.history["with the backbone"] = fit(self.network, stage, progress=self.progress)

    def _groups(self) -> list[Group]:
        rate = self.recipe.learning_rate
        return [Group(list(self.head.add_on.parameters()), rate, ADD_ON_DECAY), Group([self.head.prototypes], rate)]

    def _costs(self, features: Tensor, labels: Tensor) -> Mapping[str, Tensor]:
        head, recipe = self.head, self.recipe
        nearest = head.distances(features).amin((2, 3))
        found = {
            "cross_entropy": functional.cross_entropy(head.score(head.similarity(nearest)), labels),
            "cluster": cluster_cost(nearest, labels, head.owners),
            "separation": separation_cost(nearest, labels, head.owners),
            "diversity": diversity_cost(head.prototypes, head.owners),
        }
        loss = found["cross_entropy"] + recipe.cluster * found["cluster"] - recipe.separation * found["separation"]
        return {"loss": loss + recipe.diversity * found["diversity"], **found}

    def _stage(
        self,
        name: str,
        steps: int,
        batches: Callable[[int], Batch],
        objective: Callable[[Batch], Mapping[str, Tensor]],
        groups: list[Group],
        scores: Callable[[], Tensor] | None = None,
    ) -> Stage:
        """A stage with `LOOKS` looks at the `scores` of the validation pictures, if any."""
        return Stage(
            steps=steps,
            every=max(1, steps // LOOKS),
            batches=batches,
            objective=objective,
            groups=groups,
            look=(lambda: measured(scores().cpu(), self.validation.labels)) if scores else dict,
            seed=seed_of(self.seed, name),
        )


# --- Costs ----------------------------------------------------------------------------------------------------------


def cluster_cost(nearest: Tensor, labels: Tensor, owners: Tensor) -> Tensor:
    """Mean distance of a picture to the nearest prototype of its own class.

    `nearest` `(N, J)` is the distance of each prototype to the nearest patch of each picture; `labels` `(N,)` are the
    classes of pictures, `owners` `(J,)` those of prototypes.
    """
    return nearest.masked_fill(labels[:, None] != owners, torch.inf).amin(1).mean()


def separation_cost(nearest: Tensor, labels: Tensor, owners: Tensor) -> Tensor:
    """Mean distance of a picture to the nearest prototype of another class; the same arguments."""
    return nearest.masked_fill(labels[:, None] == owners, torch.inf).amin(1).mean()


def diversity_cost(prototypes: Tensor, owners: Tensor) -> Tensor:
    """Mean squared cosine between two prototypes `(J, D)` of one class: 0 where they are orthogonal, 1 where equal."""
    unit = functional.normalize(prototypes)
    pairs = (owners[:, None] == owners).fill_diagonal_(fill_value=False)
    return (unit @ unit.T).square()[pairs].sum() / pairs.sum().clamp(min=1)


# --- Features of the training pictures ------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class FeatureBank:
    """Features of `n` pictures: as they are `(n, C, h, w)`, and halved, as epochs show them, `(copies, n, C, h, w)`.

    Called with a step, it gives the batch of `stream` for that step, with features for inputs; when all copies were
    seen, they come again.
    """

    plain: Tensor
    copies: Tensor
    stream: Stream

    @property
    def labels(self) -> Tensor:
        """The class of each picture, `(n,)`."""
        return self.stream.pictures.labels.to(self.plain.device)

    def __call__(self, step: int) -> Batch:
        """The batch of a step."""
        indices = torch.tensor(self.stream.indices(step))
        copy = step // self.stream.steps_per_epoch % len(self.copies)
        return Batch(self.copies[copy, indices].float(), self.labels[indices], indices)


def filled_bank(backbone: Backbone, stream: Stream, copies: int, progress: Progress = silent) -> FeatureBank:
    """The pictures as they are, and so many copies as `stream` shows them, fewer where memory is short.

    With no copies, the pictures as they are stand for them.
    """
    pictures = stream.pictures
    plain = features_of(backbone, pictures, progress)
    copies = min(copies, KEPT_BYTES // (plain.numel() * torch.half.itemsize))
    shown = [partial(stream.seen, index, copy) for copy in range(copies) for index in range(len(pictures))]
    changed = features_of(backbone, pictures, progress, shown) if copies else plain
    return FeatureBank(plain, changed.half().view(-1, *plain.shape), stream)


def features_of(
    backbone: Backbone,
    pictures: Pictures,
    progress: Progress = silent,
    shown: Sequence[Callable[[], Tensor]] | None = None,
) -> Tensor:
    """Features `(n, C, h, w)` of pictures as they are, or as they are `shown`."""
    return answers(backbone, pictures, next(backbone.parameters()).device, progress, "features of pictures", shown)


# --- Where prototypes start -----------------------------------------------------------------------------------------


class Probe(nn.Module):
    """The add-on layers under a plain head, the mean over patches and a linear layer, to warm them up."""

    def __init__(self, head: PrototypeHead) -> None:
        super().__init__()
        self.add_on = head.add_on
        linear = nn.Linear(head.prototypes.shape[1], len(head.bias), device="meta")  # without drawing weights
        self.linear = linear.to_empty(device=head.prototypes.device)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Class scores `(N, K)` of features `(N, C, h, w)`."""
        return self.linear(self.add_on(features).mean((2, 3)))

    def evidence(self, features: Tensor, labels: Tensor) -> Tensor:
        """By how much each patch `(N, h, w)` speaks for its picture's class more than for the mean of all."""
        contrast = self.linear.weight - self.linear.weight.mean(0)
        return torch.einsum("ndhw,nd->nhw", self.add_on(features), contrast[labels])


def starting_points(patches: Tensor, labels: Tensor, evidence: Tensor, owners: Tensor, seed: int) -> Tensor:
    """Prototypes `(J, D)`: for each class the middles of k-means among its patches, weighed by their evidence.

    `patches` are `(N, D, h, w)`, `labels` `(N,)` and `owners` `(J,)` the classes of pictures and of prototypes. Of the
    `evidence` `(N, h, w)` what is not positive does not count, unless nothing of the class is.
    """
    points = torch.empty(len(owners), patches.shape[1])
    for label in owners.unique().tolist():
        mine = labels == label
        found = patches[mine].movedim(1, -1).flatten(0, -2).cpu()
        weight = evidence[mine].flatten().clamp(min=0).cpu()
        places = owners.cpu() == label
        points[places] = _middles(found, weight, int(places.sum()), seed)
    return points.to(patches)


def _middles(points: Tensor, weight: Tensor, count: int, seed: int) -> Tensor:
    from sklearn.cluster import KMeans

    counted = weight > 0
    if counted.sum() < count:
        counted, weight = torch.ones_like(counted), torch.ones_like(weight)
    found = np.asarray(points[counted], np.float64)
    distinct = len(np.unique(found, axis=0))
    clusters = KMeans(min(count, distinct), n_init="auto", random_state=seed)
    middles = clusters.fit(found, sample_weight=weight[counted].numpy()).cluster_centers_
    return torch.from_numpy(np.resize(middles, (count, middles.shape[1]))).float()  # again where too few
