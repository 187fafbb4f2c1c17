"""A prototype network with its prototypes as pictures, and the gate: whether it may be used, and if not, why."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from seewhy.images import Image
from seewhy.models import Box, Categories, Classifier, Preprocessing
from seewhy.prototypes.network import PrototypeNetwork

MOST_LOST = 0.05  # of the backbone's accuracy
WORST_RECALL = 0.5
MOST_BY_ONE = 0.8  # of the validation pictures: what one prototype decides is not decided by parts
FEWEST_PLACES, OF_SO_MANY = 2, 3  # places that so many prototypes of a class have to point at


@dataclass(frozen=True, eq=False)
class PrototypeModel:
    """A trained prototype network, whether usable or not; see `diagnosis`."""

    network: PrototypeNetwork
    preprocessing: Preprocessing
    prototypes: tuple[Prototype, ...]
    diagnosis: Diagnosis
    name: str = "a prototype network"

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the scores."""
        return self.diagnosis.classes

    @cached_property
    def classifier(self) -> Classifier:
        """The same network as any other classifier, for every method of seewhy."""
        # A cosine does not depend on the length of a patch, so that Grad-CAM is zero in the layers right before it.
        layer = f"backbone.module.{self.network.backbone.layer}"
        return Classifier(self.network, self.preprocessing, Categories(self.classes), self.name, given_layer=layer)


@dataclass(frozen=True)
class Prototype:
    """A patch of a training picture that stands for a class.

    Attributes:
        label: the class, by its place among the classes.
        source: the training picture, by its path below its folder.
        cell: row and column of the patch on the backbone's grid.
        picture: what the network saw of it; None where the prototype is no patch of any.
        box: where the patch is, in pixels of `picture`.
    """

    label: int
    source: str = ""
    cell: tuple[int, int] = (0, 0)
    picture: Image | None = field(default=None, repr=False)
    box: Box = Box(0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Diagnosis:
    """What a prototype network does on pictures that it was not trained on, and the state of its prototypes.

    Attributes:
        classes: names, in the order of all that follows.
        confusion: `confusion[true][predicted]`, how many validation pictures.
        backbone_accuracy: of the classifier that the backbone comes from, on the same pictures.
        mean_similarity: `mean_similarity[class][true]`, similarity of prototypes of a class to pictures of each class.
        usage: for each prototype, for how many validation pictures it gave most points to the class predicted.
        shared_patches: how many prototypes were nearest to a training patch that another was nearest to as well.
        cluster: mean distance of training pictures to prototypes of their own class.
        separation: and of others.
        pushed: whether the prototypes are patches of training pictures.
        trained: prototypes before pruning.
        speaking: prototypes that give points to the class predicted, in the median picture; None where nobody counted.
        places: at how many places of the picture these point, cells side by side being one; as the median.
    """

    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    backbone_accuracy: float
    mean_similarity: tuple[tuple[float, ...], ...]
    usage: tuple[int, ...]
    shared_patches: int
    cluster: float
    separation: float
    pushed: bool
    trained: int
    speaking: float | None = None
    places: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values, with what follows from them."""
        found = {"usable": self.usable, "reasons": list(self.reasons), "accuracy": self.accuracy}
        return {**found, "recalls": self.recalls, "usage_entropy": self.usage_entropy, **asdict(self)}

    @property
    def usable(self) -> bool:
        """Whether it passed the gate."""
        return not self.reasons

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it may not be used; nothing where it may."""
        found: list[str] = []
        if not self.pushed:
            found.append(
                f"its prototypes lie no nearer to pictures of their own class ({self.cluster:.2f}) than of others "
                f"({self.separation:.2f}), so they were not made patches of training pictures"
            )
        if self.accuracy < self.backbone_accuracy - MOST_LOST - 1e-9:
            found.append(
                f"its accuracy is {self.accuracy:.1%}, its backbone's {self.backbone_accuracy:.1%}: "
                f"more than {100 * MOST_LOST:.0f} points are lost"
            )
        found += [
            f"of the pictures of “{name}” it finds {recall:.0%}, fewer than half"
            for name, recall in self.recalls.items()
            if recall < WORST_RECALL
        ]
        if self.by_one > MOST_BY_ONE:
            found.append(
                f"one prototype decides {max(self.usage)} of {sum(self.usage)} validation pictures, so it does not "
                "decide by parts"
            )
        if not self.apart:
            found.append(
                f"in the median picture {self.speaking:.0f} prototypes speak for the class, and all of them point at "
                "one place"
            )
        return tuple(found)

    @property
    def by_one(self) -> float:
        """The share of validation pictures in which one and the same prototype gave most points."""
        return max(self.usage, default=0) / max(sum(self.usage), 1)

    @property
    def apart(self) -> bool:
        """Whether prototypes of a class point at different places, where there are enough of them to do so."""
        if self.speaking is None or self.places is None:
            return True
        return self.speaking < OF_SO_MANY or self.places >= FEWEST_PLACES

    @property
    def accuracy(self) -> float:
        """Share of validation pictures that are classified rightly."""
        table = np.array(self.confusion)
        return float(table.trace() / table.sum())

    @property
    def recalls(self) -> dict[str, float]:
        """Share of each class that is found; classes without a picture have none."""
        rows = zip(self.classes, self.confusion, strict=True)
        return {name: row[index] / sum(row) for index, (name, row) in enumerate(rows) if sum(row)}

    @property
    def predictions(self) -> dict[str, int]:
        """How many pictures were called each class."""
        return dict(zip(self.classes, np.sum(self.confusion, axis=0).tolist(), strict=True))

    @property
    def usage_entropy(self) -> float:
        """How evenly prototypes are used: 0 where one decides all, 1 where all decide equally often."""
        used = np.array([count for count in self.usage if count], float)
        if len(self.usage) < 2 or not len(used):
            return 0.0
        shares = used / used.sum()
        return float(-(shares * np.log(shares)).sum() / np.log(len(self.usage)))
