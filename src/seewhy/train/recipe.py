"""How to train: the settings, and those of a study that can be done again by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from seewhy.errors import UnknownName, UsageError
from seewhy.models import Preprocessing

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

R = TypeVar("R", bound="DataclassInstance")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Adam and cross entropy: first the new head alone, then the whole network.

    Attributes:
        epochs: of the whole network; 0 leaves all but the head as it was.
        head_epochs: of the head alone, on features that are computed once, without augmentation; 0 begins with all.
        batch_size: pictures in one step.
        learning_rate: of the whole network.
        head_learning_rate: of the head alone.
        augment: show crops, mirror images and other light.
        class_weights: count rare classes more, so that all weigh alike.
        patience: epochs without a lower validation loss before stopping; the best weights are kept. None: the last.
        decay: let the learning rate of the whole network fall to nothing, in the shape of half a cosine.
        batch_statistics: whether BatchNorm learns the statistics of these pictures; of few pictures they are poor.
        split: the fractions of each class for training and validation, and for a test where there are three.
        preprocessing: other than the one that the network comes with.
        shots: photos that each class shows in an episode of few-shot training; None is training on all photos alike.
    """

    epochs: int = 10
    head_epochs: int = 30
    batch_size: int = 32
    learning_rate: float = 1e-4
    head_learning_rate: float = 1e-3
    augment: bool = True
    class_weights: bool = False
    patience: int | None = None
    decay: bool = True
    batch_statistics: bool = False
    split: tuple[float, ...] = (0.7, 0.3)
    preprocessing: Preprocessing | None = None
    shots: int | None = None

    def __post_init__(self) -> None:
        if min(self.epochs, self.head_epochs) < 0 or not self.epochs + self.head_epochs:
            raise UsageError("there is nothing to do: give --epochs or --head-epochs of at least 1")
        if min(self.learning_rate, self.head_learning_rate) <= 0:
            raise UsageError("a learning rate is a positive number, such as 1e-4")
        if self.shots is not None and (self.shots < 1 or not self.epochs):
            raise UsageError("few-shot training takes --few-shot of at least 1 and --epochs of at least 1")
        if len(self.split) not in {2, 3} or min(self.split) <= 0 or abs(sum(self.split) - 1) > 1e-9:
            raise UsageError(
                f"--split is the share of pictures for training, such as 0.7, or the shares for training, validation "
                f"and test, such as 0.6,0.2,0.2; not {', '.join(map(str, self.split))}"
            )

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        found = asdict(self)
        return found if self.shots is not None else {key: found[key] for key in found if key != "shots"}


RECIPES: Mapping[str, Recipe] = {
    "default": Recipe(),
    # For networks that are made to explain themselves, which nobody has trained before.
    "bcos": Recipe(epochs=40, head_epochs=0, learning_rate=3e-3),
    # Sun et al. 2020, with fewer episodes: theirs begin with a backbone that learns along.
    "few-shot": Recipe(epochs=16, head_epochs=0, learning_rate=1e-3, augment=False, decay=False, shots=5),
    # Jain, Explainable AI for Image Classification using Twin System and Grad-CAM, 2025: with torchvision:resnet18.
    "source1": Recipe(
        epochs=10,
        head_epochs=0,
        learning_rate=1e-4,
        augment=False,
        decay=False,
        batch_statistics=True,
        split=(2 / 3, 1 / 3),
        preprocessing=Preprocessing((224, 224), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
    ),
}

BACKBONES = {"bcos": "bcos:small"}  # of recipes that are for one kind of network


def find_recipe(name: str, **settings: Any) -> Recipe:
    """The recipe called `name` with these settings changed; None leaves one as it is.

    Raises:
        UnknownName: there is no such recipe.
    """
    return changed(RECIPES, name, settings)


def changed(recipes: Mapping[str, R], name: str, settings: Mapping[str, Any]) -> R:
    """Of `recipes` the one called `name`, as `find_recipe` does."""
    if name not in recipes:
        raise UnknownName(f"there is no recipe '{name}'; write one of {', '.join(recipes)}")
    return replace(recipes[name], **{key: value for key, value in settings.items() if value is not None})
