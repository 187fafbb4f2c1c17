"""What a comparison takes from files, and leaves in them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from seewhy.core.outcome import Outcome
from seewhy.errors import SeewhyError
from seewhy.images import Image, match_masks, open_image, open_mask
from seewhy.models import Classifier
from seewhy.study.comparison import Cell, Comparison

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
    """Where the object is in what the network sees, bool `(h, w)` by the picture's SHA-256.

    Raises:
        BadImage: a mask cannot be opened.
        UsageError: no mask fits any picture, several fit one, or one has another size than its picture.
    """
    fitting = match_masks(list(images), folder)
    return {
        images[path].sha256: classifier.preprocessing.mask(open_mask(mask, images[path]))
        for path, mask in fitting.items()
    }


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
