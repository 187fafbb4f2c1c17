"""Expected gradients against shap's GradientExplainer: how near a number of gradients comes to the truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from benchmarks._networks import MODELS, classifier_of
from benchmarks._photos import about, photos
from benchmarks._timing import machine, quartiles, write_section

from seewhy import Classifier, Image, Target, find_method, open_image
from seewhy.engines import Images

SAMPLES = ("sample:rocket", "sample:coffee", "sample:cat", "sample:astronaut")
PHOTOS = 10
POSITIONS, ASKED, SEEDS = 128, 200, 2
BATCH = 16
COUNTS = (ASKED, ASKED // 2, ASKED // 3)

ABOUT = f"""\
## Expected gradients

How far maps of the likeliest class are from the truth: root mean square over pixels, relative to that of the truth,
mean over {SEEDS} seeds, against the sample photos but the one explained. The truth is a loop of its own: the midpoint
rule at {POSITIONS} positions of every background. Median over photos and quartiles; in brackets: divided by shap's with
{ASKED} on the same photo, median and worst.
**Wanted: no more than 1 with a third of the samples.**
"""


def main(device: torch.device, budget: float) -> None:  # noqa: ARG001
    """Measure, and write the section `expected_gradients` of the results, however long it takes."""
    chosen = photos(PHOTOS)
    rows = [_row(model, device, chosen) for model in MODELS]
    names = [f"shap, {ASKED}", *(f"seewhy, {count}" for count in COUNTS)]
    head = f"| network | photos | {' | '.join(names)} |\n|---|---|{'--:|' * len(names)}"
    write_section("expected_gradients", "\n".join([ABOUT, machine(device), "", head, *rows]))


def _row(model: str, device: torch.device, chosen: Sequence[str]) -> str:
    classifier = classifier_of(model, device)
    errors = np.array([_errors(classifier, photo) for photo in chosen])
    shares = errors / errors[:, :1]
    cells = [_cell(own, share) for own, share in zip(errors.T, shares.T, strict=True)]
    return f"| {model} | {about(chosen)} | {' | '.join(cells)} |"


def _cell(errors: np.ndarray, shares: np.ndarray) -> str:
    low, middle, high = quartiles(errors.tolist())
    return f"{middle:.3f}, {low:.3f}–{high:.3f} ({np.median(shares):.2f}, {shares.max():.2f})"


def _errors(classifier: Classifier, photo: str) -> list[float]:
    """Of shap, and of seewhy with each of `COUNTS`."""
    image = open_image(photo)
    others = [open_image(each) for each in SAMPLES if each != photo]
    target = int(classifier.probabilities([image])[0].argmax())
    truth = _truth(classifier, image, others, target)
    runs: list[Callable[[int], np.ndarray]] = [lambda seed: _shap(classifier, image, others, target, seed)]
    runs += [lambda seed, count=count: _seewhy(classifier, image, others, target, count, seed) for count in COUNTS]
    return [float(np.mean([_distance(run(seed), truth) for seed in range(SEEDS)])) for run in runs]


def _distance(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.sqrt(np.square(found - truth).mean() / np.square(truth).mean()))


def _truth(classifier: Classifier, image: Image, others: list[Image], target: int) -> np.ndarray:
    """Float64 `(h, w)`: the mean over backgrounds of integrated gradients."""
    x, backgrounds = classifier.preprocess([image]), _backgrounds(classifier, image, others)
    found = torch.zeros_like(x[0], dtype=torch.float64)
    for other in backgrounds:
        for part in ((torch.arange(POSITIONS) + 0.5) / POSITIONS).split(BATCH):
            points = (other + part.to(x)[:, None, None, None] * (x - other)).requires_grad_()
            (slopes,) = torch.autograd.grad(classifier.logits(points)[:, target].sum(), points)
            found += (slopes.sum(0) * (x[0] - other)).double() / POSITIONS
    return (found / len(backgrounds)).sum(0).cpu().numpy()


def _seewhy(
    classifier: Classifier, image: Image, others: list[Image], target: int, samples: int, seed: int
) -> np.ndarray:
    method = find_method("expected-gradients", background=Images(tuple(others)), samples=samples, tolerance=0.0)
    generator = torch.Generator().manual_seed(seed)
    return method(classifier, [image], [[Target(target)]], generator=generator)[0].values


def _shap(classifier: Classifier, image: Image, others: list[Image], target: int, seed: int) -> np.ndarray:
    import shap

    explainer = shap.GradientExplainer(classifier.module.eval(), _backgrounds(classifier, image, others))
    x = classifier.preprocess([image])
    found, classes = explainer.shap_values(x, nsamples=ASKED, ranked_outputs=1, rseed=seed)
    if int(classes[0, 0]) != target:
        raise SystemExit("shap explains another class")
    return np.asarray(found)[0, ..., 0].sum(0)


def _backgrounds(classifier: Classifier, image: Image, others: list[Image]) -> torch.Tensor:
    """Network inputs `(n, C, h, w)`."""
    background = Images(tuple(others)).prepare(_pixels(classifier, image), None, torch.Generator())
    count = background.alternatives
    pixels = background(torch.zeros((count, *_pixels(classifier, image).shape[1:])), torch.arange(count))
    return classifier.preprocessing.normalize(pixels)


def _pixels(classifier: Classifier, image: Image) -> torch.Tensor:
    return classifier.preprocessing.pixels([image])[0]
