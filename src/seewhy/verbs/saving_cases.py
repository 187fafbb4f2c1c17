"""What explaining by cases leaves in files: `OUT/<photo>/` with pictures, raw maps and `manifest.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from seewhy import __version__
from seewhy.cases.base import About
from seewhy.cases.counterfactuals import Counterfactuals
from seewhy.cases.pictures import removal_picture, similarity_pictures, swap_pictures, twins_panel
from seewhy.cases.queries import Case, Copy
from seewhy.cases.twins import Beside, Twin, Twins
from seewhy.core.files import photo_folders
from seewhy.images import Image

SCHEMA = 1


def save_twins(found: Sequence[Twins], about: About, out: Path) -> None:
    """Write `twins.png`, the maps of similarity and the manifest of each picture below `out`."""
    for twins, folder in zip(found, photo_folders([one.image.name for one in found], out), strict=True):
        folder.mkdir(parents=True, exist_ok=True)
        twins_panel(twins).save(folder / "twins.png")
        for number, twin in enumerate(twins.twins, start=1):
            _save_maps(twin, twins.image, folder / f"twin-{number}")
        _manifest(folder, about, twins_values(twins))


def save_counterfactuals(found: Sequence[Counterfactuals], about: About, out: Path) -> None:
    """Write the pictures, the maps and the manifest of each picture below `out`."""
    for each, folder in zip(found, photo_folders([one.image.name for one in found], out), strict=True):
        folder.mkdir(parents=True, exist_ok=True)
        for name, twin in (("unlike", each.unlike), ("like", each.like), ("borderline", each.borderline)):
            if twin:
                _save_maps(twin, each.image, folder / name)
        if each.swap and each.unlike:
            own, other = swap_pictures(each.swap, each.image, each.unlike.image)
            Pillow.fromarray(own).save(folder / "swap-own.png")
            Pillow.fromarray(other).save(folder / "swap-other.png")
        if each.removal:
            Pillow.fromarray(removal_picture(each.removal, each.image)).save(folder / "removal.png")
            np.save(folder / "removal-regions.npy", each.removal.labels.astype(np.int32), allow_pickle=False)
        _manifest(folder, about, counterfactual_values(each))


def twins_values(twins: Twins) -> dict[str, Any]:
    """All but pictures and maps, as plain JSON values."""
    return {
        "image": {"name": twins.image.name, "sha256": twins.image.sha256},
        "predictions": [each.__dict__ for each in twins.predictions],
        **_list(twins),
        "vote": [each._asdict() for each in twins.vote],
        "trust": twins.trust,
        "left_out": _copies(twins.left_out),
        "beside": twins.beside and _beside(twins.beside),
    }


def counterfactual_values(found: Counterfactuals) -> dict[str, Any]:
    """All but pictures and maps, as plain JSON values."""
    swap, removal = found.swap, found.removal
    return {
        "image": {"name": found.image.name, "sha256": found.image.sha256},
        "predictions": [each.__dict__ for each in found.predictions],
        "embedding": found.embedding,
        "target": found.target,
        "unlike": found.unlike and _twin(found.unlike),
        "like": found.like and _twin(found.like),
        "borderline": found.borderline and _twin(found.borderline),
        "swap": swap
        and {
            "layer": swap.layer,
            "grid": [swap.height, swap.width],
            "pairs": [{"own": list(pair.own), "other": list(pair.other)} for pair in swap.pairs],
            "area": swap.area,
            "prediction": swap.prediction.__dict__,
        },
        "removal": removal
        and {
            "hidden": list(removal.hidden),
            "regions": int(removal.labels.max()) + 1,
            "area": removal.area,
            "fill": removal.fill,
            "prediction": removal.prediction.__dict__,
        },
        "left_out": _copies(found.left_out),
    }


def _list(twins: Twins) -> dict[str, Any]:
    return {
        "embedding": twins.embedding,
        "same_class": twins.same_class,
        "twins": [_twin(each) for each in twins.twins],
        "cases": twins.cases,
    }


def _beside(beside: Beside) -> dict[str, Any]:
    agreement = {"overlap": beside.overlap, "correlation": beside.correlation, "candidates": beside.candidates}
    return {**_list(beside.twins), **agreement}


def _twin(twin: Twin) -> dict[str, Any]:
    return {**_case(twin.case), "layer": twin.maps.layer, "layer_similarity": twin.maps.similarity}


def _case(case: Case) -> dict[str, Any]:
    return {
        "path": case.path,
        "label": case.label,
        "prediction": case.prediction.__dict__,
        "similarity": case.similarity,
    }


def _copies(left_out: Sequence[Copy]) -> list[dict[str, Any]]:
    return [{**_case(each.case), "reason": each.reason} for each in left_out]


def _save_maps(twin: Twin, image: Image, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    own, other = similarity_pictures(twin.maps, image, twin.image)
    Pillow.fromarray(own).save(folder / "own.png")
    Pillow.fromarray(other).save(folder / "other.png")
    np.save(folder / "own.npy", twin.maps.own.astype(np.float32), allow_pickle=False)
    np.save(folder / "other.npy", twin.maps.other.astype(np.float32), allow_pickle=False)


def _manifest(folder: Path, about: About, values: Mapping[str, Any]) -> None:
    content = {"schema": SCHEMA, "seewhy": __version__, "base": about.__dict__, **values}
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
    (folder / "manifest.json").write_text(text + "\n", "utf-8")
