"""A prototype network with what its prototypes are patches of, and what the gate said of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from seewhy.images import Image
from seewhy.models import Box, Categories, Classifier, Preprocessing
from seewhy.prototypes.gate import Diagnosis
from seewhy.prototypes.network import PrototypeNetwork


@dataclass(frozen=True)
class Prototype:
    """A patch of a training picture that stands for a class.

    Attributes:
        label: the class, by its place among the classes.
        source: the training picture, by its path below its folder.
        cell: row and column of the patch on the trunk's grid.
        picture: what the network saw of it; None where the prototype is no patch of any.
        box: where the patch is, in pixels of `picture`.
    """

    label: int
    source: str = ""
    cell: tuple[int, int] = (0, 0)
    picture: Image | None = field(default=None, repr=False)
    box: Box = Box(0.0, 0.0, 0.0, 0.0)


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
        return Classifier.from_module(self.network, self.preprocessing, Categories(self.classes), self.name)
