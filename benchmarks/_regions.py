"""Regions of what the network sees alike against SLIC's: do they follow objects, and what the answer hangs on?

    python -m benchmarks._regions [--model MODEL] [--groups 12] [--limit 40] [--deletion 20] [--tuning]

Of photos whose object is known, both cut as many regions. *IoU*: of the best union of regions with the mask.
*Deletion*: the area under the probability of the class while regions are hidden one after another, the weightiest for
their size first, over the area hidden; weights are Kernel SHAP's. The photos to tune on are others than those to report
on. One line of JSON for each photo goes to `--out`; photos that are there already are left out.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks._networks import DATA, DEFAULT, classifier_of
from torch import Tensor

from seewhy import Classifier, Image, Target, open_image
from seewhy.engines import MaskedForward
from seewhy.engines.network_regions import network_regions
from seewhy.engines.regions import seen_pixels
from seewhy.images import read_mask
from seewhy.methods.anchors import slic_of
from seewhy.methods.shapley_values import kernel_shapley

ASKED, HIDDEN = 64, "mean"


def measured(classifier: Classifier, photo: Path, groups: int, *, deleting: bool) -> dict[str, Any] | None:
    """Both figures of both cuts of one photo; None where the network does not see the object."""
    image = open_image(photo)
    object_seen = classifier.preprocessing.mask(read_mask(mask_of(photo), image).area)
    if not object_seen.any():
        return None
    picture = classifier.preprocessing.pixels([image])[0]
    colour = at_most(seen_pixels(picture), groups)
    cuts = {"slic": colour, "network": network_regions(classifier, picture, int(colour.max()) + 1)}
    found: dict[str, Any] = {"regions": [int(each.max()) + 1 for each in cuts.values()]}
    for name, labels in cuts.items():
        found[f"iou_{name}"] = best_union(labels, object_seen)
        if deleting:
            found[f"deletion_{name}"] = deletion(classifier, image, picture, labels)
    return found


def at_most(pixels: np.ndarray, groups: int) -> np.ndarray:
    """SLIC's cut with as many regions as it makes, and no more than asked for."""
    cuts = (slic_of(pixels, asked) for asked in range(groups, 1, -1))
    return next(labels for labels in cuts if labels.max() < groups)


def mask_of(photo: Path) -> Path:
    """Where the object of a photo is."""
    return photo.parents[1] / "masks" / f"{photo.stem}.png"


def best_union(labels: np.ndarray, mask: np.ndarray) -> float:
    """The IoU of a mask with that union of regions for which it is largest: those with the most of it inside."""
    sizes, inside = np.bincount(labels.ravel()), np.bincount(labels.ravel(), mask.ravel())
    order = np.argsort(-inside / sizes)
    both, taken = inside[order].cumsum(), sizes[order].cumsum()
    return float((both / (mask.sum() + taken - both)).max())


def deletion(classifier: Classifier, image: Image, picture: Tensor, labels: np.ndarray) -> float:
    """The area under the class's probability while regions are hidden."""
    target = Target(int(classifier.probabilities([image])[0].argmax()))
    head = classifier.head

    def engine(fill: str) -> MaskedForward:
        return MaskedForward(classifier, picture, fill, labels=labels, generator=torch.Generator().manual_seed(0))

    asked = engine("region-mean")
    shares = kernel_shapley(
        lambda coalitions: head.log_odds(asked(coalitions), target),
        asked.regions,
        ASKED,
        torch.Generator().manual_seed(0),
    )
    areas = np.bincount(labels.ravel()) / labels.size
    order = np.argsort(-shares.values.numpy() / areas)
    kept = order.argsort() >= np.arange(len(order) + 1)[:, None]
    shown = head.share(engine(HIDDEN)(torch.from_numpy(kept)), target).numpy()
    return float(((shown[1:] + shown[:-1]) / 2 * areas[order]).sum())


def summed_up(lines: Sequence[dict[str, Any]]) -> str:
    """A table for each network."""
    rows: list[str] = []
    for model in dict.fromkeys(each["model"] for each in lines):
        rows += [f"\n{model}\n", "| | photos | slic | network | network better |", "|---|--:|--:|--:|--:|"]
        for name, sign in (("iou", 1), ("deletion", -1)):
            mine = [each for each in lines if each["model"] == model and f"{name}_slic" in each]
            if mine:
                theirs, ours = (np.array([each[f"{name}_{cut}"] for each in mine]) for cut in ("slic", "network"))
                better = (sign * (ours - theirs) > 0).mean()
                rows.append(f"| {name} | {len(mine)} | {theirs.mean():.3f} | {ours.mean():.3f} | {better:.0%} |")
    return "\n".join(rows)


def main() -> None:
    """Measure what is not measured yet, and sum up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=DEFAULT)
    parser.add_argument("--groups", type=int, default=12)
    parser.add_argument("--limit", type=int, default=106, help="photos")
    parser.add_argument("--deletion", type=int, default=40, help="photos of which deletion is measured, too")
    parser.add_argument("--tuning", action="store_true", help="the photos to tune on")
    parser.add_argument("--out", type=Path, default=Path("regions.jsonl"))
    given = parser.parse_args()
    lines = [json.loads(line) for line in given.out.read_text("utf-8").splitlines()] if given.out.exists() else []
    known = {(each["model"], each["photo"]) for each in lines}
    photos = sorted((DATA / "object-masks" / "images").glob("*.jpg"))[int(not given.tuning) :: 2]
    chosen = [photos[index * len(photos) // given.limit] for index in range(min(given.limit, len(photos)))]
    every = max(len(chosen) // max(given.deletion, 1), 1)
    classifier = classifier_of(given.model, torch.device("cpu"))
    for number, photo in enumerate(chosen):
        deleting = given.deletion > 0 and number % every == 0
        if (given.model, photo.name) in known or not (
            found := measured(classifier, photo, given.groups, deleting=deleting)
        ):
            continue
        lines.append({"model": given.model, "photo": photo.name, **found})
        with given.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(lines[-1]) + "\n")
    print(summed_up(lines))


if __name__ == "__main__":
    main()
