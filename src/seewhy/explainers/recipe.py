"""How to train an explainer: the settings of both objectives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from seewhy.engines import find_fill
from seewhy.errors import UnknownName, UsageError


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Adam on the head alone.

    Attributes:
        cells: of the map, a side.
        steps: updates of its weights.
        batch_size: photos in one step.
        learning_rate: falls to nothing, in the shape of half a cosine.
        weight_decay: of Adam.
        fill: what takes the place of hidden cells; masks hide by black, as their source does.
        asked: of Shapley values, how many coalitions of each photo the network is asked about.
        agreement, area, smoothness: of masks, how much it counts that the class is recognised under the mask, that the
            mask is small, and that it is smooth.
        power: of masks, to which power their values count as area.
        held_out: the share of photos that it does not learn from, on which it is judged.
        judged: on how many of these, at most.
        long: of Shapley values, how many forwards each photo's are taken from to be judged by.
    """

    cells: int = 7
    steps: int = 1500
    batch_size: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    fill: str = "region-mean"
    asked: int = 96
    agreement: float = 0.1614
    area: float = 0.8386
    smoothness: float = 0.0
    power: float = 0.3
    held_out: float = 0.2
    judged: int = 10
    long: int = 4000

    def __post_init__(self) -> None:
        find_fill(self.fill)
        if not 2 <= self.cells <= 28:
            raise UsageError(f"an explainer's map has 2 to 28 cells a side, not {self.cells}")
        if min(self.steps, self.batch_size, self.judged) < 1 or self.asked < 2 or self.learning_rate <= 0:
            raise UsageError("steps, pictures in a step and photos to judge by are at least 1, coalitions at least 2")

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


# Source of the weights of masks: Ntrougkas et al. 2025, those of ResNet-50.
RECIPES: Mapping[str, Recipe] = {
    "shapley": Recipe(),
    "mask": Recipe(cells=14, steps=400, batch_size=16, fill="black", judged=20),
}


def recipe_of(objective: str, **settings: Any) -> Recipe:
    """The recipe of an objective with these settings changed; None leaves one as it is.

    Raises:
        UnknownName: there is no such objective.
    """
    if objective not in RECIPES:
        raise UnknownName(f"there is no objective '{objective}'; write {' or '.join(RECIPES)}")
    return replace(RECIPES[objective], **{name: value for name, value in settings.items() if value is not None})
