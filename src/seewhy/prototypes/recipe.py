"""How prototypes are trained, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from seewhy.errors import UnknownName, UsageError
from seewhy.prototypes.network import Likeness


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Three stages counted in steps: prototypes alone, then with the trunk, then the last layer, which is solved for.

    The first two are short and slow by default: a small set is soon learned by heart, and then all prototypes of a
    class become one. With hundreds of pictures 500 steps at 1e-3 are better.

    Attributes:
        per_class: prototypes of each class before pruning.
        size: numbers in a prototype.
        likeness: how patches are compared.
        copies: changed copies of each training picture that are shown while the trunk is at rest; 0 for none.
        probe_steps: of the add-on layers under a plain head, after which prototypes start by k-means; with 0 they
            start anywhere.
        warm_steps: of add-on layers and prototypes, while the trunk is at rest.
        joint_steps: of all of them together with the trunk.
        batch_size: pictures in one step.
        learning_rate: of add-on layers and prototypes.
        trunk_learning_rate: of the trunk.
        cluster: weight of the distance to the nearest prototype of a picture's own class.
        separation: weight of the distance to the nearest other prototype.
        diversity: weight of the likeness of prototypes of a class to each other.
        solve: whether prototypes are pruned and the last layer is solved for; else its weights stay as they start.
    """

    per_class: int = 10
    size: int = 128
    likeness: Likeness = "cosine"
    copies: int = 8
    probe_steps: int = 50
    warm_steps: int = 300
    joint_steps: int = 0
    batch_size: int = 32
    learning_rate: float = 3e-4
    trunk_learning_rate: float = 1e-4
    cluster: float = 0.2
    separation: float = 0.08
    diversity: float = 0.1
    solve: bool = True

    def __post_init__(self) -> None:
        if min(self.per_class, self.size, self.batch_size) < 1:
            raise UsageError("prototypes to a class, their size and pictures to a batch are 1 at least")
        if min(self.copies, self.probe_steps, self.warm_steps, self.joint_steps) < 0:
            raise UsageError("copies and steps are 0 at least")
        if min(self.learning_rate, self.trunk_learning_rate) <= 0:
            raise UsageError("a learning rate is a positive number, such as 3e-4")

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


RECIPES: Mapping[str, Recipe] = {
    "default": Recipe(),
    # Jain, Explainable AI for Image Classification using Twin System and Grad-CAM, 2025: 200 pictures, 10 epochs in
    # batches of 32, Adam 1e-4, no augmentation, prototypes that start anywhere. It answered with one class for all.
    "source1": Recipe(
        likeness="log-distance",
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
    """The recipe called `name` with these settings changed; None leaves one as it is."""
    if name not in RECIPES:
        raise UnknownName(f"there is no recipe '{name}'; write one of {', '.join(RECIPES)}")
    return replace(RECIPES[name], **{key: value for key, value in settings.items() if value is not None})
