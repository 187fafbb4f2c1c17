"""`Explanation`: what a method found, with all that is needed to draw it, repeat it and judge it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from seewhy import __version__
from seewhy.core.files import whole_folder, write_json
from seewhy.draw import OURS, Colors
from seewhy.errors import ExplainError, NonFinite, UsageError
from seewhy.images import Image, open_image
from seewhy.methods.evidence import RegionWeights, Rule
from seewhy.models import Box, Prediction, Target

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

    from seewhy.draw import Tile


SCHEMA = 1
VALUES, ERRORS, REGIONS = "values.npy", "errors.npy", "regions.npy"
PHOTO, PICTURE, MANIFEST = "image.png", "picture.png", "manifest.json"
ARRAYS = {"values", "errors", "image"}  # kept in files of their own


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

    def picture(self, colors: Colors = OURS, tile: Tile | None = None) -> Picture:
        """Original and overlay side by side, with legend; `tile` is the overlay, where it is drawn already."""
        from seewhy.methods.pictures import explanation_panel

        return explanation_panel(self, colors, tile)

    def show(self) -> None:
        """Show the picture in the notebook, or open a window; `UsageError` where there is neither."""
        from seewhy.draw import display

        display(self.picture(), self.image.name, self)

    def save(self, folder: str | Path, colors: Colors = OURS, *, tile: Tile | None = None) -> Path:
        """Write the arrays (`.npy`), `image.png`, `picture.png` and `manifest.json`, whole or not at all.

        Args:
            folder: Where to; it is made if need be, and other files in it stay.
            colors: What the picture is drawn with.
            tile: The picture, where it is drawn already.

        Returns:
            The folder.
        """
        folder = Path(folder)
        arrays = {VALUES: self.values}
        if self.errors is not None:
            arrays[ERRORS] = self.errors.astype(np.float32)
        if self.regions is not None:
            arrays[REGIONS] = self.regions.labels.astype(np.int32)
        picture, photo, about = self.picture(colors, tile), self.image.to_pil(), self.manifest()
        with whole_folder(folder) as part:
            for name, values in arrays.items():
                np.save(part / name, values, allow_pickle=False)
            photo.save(part / PHOTO)
            picture.save(part / PICTURE)
            write_json(part / MANIFEST, about)
        for name in {ERRORS, REGIONS} - arrays.keys():
            (folder / name).unlink(missing_ok=True)  # of an older explanation
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> Explanation:
        """Read back what `save` wrote.

        Raises:
            UsageError: the folder holds no explanation, or one of another schema.
            ExplainError: its files are damaged, or its photo is not the one the manifest was written for.
        """
        folder = Path(folder)
        if not (folder / MANIFEST).is_file():
            raise UsageError(f"{folder} holds no explanation (no {MANIFEST})")
        try:
            return _read(folder)
        except (OSError, EOFError, ValueError, TypeError, KeyError) as error:
            raise ExplainError(
                f"{folder} was damaged since the explanation was saved ({type(error).__name__}: {error}); explain again"
            ) from error

    def manifest(self) -> dict[str, Any]:
        """All but the large arrays, as plain JSON values."""
        regions, image = self.regions, self.image
        plain = {entry.name: getattr(self, entry.name) for entry in fields(self) if entry.name not in ARRAYS}
        nested = {
            "target": asdict(self.target),
            "predictions": [asdict(each) for each in self.predictions],
            "cost": self.cost._asdict(),
            "regions": regions
            and {
                "weights": regions.weights.tolist(),
                "errors": None if regions.errors is None else regions.errors.tolist(),
            },
            "rule": self.rule and asdict(self.rule),
        }
        about = {"name": image.name, "sha256": image.sha256, "notes": list(image.notes)}
        return {"schema": SCHEMA, "seewhy": __version__, "image": about, "explanation": {**plain, **nested}}

    def _repr_html_(self) -> str:
        from seewhy.draw import data_uri

        return f'<img alt="{escape(str(self))}" src="{data_uri(self.picture())}" style="max-width:100%">'

    def __str__(self) -> str:
        return f"{self.method}: why '{self.target_label}' on {self.image.name}"


def _read(folder: Path) -> Explanation:
    content = json.loads((folder / MANIFEST).read_text("utf-8"))
    if content["schema"] != SCHEMA:
        raise UsageError(f"{folder} has schema {content['schema']}, this seewhy reads {SCHEMA}")
    about = content["image"]
    image = replace(open_image(folder / PHOTO, name=about["name"]), notes=tuple(about["notes"]))
    if image.sha256 != about["sha256"]:
        raise ExplainError(f"{folder / PHOTO} was changed since the explanation was saved")
    values = np.load(folder / VALUES, allow_pickle=False)
    errors = np.load(folder / ERRORS, allow_pickle=False) if (folder / ERRORS).is_file() else None
    return Explanation(values=values, errors=errors, image=image, **_rebuilt(content["explanation"], folder))


def _rebuilt(found: dict[str, Any], folder: Path) -> dict[str, Any]:
    regions, rule = found["regions"], found["rule"]
    return {
        **found,
        "view": Box(*found["view"]),
        "target": Target(**found["target"]),
        "predictions": tuple(Prediction(**each) for each in found["predictions"]),
        "cost": Cost(**found["cost"]),
        "regions": regions and _regions(folder, **regions),
        "rule": rule and replace(Rule(**rule), regions=tuple(rule["regions"])),
    }


def _regions(folder: Path, weights: list[float], errors: list[float] | None) -> RegionWeights:
    labels = np.load(folder / REGIONS, allow_pickle=False)
    return RegionWeights(labels, np.array(weights), None if errors is None else np.array(errors))
