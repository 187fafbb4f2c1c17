"""What half precision does to a sampled estimate: a linear model of regions from the same variations in both."""

from __future__ import annotations

import numpy as np
import torch
from benchmarks._networks import MODELS, classifier_of
from benchmarks._timing import machine, write_section
from torch import Tensor

from seewhy import Classifier, Image, open_image
from seewhy.engines import MaskedForward
from seewhy.engines.inference import Precision
from seewhy.methods.regions import cut, seen_pixels
from seewhy.methods.surrogate import fit

PHOTO, CLASSES, SAMPLES, KEPT = "sample:coffee", 3, 1000, 0.9

ABOUT = """\
## Half precision in a sampled estimate

A linear model of the regions for the {classes} likeliest classes, from the same {samples} variations in float32 and in
bfloat16, of which each hides a tenth of the regions.
*variance* is what rounding adds to the variance of sampling; *bias²* what does not average out: the squared mean
difference of the weights that chance does not explain. Both are shares of the sampling variance.
"""


def main(device: torch.device, _: float) -> None:
    """Measure, and write the section `rounding` of the results; it takes as long as it takes."""
    image = open_image(PHOTO)
    lines = [ABOUT.format(classes=CLASSES, samples=SAMPLES), machine(device), ""]
    lines += ["| network | gap | class | variance | bias² |", "|---|--:|--:|--:|--:|"]
    for model in MODELS:
        lines += [f"| {model} | {row}" for row in rows(classifier_of(model, device), image, SAMPLES)]
    write_section("rounding", "\n".join(lines))


def rows(classifier: Classifier, image: Image, samples: int) -> list[str]:
    """A row for each class: the engine's own gap, and the shares."""
    labels = cut(seen_pixels(classifier.preprocessing.pixels([image])[0]), "quickshift")
    regions = int(labels.max()) + 1
    coalitions = torch.rand((samples, regions), generator=torch.Generator().manual_seed(0)) < KEPT
    exact, _ = _scores(classifier, image, labels, coalitions, "float32")
    half, gap = _scores(classifier, image, labels, coalitions, "bfloat16")
    return [
        f"{gap:.3f} | {place + 1} | {' | '.join(f'{share:.3f}' for share in shares(coalitions, *both))} |"
        for place, both in enumerate(zip(exact.T, (half - exact).T, strict=True))
    ]


def shares(coalitions: Tensor, scores: Tensor, rounded: Tensor) -> tuple[float, float]:
    """Variance and squared bias that rounding adds to a linear model's weights, as shares of their variance."""
    hidden = (~coalitions).double()
    own, wrong = fit(hidden, scores), fit(hidden, rounded)
    sampling = own.errors.square().mean()
    bias = (wrong.weights.square() - wrong.errors.square()).mean().clamp(min=0)
    return float(wrong.errors.square().mean() / sampling), float(bias / sampling)


def _scores(
    classifier: Classifier, image: Image, labels: np.ndarray, coalitions: Tensor, precision: Precision
) -> tuple[Tensor, float]:
    """Float64 log-probabilities `(n, CLASSES)` of the likeliest classes, and the engine's gap."""
    generator = torch.Generator().manual_seed(0)
    engine = MaskedForward(classifier, image, labels=labels, generator=generator, precision=precision)
    head = classifier.head
    likeliest = head.likeliest(engine.logits, CLASSES)
    found = head.log_probabilities(engine(coalitions))[:, likeliest].double()
    return found, engine.checks.get("precision_gap", 0.0)
