"""LIME's prior: would other pieces be taken for alike, would seeds agree better, and would intervals still hold?

    python -m benchmarks._priors PHOTOS… [--model MODEL] [--limit 10] [--long 8000] [--samples 1000] [--out FILE]

Every photo is asked about once: some seeds, and a long run that stands for the truth. All priors are then fitted to
the same answers, so that they differ in nothing else. One line of JSON for each photo; those in `--out` are not asked
again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks._networks import classifier_of
from benchmarks._steadiness import agreement, cells
from torch import Tensor

from seewhy import Classifier, Image, Target, open_image
from seewhy.engines import Cuts, MaskedForward, fill_of_cuts, find_fill, in_groups
from seewhy.images import find_images
from seewhy.methods.lime import TRIALS, Variations, evidence, in_how_many, log_odds, moving_share, painted
from seewhy.methods.regions import cut, seen_pixels
from seewhy.methods.surrogate import infer

SEEDS = 4
FIGURES = ("seeds", "truth", "map_seeds", "map_truth", "inside", "error")


def likeness(cuts: Cuts) -> tuple[Tensor, Tensor]:
    """How often two pieces are cut together, and how much they have the same neighbours in that, `(pieces, pieces)`."""
    once = cuts.prior() / (cuts.areas[:, None] * cuts.areas) - 1
    twice = once @ (cuts.areas[:, None] * once)
    return once, twice / twice.diagonal().mean()


PRIORS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "now": lambda once, _: 1 + once,
    "mixed": lambda once, twice: 1 + once / 3 + 2 * twice / 3,
    "smooth": lambda _, twice: 1 + twice,
}


def measured(classifier: Classifier, image: Image, samples: int, long: int) -> dict[str, Any]:
    """Of each prior the figures of one photo, about its likeliest class."""
    picture = classifier.preprocessing.pixels([image])[0]
    pixels = seen_pixels(picture)
    cuts = Cuts.around(cut(pixels, "slic:24"), pixels)
    target = Target(int(classifier.probabilities([image])[0].argmax()))
    answers = [asked(classifier, picture, cuts, target, samples, seed) for seed in range(SEEDS)]
    hidden, taken = asked(classifier, picture, cuts, target, long, SEEDS)
    truth = infer(hidden, taken, cuts.prior())
    known, drawn = truth.sums(cuts.members).weights.numpy(), cells(painted(truth, cuts).numpy())
    once, twice = likeness(cuts)
    return {name: figures(cuts, answers, prior(once, twice), known, drawn) for name, prior in PRIORS.items()}


def asked(
    classifier: Classifier, picture: Tensor, cuts: Cuts, target: Target, samples: int, seed: int
) -> tuple[Tensor, Tensor]:
    """What was hidden in so many variations, and what that took from the log-odds."""
    generator = torch.Generator().manual_seed(seed)
    trial = cuts.draw(TRIALS, torch.Generator().manual_seed(0))
    drawn = cuts.draw(samples // 2, generator)
    fill = fill_of_cuts(find_fill("region-mean"), torch.cat([cuts.own, trial, drawn]))
    engine = MaskedForward(classifier, picture, fill, labels=cuts.pieces, generator=generator, precision="float32")
    engine.expected = samples
    groups, alone = in_how_many(moving_share(engine, trial), cuts.count)
    coalitions = in_groups(drawn[: samples // groups], groups, generator) ^ alone
    which = 1 + TRIALS + torch.arange(samples // groups).repeat_interleave(groups)
    return evidence(log_odds(engine, target), Variations(coalitions, which, groups))


def figures(
    cuts: Cuts, answers: list[tuple[Tensor, Tensor]], likely: Tensor, known: np.ndarray, drawn: np.ndarray
) -> dict[str, float]:
    """How far seeds agree with each other and the long run, whether its weights lie in the intervals, and errors."""
    found = [infer(*each, cuts.areas[:, None] * likely * cuts.areas) for each in answers]
    regions = [each.sums(cuts.members) for each in found]
    weights, maps = [each.weights.numpy() for each in regions], [cells(painted(each, cuts).numpy()) for each in found]
    inside = [np.abs(each.weights.numpy() - known) <= 1.96 * each.errors.numpy() for each in regions]
    off = [np.sqrt(np.square(each - known).mean()) / known.std() for each in weights]
    truths = [np.mean([agreement([each, long]) for each in mine]) for mine, long in ((weights, known), (maps, drawn))]
    told = (agreement(weights), truths[0], agreement(maps), truths[1], np.mean(inside), np.mean(off))
    return {name: float(value) for name, value in zip(FIGURES, told, strict=True)}


def main() -> None:
    """Measure what is not measured yet, and sum up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="*")
    parser.add_argument("--model", default="bundled:efficientnet-lite0")
    parser.add_argument("--out", type=Path, default=Path("priors.jsonl"))
    parser.add_argument("--limit", type=int, default=10, help="photos of each folder")
    parser.add_argument("--samples", type=int, default=1000, help="variations of each seed")
    parser.add_argument("--long", type=int, default=8000, help="variations of the run that stands for the truth")
    given = parser.parse_args()
    lines = [json.loads(line) for line in given.out.read_text("utf-8").splitlines()] if given.out.exists() else []
    known = {(each["model"], each["photo"]) for each in lines}
    photos = [photo for each in given.photos for photo in find_images([each])[: given.limit]]
    classifier = classifier_of(given.model, torch.device("cpu")) if photos else None
    for photo in photos:
        if classifier is None or (given.model, Path(photo).name) in known:
            continue
        found = measured(classifier, open_image(photo), given.samples, given.long)
        lines.append({"model": given.model, "photo": Path(photo).name, "priors": found})
        with given.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(lines[-1]) + "\n")
    print(f"| prior, {len(lines)} photos: mean (least) | {' | '.join(FIGURES)} |\n|---|{'--:|' * len(FIGURES)}")
    for name in PRIORS if lines else ():
        rows = np.array([[line["priors"][name][figure] for figure in FIGURES] for line in lines])
        told = [f"{mean:.3f} ({least:.3f})" for mean, least in zip(rows.mean(0), rows.min(0), strict=True)]
        print(f"| {name} | {' | '.join(told)} |")


if __name__ == "__main__":
    main()
