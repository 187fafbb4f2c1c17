"""The stages that learn: the add-on layers, then the prototypes, then both together with the trunk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from seewhy.core.progress import Progress
from seewhy.prototypes.bank import FeatureBank, features_of
from seewhy.prototypes.losses import cluster_cost, diversity_cost, separation_cost
from seewhy.prototypes.network import PrototypeHead, PrototypeNetwork
from seewhy.prototypes.recipe import Recipe
from seewhy.prototypes.starting import Probe, starting_points
from seewhy.train.data import Pictures, Stream
from seewhy.train.loop import Batch, Group, Record, Stage, fit, seed_of

ADD_ON_DECAY = 1e-3  # Chen et al.'s weight decay
LOOKS = 10  # at the validation pictures in each stage


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
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed_of(self.seed, "probe"))
            probe = Probe(self.head)

        def objective(batch: Batch) -> Mapping[str, Tensor]:
            return {"loss": functional.cross_entropy(probe(batch.x), batch.y)}

        groups = [Group(list(probe.parameters()), self.recipe.learning_rate, ADD_ON_DECAY)]
        fit(probe, self._stage("probe", self.recipe.probe_steps, bank, objective, groups), progress=self.progress)
        with torch.no_grad():
            evidence = probe.evidence(bank.plain, bank.labels)
            patches = self.head.patches(bank.plain)
            points = starting_points(patches, bank.labels, evidence, self.head.owners, self.seed)
            self.head.prototypes.copy_(points)

    def warm(self, bank: FeatureBank) -> None:
        """Train add-on layers and prototypes on what the trunk makes of the pictures."""
        seen = features_of(self.network.trunk, self.validation, self.progress)
        look = self._look(lambda: self.head(seen))
        stage = self._stage(
            "warm", self.recipe.warm_steps, bank, lambda batch: self._costs(batch.x, batch.y), self._groups(), look
        )
        self.history["prototypes"] = fit(self.head, stage, progress=self.progress)

    def joint(self, stream: Stream) -> None:
        """Train them together with the trunk."""
        trunk = self.network.trunk
        groups = [*self._groups(), Group(list(trunk.parameters()), self.recipe.trunk_learning_rate)]
        look = self._look(lambda: self.head(features_of(trunk, self.validation)))
        stage = self._stage(
            "joint", self.recipe.joint_steps, stream, lambda batch: self._costs(trunk(batch.x), batch.y), groups, look
        )
        self.history["with the trunk"] = fit(self.network, stage, progress=self.progress)

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

    def _look(self, scores: Callable[[], Tensor]) -> Callable[[], Mapping[str, float]]:
        labels = self.validation.labels

        def look() -> Mapping[str, float]:
            found = scores().cpu()
            right = (found.argmax(1) == labels).float().mean()
            return {
                "validation_accuracy": float(right),
                "validation_loss": float(functional.cross_entropy(found, labels)),
            }

        return look

    def _stage(
        self,
        name: str,
        steps: int,
        batches: Callable[[int], Batch],
        objective: Callable[[Batch], Mapping[str, Tensor]],
        groups: list[Group],
        look: Callable[[], Mapping[str, float]] = dict,
    ) -> Stage:
        return Stage(
            steps=steps,
            every=max(1, steps // LOOKS),
            batches=batches,
            objective=objective,
            groups=groups,
            look=look,
            seed=seed_of(self.seed, name),
        )
