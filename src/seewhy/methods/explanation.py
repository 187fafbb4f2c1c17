"""`Explanation`: what a method found, with all that is needed to draw it, repeat it and judge it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from seewhy.draw import OURS, Colors
from seewhy.errors import ExplainError, NonFinite
from seewhy.images import Image
from seewhy.methods.evidence import RegionWeights, Rule
from seewhy.models import Box, Prediction, Target

if TYPE_CHECKING:
    from PIL.Image import Image as Picture


class Cost(NamedTuple):
    """What the explanation took: forward and backward passes of the network for this image, and seconds."""

    forwards: int
    backwards: int
    seconds: float


@dataclass(frozen=True, eq=False)
class Explanation:
    """How much each part of the picture speaks for the target.

    `values` is float32 `(h, w)` over `view`, the part of the upright picture that the network saw; negative values
    speak against the target and occur only where `signed`. All zero means: no evidence found. `errors` `(h, w)` are
    the standard errors of sampled values, where the method knows them; those of regions are in `regions`.
    """

    values: np.ndarray
    image: Image
    view: Box
    target: Target
    target_label: str
    predictions: tuple[Prediction, ...]
    method: str
    signed: bool
    classifier: str
    fingerprint: str
    layer: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    cost: Cost = Cost(0, 0, 0.0)
    checks: Mapping[str, float] = field(default_factory=dict)
    errors: np.ndarray | None = None
    regions: RegionWeights | None = None
    rule: Rule | None = None

    def __post_init__(self) -> None:
        with np.errstate(over="ignore"):  # too large for float32 is infinite, and refused below
            values = np.array(self.values, dtype=np.float32, order="C")
        if values.ndim != 2:
            raise ExplainError(f"{self.method} gave values of shape {values.shape}; expected (h, w)")
        if not (np.isfinite(values).all() and np.isfinite(list(self.checks.values())).all()):
            raise NonFinite(f"{self.method} gave NaN or infinity for '{self.target_label}' on {self.image.name}")
        if not self.signed and (values < 0).any():
            raise ExplainError(f"{self.method} declares no sign but gave negative values")
        values.setflags(write=False)
        object.__setattr__(self, "values", values)

    @property
    def is_zero(self) -> bool:
        """Whether the method found no evidence at all."""
        return not self.values.any()

    @property
    def probability(self) -> float:
        """The probability of the explained class."""
        return next(each.probability for each in self.predictions if each.index == self.target.index)

    def picture(self, colors: Colors = OURS) -> Picture:
        """Original and overlay side by side, with legend."""
        from seewhy.methods.pictures import explanation_panel

        return explanation_panel(self, colors)

    def show(self) -> None:
        """Show the picture in the notebook, or open a window; `UsageError` where there is neither."""
        from seewhy.draw import display

        display(self.picture(), self.image.name, self)

    def save(self, folder: str | Path, colors: Colors = OURS) -> Path:
        """Write the arrays (`.npy`), `image.png`, `picture.png` and `manifest.json`; returns the folder."""
        from seewhy.methods.storage import save

        return save(self, Path(folder), colors)

    @classmethod
    def load(cls, folder: str | Path) -> Explanation:
        """Read back what `save` wrote; see `storage.load` for what is refused."""
        from seewhy.methods.storage import load

        return load(Path(folder))

    def manifest(self) -> dict[str, Any]:
        """All but the large arrays, as plain JSON values."""
        from seewhy.methods.storage import manifest

        return manifest(self)

    def _repr_html_(self) -> str:
        from seewhy.draw import data_uri

        return f'<img alt="{escape(str(self))}" src="{data_uri(self.picture())}" style="max-width:100%">'

    def __str__(self) -> str:
        return f"{self.method}: why '{self.target_label}' on {self.image.name}"
