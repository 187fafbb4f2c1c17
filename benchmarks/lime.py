"""LIME against the lime package: how long it takes, and how far explanations of one photo agree from seed to seed."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import torch
from benchmarks._networks import MODELS, classifier_of
from benchmarks._processes import answer, contestant, take_turns_apart
from benchmarks._timing import Timing, machine, write_section
from scipy.stats import spearmanr

from seewhy import Classifier, Image, Target, find_method, open_image
from seewhy.engines import segment
from seewhy.methods.regions import seen_pixels

PHOTO, SAMPLES, FEW, TOP, SEEDS = "sample:cat", 1000, 200, 5, 5
PACKAGE = "lime"
BATCH = 10  # the package's own

ABOUT = f"""\
## LIME

One photo ({PHOTO}), its likeliest class, the same regions (quickshift as LIME sets it). Each contestant is a process of
its own, with the allocator as it comes; every round has another seed.

- *{PACKAGE}*: the package, {SAMPLES:,} variations in its batches of {BATCH}, the network as it was loaded.
- *lime-classic*: the same number of the same kind of variations and the same model of them, by seewhy, which chooses
  batch size and precision. **Wanted: 3 times as fast, where it may use bfloat16.**
- *lime*, {SAMPLES:,} and {FEW}: seewhy's own form with so many variations at most. **Wanted of {FEW}: as steady as the
  package, 8 times as fast; of {SAMPLES:,}: Spearman of 0.97 and Jaccard of 0.75.**
- *package ÷ it*: median over rounds of how many times as long the package takes, with quartiles.
- *Spearman* is the rank correlation of all weights and *Jaccard* the overlap of the {TOP} largest, means over pairs of
  seeds. *Error ÷ spread* is the root mean square of the standard errors that are told over that of how far seeds
  really differ: 1 is honest. seewhy's own form explains log-odds and chooses how much it keeps, the package keeps
  half and explains the probability: another question, and part of why the first is steadier.
"""


def main(device: torch.device, budget: float) -> None:
    """Measure, and write the section `lime` of the results; `budget` is in seconds a network."""
    rows = [row for model in MODELS for row in _rows(model, device, budget)]
    head = (
        "| network | | forwards | seconds | package ÷ it | Spearman | Jaccard | error ÷ spread |\n"
        "|---|---|--:|--:|--:|--:|--:|--:|"
    )
    write_section("lime", "\n".join([ABOUT, machine(device), "", head, *rows]))


def _rows(model: str, device: torch.device, budget: float) -> list[str]:
    options = [model, str(device), str(torch.get_num_threads())]
    timing, found = take_turns_apart(
        {name: ["benchmarks.lime", name, *options] for name in CONTESTANTS}, budget, rounds=SEEDS
    )
    return [_row(model, name, timing, found[name]) for name in CONTESTANTS]


def _row(model: str, name: str, timing: Timing, runs: Sequence[Mapping[str, Any]]) -> str:
    weights = np.array([run["weights"] for run in runs])
    forwards = f"{np.mean([run['forwards'] for run in runs]):,.0f}"
    cells = [model, name, forwards, f"{timing.milliseconds(name) / 1000:.1f}", timing.ratio(PACKAGE, name)]
    return f"| {' | '.join([*cells, f'{_spearman(weights):.3f}', f'{_jaccard(weights):.2f}', _honesty(runs)])} |"


def _spearman(weights: np.ndarray) -> float:
    return float(np.mean([spearmanr(*pair).statistic for pair in combinations(weights, 2)]))


def _jaccard(weights: np.ndarray) -> float:
    tops = [set(np.argsort(-each)[:TOP].tolist()) for each in weights]
    return float(np.mean([len(first & second) / len(first | second) for first, second in combinations(tops, 2)]))


def _honesty(runs: Sequence[Mapping[str, Any]]) -> str:
    if not runs[0]["errors"]:
        return "–"
    spread = np.array([run["weights"] for run in runs]).var(0, ddof=1).mean()
    return f"{np.sqrt(np.square([run['errors'] for run in runs]).mean() / spread):.2f}"


# --- The contestants ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """One photo, one class and its regions."""

    classifier: Classifier
    image: Image
    target: int
    labels: np.ndarray

    @classmethod
    def of(cls, model: str, device: torch.device) -> Task:
        """The likeliest class, and regions as LIME cuts them."""
        classifier, image = classifier_of(model, device), open_image(PHOTO)
        target = int(classifier.probabilities([image])[0].argmax())
        return cls(classifier, image, target, segment(seen_pixels(classifier.preprocessing.pixels([image])[0])))


def _seewhy(task: Task, method: str, samples: int, seed: int) -> dict[str, Any]:
    explain = find_method(method, regions=task.labels, samples=samples)
    generator = torch.Generator().manual_seed(seed)
    (found,) = explain(task.classifier, [task.image], [[Target(task.target)]], generator=generator)
    weights, errors = found.regions.weights.tolist(), found.regions.errors.tolist()
    return {"weights": weights, "errors": errors, "forwards": found.cost.forwards}


def _package(task: Task, seed: int) -> dict[str, Any]:
    from lime.lime_image import LimeImageExplainer

    def probabilities(pictures: np.ndarray) -> np.ndarray:
        pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2).float().to(task.classifier.device)
        with torch.inference_mode():
            return task.classifier.logits(task.classifier.preprocessing.normalize(pixels)).softmax(1).cpu().numpy()

    with redirect_stderr(io.StringIO()):  # its progress bar
        found = LimeImageExplainer(random_state=seed).explain_instance(
            seen_pixels(task.classifier, task.image),
            probabilities,
            labels=(task.target,),
            top_labels=None,
            num_samples=SAMPLES,
            batch_size=BATCH,
            segmentation_fn=lambda _: task.labels,
            random_seed=seed,
        )
    weights = dict(found.local_exp[task.target])
    return {"weights": [weights[region] for region in range(len(weights))], "errors": [], "forwards": SAMPLES}


CONTESTANTS: dict[str, Callable[[Task, int], dict[str, Any]]] = {
    PACKAGE: _package,
    "lime-classic": lambda task, seed: _seewhy(task, "lime-classic", SAMPLES, seed),
    f"lime, {SAMPLES:,}": lambda task, seed: _seewhy(task, "lime", SAMPLES, seed),
    f"lime, {FEW:,}": lambda task, seed: _seewhy(task, "lime", FEW, seed),
}


def _contestant() -> None:
    given = contestant("benchmarks.lime", name=CONTESTANTS, model=MODELS)
    task = Task.of(given.model, given.device)
    answer(lambda seed: CONTESTANTS[given.name](task, seed), given.device)


if __name__ == "__main__":
    _contestant()
