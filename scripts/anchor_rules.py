"""Do anchors keep what they claim? Their precision on fresh variations, under both ways of hiding.

    python scripts/anchor_rules.py FOLDER --photos 100

explains photos of the folder, evenly spaced among all, and tries each rule that holds on variations that its search
never saw. A claim fails where fresh answers lie outside its bounds by more than chance (one-sided binomial, 1 %).
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from scipy.stats import binom

from seewhy import Classifier, Explanation, Image, load, open_image
from seewhy.engines import Fill, MaskedForward
from seewhy.methods import find_method
from seewhy.methods.anchors import variations_of

FRESH_SEED = 2**40
CHANCE = 0.01
KINDS = (".jpg", ".jpeg", ".png")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print a line for each photo and the sums."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=100)
    parser.add_argument("--fresh", type=int, default=400)
    parser.add_argument("--method", default="anchors")
    parser.add_argument("--model", default="bundled:efficientnet-lite0")
    given = parser.parse_args(arguments)
    classifier, method = load(given.model), find_method(given.method)
    paths = sorted(each for each in given.folder.rglob("*") if each.suffix.lower() in KINDS)
    counts: Counter[str] = Counter()
    forwards: list[int] = []
    for path in paths[:: max(len(paths) // given.photos, 1)][: given.photos]:
        image = open_image(path)
        found = _explained(method, classifier, image)
        counts += _judged(method, classifier, image, found, given.fresh)
        forwards.append(found.cost.forwards)
        print(f"{image.name} {found.rule} {found.cost.forwards} forwards; {dict(counts)}", flush=True)
    print(f"{len(forwards)} photos, {median(forwards):,.0f} forwards (median): {dict(counts)}")


def _explained(method: Any, classifier: Classifier, image: Image) -> Explanation:
    return method(classifier, [image], generator=torch.Generator().manual_seed(0))[0]


def _judged(method: Any, classifier: Classifier, image: Image, found: Explanation, fresh: int) -> Counter[str]:
    rule, regions = found.rule, found.regions
    if rule is None or regions is None or not rule.holds:
        return Counter({"no rule": 1})
    counts = Counter({"rules": 1, "empty": int(not rule.regions), "fragile": int(rule.fragile)})
    looks = [("first", method.fill, rule.low, rule.high)]
    if rule.second and method.second_fill:
        looks.append(("second", method.second_fill, rule.second.low, rule.second.high))
    for name, fill, low, high in looks:
        kept = _fresh(classifier, image, found, fill, regions.labels, fresh)
        counts[f"{name} holds"] += not _outside(kept, fresh, low, high)
    alone = _alone(classifier, image, found, method.fill, regions.labels)
    counts["loses the class with all else hidden"] += not alone
    counts["empty and loses the class with all hidden"] += not alone and not rule.regions
    return counts


def _fresh(
    classifier: Classifier, image: Image, found: Explanation, fill: str | Fill, labels: np.ndarray, count: int
) -> int:
    """How many of so many fresh variations keep the class."""
    rule = found.rule.regions if found.rule else ()
    generator = torch.Generator().manual_seed(FRESH_SEED)
    engine = MaskedForward(classifier, image, fill, labels=labels, generator=generator, precision="float32")
    engine.expected = count
    variations = variations_of(engine, found.target, FRESH_SEED)
    variations.ask([rule], count)
    kept, asked = variations.tally([rule])
    return round(int(kept[0]) * count / int(asked[0]))


def _alone(classifier: Classifier, image: Image, found: Explanation, fill: str | Fill, labels: np.ndarray) -> bool:
    generator = torch.Generator().manual_seed(FRESH_SEED)
    engine = MaskedForward(classifier, image, fill, labels=labels, generator=generator, precision="float32")
    return variations_of(engine, found.target, FRESH_SEED).enough(found.rule.regions if found.rule else ())


def _outside(kept: int, asked: int, low: float, high: float) -> bool:
    """Whether the fresh answers would come by chance in fewer than 1 % of cases, were the truth within the bounds."""
    return bool(binom.cdf(kept, asked, low) < CHANCE or binom.sf(kept - 1, asked, high) < CHANCE)


if __name__ == "__main__":
    main()
