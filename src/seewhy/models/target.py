"""What is to be explained: one class, or one class rather than another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from seewhy.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from seewhy.models.categories import Categories

CONTRAST = re.compile(r"\s+(?:vs\.?|versus|rather than)\s+", re.IGNORECASE)


@dataclass(frozen=True)
class Target:
    """Class `index`, or with `against` the question "why `index` rather than `against`?"."""

    index: int
    against: int | None = None
    chosen: Literal["asked", "predicted"] = "asked"

    def score(self, logits: Tensor) -> Tensor:
        """The number to explain, of shape `(...)` for logits `(..., K)`: a logit, or a difference of two."""
        score = logits[..., self.index]
        return score if self.against is None else score - logits[..., self.against]

    def label(self, categories: Categories) -> str:
        """In words."""
        name = categories[self.index]
        return name if self.against is None else f"{name} rather than {categories[self.against]}"


def parse_target(text: str | int, categories: Categories) -> Target:
    """A target from an index, a class name or "A vs B"; see `Categories.find` for what is refused."""
    parts = CONTRAST.split(str(text))
    if len(parts) > 2:
        raise UsageError(f"'{text}' compares more than two classes; write \"A vs B\"")
    index, *others = (categories.find(part) for part in parts)
    against = others[0] if others else None
    if against == index:
        raise UsageError(f"'{text}' compares a class with itself")
    return Target(index, against)
