"""LIME against the lime package: how far explanations of one photo agree from seed to seed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from benchmarks._timing import machine, write_section
from scipy.stats import spearmanr

from seewhy import Classifier, Image, Target, find_method, load, open_image
from seewhy.explainers.region_method import seen_pixels
from seewhy.explainers.regions import segment

MODEL, PHOTO = "bundled:efficientnet-lite0", "sample:cat"
SEEDS, FEWEST_SEEDS, SAMPLES, TOP = 5, 2, 1000, 5

ABOUT = f"""\
## LIME: from seed to seed

The weights of the same regions (quickshift as LIME sets it) of one photo ({PHOTO}) and its likeliest class,
{MODEL}, at most {SAMPLES:,} variations each. *Spearman* is the rank correlation of all weights and *Jaccard* the
overlap of the {TOP} largest (of the {TOP} strongest, whatever their sign, in brackets), each the mean over pairs of
seeds. **Wanted: 0.97 and 0.75.** *Error ÷ spread* is the root mean square of the standard errors that are told over
that of how far seeds really differ: 1 is honest. seewhy explains the log-probability, keeping 90 % of the regions,
the package the probability, keeping half: a nearer neighbourhood, which is another question and why it is steadier.
"""


@dataclass(frozen=True)
class Run:
    """Weights `(d,)` of one seed, with their standard errors if they are told."""

    weights: np.ndarray
    errors: np.ndarray | None
    forwards: int


@dataclass(frozen=True)
class Task:
    """One photo, one class and its regions."""

    classifier: Classifier
    image: Image
    target: int
    labels: np.ndarray

    @classmethod
    def on(cls, device: torch.device) -> Task:
        """The likeliest class, and regions as LIME cuts them."""
        classifier, image = load(MODEL, device=str(device)), open_image(PHOTO)
        target = int(classifier.probabilities([image])[0].argmax())
        return cls(classifier, image, target, segment(seen_pixels(classifier, image)))


def main(device: torch.device, budget: float) -> None:
    """Measure, and write the section `lime_stability` of the results; `budget` is in seconds a row."""
    task = Task.on(device)
    rows = [_row(name, lambda seed, run=run: run(task, seed), budget) for name, run in CONTESTANTS.items()]
    head = "| | seeds | forwards | Spearman | Jaccard | error ÷ spread |\n|---|--:|--:|--:|--:|--:|"
    write_section("lime_stability", "\n".join([ABOUT, machine(device), "", head, *rows]))


def _row(name: str, run: Callable[[int], Run], budget: float) -> str:
    runs: list[Run] = []
    end = time.perf_counter() + budget
    while len(runs) < SEEDS and (len(runs) < FEWEST_SEEDS or time.perf_counter() < end):
        runs.append(run(len(runs)))
    weights = np.stack([each.weights for each in runs])
    forwards = np.mean([each.forwards for each in runs])
    jaccard = f"{_jaccard(weights):.2f} ({_jaccard(np.abs(weights)):.2f})"
    return f"| {name} | {len(runs)} | {forwards:,.0f} | {_spearman(weights):.3f} | {jaccard} | {_honesty(runs)} |"


def _spearman(weights: np.ndarray) -> float:
    return float(np.mean([spearmanr(*pair).statistic for pair in combinations(weights, 2)]))


def _jaccard(weights: np.ndarray) -> float:
    tops = [set(np.argsort(-each)[:TOP].tolist()) for each in weights]
    return float(np.mean([len(first & second) / len(first | second) for first, second in combinations(tops, 2)]))


def _honesty(runs: list[Run]) -> str:
    errors = [run.errors for run in runs if run.errors is not None]
    if not errors:
        return "–"
    spread = np.stack([run.weights for run in runs]).var(0, ddof=1).mean()
    return f"{np.sqrt(np.square(errors).mean() / spread):.2f}"


# --- The contestants ----------------------------------------------------------------------------------------------


def _seewhy(task: Task, seed: int) -> Run:
    method = find_method("lime", regions=task.labels, samples=SAMPLES)
    generator = torch.Generator().manual_seed(seed)
    (found,) = method(task.classifier, [task.image], [[Target(task.target)]], generator=generator)
    return Run(found.regions.weights, found.regions.errors, found.cost.forwards)


def _package(task: Task, seed: int) -> Run:
    from lime.lime_image import LimeImageExplainer

    def probabilities(pictures: np.ndarray) -> np.ndarray:
        pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2).float().to(task.classifier.device)
        with torch.inference_mode():
            return task.classifier.logits(task.classifier.preprocessing.normalize(pixels)).softmax(1).cpu().numpy()

    found = LimeImageExplainer(random_state=seed).explain_instance(
        seen_pixels(task.classifier, task.image),
        probabilities,
        labels=(task.target,),
        top_labels=None,
        num_samples=SAMPLES,
        batch_size=32,
        segmentation_fn=lambda _: task.labels,
        random_seed=0,
    )
    weights = dict(found.local_exp[task.target])
    return Run(np.array([weights[region] for region in range(len(weights))]), None, SAMPLES)


CONTESTANTS = {"seewhy": _seewhy, "lime": _package}
