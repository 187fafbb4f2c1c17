"""LIME on photo after photo: do seeds agree, do cuts agree, is the truth in the intervals, do Shapley values agree?

    python -m benchmarks._steadiness PHOTOS… [--model MODEL] [--out steadiness.jsonl] [--limit 20] [--long 0]

One line of JSON for each photo and network goes to `--out`; photos that are there already are left out, so that it can
be stopped and started again. Without photos, or at the end, the lines are summed up.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks._networks import classifier_of
from scipy.stats import spearmanr

from seewhy import Classifier, Explanation, Image, Target, find_method, open_image
from seewhy.engines import MaskedForward
from seewhy.images import find_images
from seewhy.methods.shapley_values import kernel_shapley

SEEDS, PACKAGE_SEEDS, LONG, SHAPLEY, CELLS, TOP = 5, 3, 20_000, 4000, 14, 5
CUTS = ("slic:24", "quickshift", "felzenszwalb", "watershed", "grid:5")
SURE = 0.9
WANTED = {
    "seeds": "mean Spearman over seeds, 0.95 and 0.85 at least wanted",
    "cuts": "mean Spearman of maps over segmenters, 0.8 wanted",
    "shapley": "Spearman with Shapley values of the log-odds of the same regions, 0.7 wanted on sure photos",
    "inside": "share of 95 % intervals that hold a long run's weights, 0.93 to 0.97 wanted",
    "forwards": "forwards of one explanation",
    "package": "mean Spearman over seeds of lime-classic, 1,000 variations, same regions",
    "package_jaccard": "overlap of its five strongest",
    "jaccard": "overlap of the five strongest",
}


def measured(classifier: Classifier, image: Image, long: int) -> dict[str, Any]:
    """All figures of one photo, by the names of `WANTED`."""
    target = Target(int(classifier.probabilities([image])[0].argmax()))

    def explain(method: str = "lime", seed: int = 0, **settings: Any) -> Explanation:
        generator = torch.Generator().manual_seed(seed)
        return find_method(method, **settings)(classifier, [image], [[target]], generator=generator)[0]

    found = [explain(seed=seed) for seed in range(SEEDS)]
    labels = regions_of(found[0]).labels
    package = [explain("lime-classic", seed, regions=labels) for seed in range(PACKAGE_SEEDS)]
    maps = [cells(found[0].values), *(cells(explain(regions=how).values) for how in CUTS[1:])]
    figures = {
        "p": found[0].probability,
        "keep": found[0].checks["keep"],
        "regions": len(weights(found[0])),
        "seeds": agreement([weights(each) for each in found]),
        "jaccard": overlap([weights(each) for each in found]),
        "cuts": agreement(maps),
        "shapley": agreement([weights(found[0]), shapley(classifier, image, target, labels)]),
        "forwards": float(np.mean([each.cost.forwards for each in found])),
        "package": agreement([weights(each) for each in package]),
        "package_jaccard": overlap([weights(each) for each in package]),
    }
    if not long:
        return figures
    truth = explain(seed=SEEDS, samples=long, keep=found[0].checks["keep"], steady=1.0)
    return figures | {"inside": float(np.mean([holds(each, truth) for each in found]))}


def regions_of(explanation: Explanation) -> Any:
    """The regions of an explanation that has some."""
    return explanation.regions


def weights(explanation: Explanation) -> np.ndarray:
    """Those of the regions."""
    return regions_of(explanation).weights


def holds(explanation: Explanation, truth: Explanation) -> np.ndarray:
    """Whether each interval holds the truth."""
    return np.abs(weights(explanation) - weights(truth)) <= 1.96 * regions_of(explanation).errors


def cells(values: np.ndarray) -> np.ndarray:
    """The means of 14 × 14 cells."""
    rows = [band for each in np.array_split(values, CELLS) for band in [np.array_split(each, CELLS, axis=1)]]
    return np.array([cell.mean() for row in rows for cell in row])


def agreement(several: Sequence[np.ndarray]) -> float:
    """The mean rank correlation of pairs."""
    return float(np.mean([spearmanr(*pair).statistic for pair in combinations(several, 2)]))


def overlap(several: Sequence[np.ndarray]) -> float:
    """The mean overlap of the strongest."""
    tops = [set(np.argsort(-each)[:TOP].tolist()) for each in several]
    return float(np.mean([len(one & other) / len(one | other) for one, other in combinations(tops, 2)]))


def shapley(classifier: Classifier, image: Image, target: Target, labels: np.ndarray) -> np.ndarray:
    """Kernel SHAP's values of the log-odds, exact where there are few regions."""
    engine = MaskedForward(classifier, image, labels=labels, generator=torch.Generator().manual_seed(0))
    engine.expected = SHAPLEY
    found = kernel_shapley(
        lambda coalitions: classifier.head.log_odds(engine(coalitions), target),
        engine.regions,
        SHAPLEY,
        torch.Generator().manual_seed(0),
    )
    return found.values.numpy()


def summed_up(lines: Sequence[dict[str, Any]]) -> str:
    """A table for each network."""
    rows: list[str] = []
    for model in dict.fromkeys(each["model"] for each in lines):
        mine = [each for each in lines if each["model"] == model]
        rows += [f"\n{model}, {len(mine)} photos\n", "| | median | mean | least | largest |", "|---|--:|--:|--:|--:|"]
        for name, about in WANTED.items():
            known = [each[name] for each in mine if name in each and (name != "shapley" or each["p"] > SURE)]
            if known:
                cuts = [np.median(known), np.mean(known), min(known), max(known)]
                rows.append(f"| {about} | " + " | ".join(f"{each:.3f}" for each in cuts) + " |")
    return "\n".join(rows)


def main() -> None:
    """Measure what is not measured yet, and sum up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="*")
    parser.add_argument("--model", default="bundled:efficientnet-lite0")
    parser.add_argument("--out", type=Path, default=Path("steadiness.jsonl"))
    parser.add_argument("--limit", type=int, default=20, help="photos of each folder")
    parser.add_argument(
        "--long", type=int, default=LONG, help="variations of the run that stands for the truth; 0: none"
    )
    given = parser.parse_args()
    lines = [json.loads(line) for line in given.out.read_text("utf-8").splitlines()] if given.out.exists() else []
    known = {(each["model"], each["photo"]) for each in lines}
    photos = [photo for each in given.photos for photo in find_images([each])[: given.limit]]
    classifier = classifier_of(given.model, torch.device("cpu")) if photos else None
    for photo in photos:
        if classifier is None or (given.model, Path(photo).name) in known:
            continue
        found = measured(classifier, open_image(photo), given.long)
        lines.append({"model": given.model, "photo": Path(photo).name, **found})
        with given.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(lines[-1]) + "\n")
        print(json.dumps(lines[-1]), flush=True)
    print(summed_up(lines))


if __name__ == "__main__":
    main()
