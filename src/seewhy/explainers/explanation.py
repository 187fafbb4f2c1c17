"""`Explanation`: what a method found, with all that is needed to draw it, repeat it and judge it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from seewhy import __version__
from seewhy.draw import OPACITY
from seewhy.errors import ExplainError, NonFinite, UsageError
from seewhy.images import Image, open_image
from seewhy.models.classifier import Prediction
from seewhy.models.preprocessing import Box
from seewhy.models.target import Target

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

__all__ = ["SCHEMA", "Cost", "Explanation"]

SCHEMA = 1
VALUES, PHOTO, PICTURE, MANIFEST = "values.npy", "image.png", "picture.png", "manifest.json"


class Cost(NamedTuple):
    """What the explanation took: forward and backward passes of the network for this image, and seconds."""

    forwards: int
    backwards: int
    seconds: float


@dataclass(frozen=True, eq=False)
class Explanation:
    """How much each part of the picture speaks for the target.

    `values` is float32 `(h, w)` over `view`, the part of the upright picture that the network saw; negative values
    speak against the target and occur only where `signed`. All zero means: no evidence found.
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

    def __post_init__(self) -> None:
        if self.values.ndim != 2:
            raise ExplainError(f"{self.method} gave values of shape {self.values.shape}; expected (h, w)")
        if not np.isfinite(self.values).all():
            raise NonFinite(f"{self.method} gave NaN or infinity for '{self.target_label}' on {self.image.name}")
        if not self.signed and (self.values < 0).any():
            raise ExplainError(f"{self.method} declares no sign but gave negative values")
        values = np.ascontiguousarray(self.values, dtype=np.float32)
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

    def picture(self, *, opacity: float = OPACITY, cmap: str | None = None) -> Picture:
        """Original and overlay side by side, with legend."""
        from seewhy.explainers.pictures import explanation_panel

        return explanation_panel(self, opacity=opacity, cmap=cmap)

    def show(self) -> None:
        """Open the picture in a window, or display it in a notebook."""
        self.picture().show(title=self.image.name)

    def save(self, folder: str | Path) -> Path:
        """Write `values.npy`, `image.png`, `picture.png` and `manifest.json`; returns the folder."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / VALUES, self.values, allow_pickle=False)
        self.image.to_pil().save(folder / PHOTO)
        self.picture().save(folder / PICTURE)
        text = json.dumps(self.manifest(), indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False)
        (folder / MANIFEST).write_text(text + "\n", "utf-8")
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> Explanation:
        """Read back what `save` wrote.

        Raises:
            UsageError: the folder holds no explanation, or one of another schema.
            ExplainError: its photo is not the one the manifest was written for.
        """
        folder = Path(folder)
        if not (folder / MANIFEST).is_file():
            raise UsageError(f"{folder} holds no explanation (no {MANIFEST})")
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        if manifest["schema"] != SCHEMA:
            raise UsageError(f"{folder} has schema {manifest['schema']}, this seewhy reads {SCHEMA}")
        about = manifest["image"]
        image = replace(open_image(folder / PHOTO, name=about["name"]), notes=tuple(about["notes"]))
        if image.sha256 != about["sha256"]:
            raise ExplainError(f"{folder / PHOTO} was changed since the explanation was saved")
        fields: dict[str, Any] = manifest["explanation"]
        fields["view"] = Box(*fields["view"])
        fields["target"] = Target(**fields["target"])
        fields["predictions"] = tuple(Prediction(**each) for each in fields["predictions"])
        fields["cost"] = Cost(**fields["cost"])
        return cls(values=np.load(folder / VALUES, allow_pickle=False), image=image, **fields)

    def manifest(self) -> dict[str, Any]:
        """All but the arrays, as plain JSON values."""
        plain = {key: value for key, value in self.__dict__.items() if key not in {"values", "image"}}
        about = {"name": self.image.name, "sha256": self.image.sha256, "notes": list(self.image.notes)}
        nested = {
            "target": asdict(self.target),
            "predictions": [asdict(each) for each in self.predictions],
            "cost": self.cost._asdict(),
        }
        return {"schema": SCHEMA, "seewhy": __version__, "image": about, "explanation": {**plain, **nested}}

    def _repr_html_(self) -> str:
        from seewhy.draw import data_uri

        return f'<img alt="{self}" src="{data_uri(self.picture())}" style="max-width:100%">'

    def __str__(self) -> str:
        return f"{self.method}: why '{self.target_label}' on {self.image.name}"
