"""Explanations on disk: arrays as `.npy`, pictures as PNG, everything else in `manifest.json`."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from seewhy import __version__
from seewhy.draw import OURS, Colors
from seewhy.errors import ExplainError, UsageError
from seewhy.images import open_image
from seewhy.methods.evidence import RegionWeights, Rule
from seewhy.methods.explanation import Cost, Explanation
from seewhy.models import Box, Prediction, Target

SCHEMA = 1
VALUES, ERRORS, REGIONS = "values.npy", "errors.npy", "regions.npy"
PHOTO, PICTURE, MANIFEST = "image.png", "picture.png", "manifest.json"
ARRAYS = {"values", "errors", "image"}  # kept in files of their own


def save(explanation: Explanation, folder: Path, colors: Colors = OURS) -> Path:
    """Write everything about `explanation` into `folder`, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / VALUES, explanation.values, allow_pickle=False)
    if explanation.errors is not None:
        np.save(folder / ERRORS, explanation.errors.astype(np.float32), allow_pickle=False)
    if explanation.regions is not None:
        np.save(folder / REGIONS, explanation.regions.labels.astype(np.int32), allow_pickle=False)
    explanation.image.to_pil().save(folder / PHOTO)
    explanation.picture(colors).save(folder / PICTURE)
    text = json.dumps(manifest(explanation), indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False)
    (folder / MANIFEST).write_text(text + "\n", "utf-8")
    return folder


def load(folder: Path) -> Explanation:
    """Read back what `save` wrote.

    Raises:
        UsageError: the folder holds no explanation, or one of another schema.
        ExplainError: its files are damaged, or its photo is not the one the manifest was written for.
    """
    if not (folder / MANIFEST).is_file():
        raise UsageError(f"{folder} holds no explanation (no {MANIFEST})")
    try:
        return _read(folder)
    except (OSError, EOFError, ValueError, TypeError, KeyError) as error:
        raise ExplainError(
            f"{folder} was damaged since the explanation was saved ({type(error).__name__}: {error}); explain again"
        ) from error


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


def manifest(explanation: Explanation) -> dict[str, Any]:
    """All but the large arrays, as plain JSON values."""
    plain = {entry.name: getattr(explanation, entry.name) for entry in fields(explanation) if entry.name not in ARRAYS}
    image = explanation.image
    nested = {
        "target": asdict(explanation.target),
        "predictions": [asdict(each) for each in explanation.predictions],
        "cost": explanation.cost._asdict(),
        "regions": explanation.regions and _region_numbers(explanation.regions),
        "rule": explanation.rule and asdict(explanation.rule),
    }
    about = {"name": image.name, "sha256": image.sha256, "notes": list(image.notes)}
    return {"schema": SCHEMA, "seewhy": __version__, "image": about, "explanation": {**plain, **nested}}


def _region_numbers(regions: RegionWeights) -> dict[str, Any]:
    errors = None if regions.errors is None else regions.errors.tolist()
    return {"weights": regions.weights.tolist(), "errors": errors}


def _rebuilt(found: dict[str, Any], folder: Path) -> dict[str, Any]:
    regions, rule = found["regions"], found["rule"]
    return {
        **found,
        "view": Box(*found["view"]),
        "target": Target(**found["target"]),
        "predictions": tuple(Prediction(**each) for each in found["predictions"]),
        "cost": Cost(**found["cost"]),
        "regions": regions and _regions(regions, folder),
        "rule": rule and _rule(**rule),
    }


def _rule(regions: list[int], **rest: Any) -> Rule:
    return Rule(regions=tuple(regions), **rest)


def _regions(numbers: dict[str, Any], folder: Path) -> RegionWeights:
    labels = np.load(folder / REGIONS, allow_pickle=False)
    errors = None if numbers["errors"] is None else np.array(numbers["errors"])
    return RegionWeights(labels, np.array(numbers["weights"]), errors)
