"""What a comparison takes from files, and leaves in them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from seewhy.core.outcome import Outcome
from seewhy.errors import SeewhyError, UsageError
from seewhy.images import Image, find_images, open_image
from seewhy.images.folder import as_mask
from seewhy.models import Classifier
from seewhy.study.comparison import Cell, Comparison
from seewhy.study.scoring import seen_mask

SCORES = "scores.json"
UNDEFINED = dict.fromkeys(each.name for each in fields(Cell))


def open_each(sources: Sequence[Path]) -> tuple[dict[Path, Image], list[Outcome]]:
    """The pictures that can be opened, by their paths, and what is wrong with the others."""
    opened: dict[Path, Image] = {}
    failures: list[Outcome] = []
    for source in sources:
        try:
            opened[source] = open_image(source)
        except SeewhyError as error:
            failures.append(Outcome(str(source), error=error))
    return opened, failures


def view_masks(classifier: Classifier, images: Mapping[Path, Image], folder: Path) -> dict[str, np.ndarray]:
    """Where the object is in what the network sees, bool `(h, w)` by the picture's SHA-256; masks by stem.

    Raises:
        UsageError: no mask fits any picture, several fit one, or one has another size than its picture.
    """
    drawn: defaultdict[str, list[Path]] = defaultdict(list)
    for path in find_images([folder]):
        drawn[path.stem].append(path)
    fitting = {path: _only(drawn[path.stem], path) for path in images if path.stem in drawn}
    found = {
        images[path].sha256: _seen(classifier, images[path], open_image(mask), mask) for path, mask in fitting.items()
    }
    if not found:
        raise UsageError(f"no mask in {folder} is named like a picture; cat.jpg takes cat.png")
    return found


def _only(masks: Sequence[Path], picture: Path) -> Path:
    if len(masks) > 1:
        raise UsageError(
            f"it is unclear whether {masks[0]} or {masks[1]} is the mask of {picture}; keep one of each name"
        )
    return masks[0]


def _seen(classifier: Classifier, image: Image, drawn: Image, path: Path) -> np.ndarray:
    if drawn.pixels.shape != image.pixels.shape:
        raise UsageError(
            f"the mask {path} is {drawn.width} × {drawn.height}, its picture {image.width} × {image.height}; "
            "a mask has the size of its picture"
        )
    return seen_mask(classifier, as_mask(drawn))


def comparison_rows(found: Comparison) -> list[dict[str, Any]]:
    """One row for each method and metric, as plain JSON values; without a score they are None."""
    return [
        {
            "method": method,
            "metric": metric.name,
            "family": metric.family,
            "higher_is_better": metric.higher_is_better,
            "mean_rank": found.mean_rank(method),
            **(asdict(cell) if (cell := found.cell(metric, method)) else UNDEFINED),
        }
        for method in (*found.ranks, *found.controls)
        for metric in found.metrics
    ]


def save_comparison(found: Comparison, out: Path) -> None:
    """Write `scores.json`, and each explanation to `OUT/<photo>/<method>/`."""
    from seewhy.verbs.saving import save_each

    mine = [tuple(trial.explanations[method] for method in found.ranks) for trial in found.trials]
    for _ in save_each([Outcome(each[0].image.name, each) for each in mine], out):
        pass
    text = json.dumps({"best": found.best, "scores": comparison_rows(found)}, indent=2, allow_nan=False)
    (out / SCORES).write_text(text + "\n", "utf-8")
