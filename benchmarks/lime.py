"""LIME against the lime package: how long it takes, and how far explanations of one photo agree from seed to seed."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from statistics import mean
from typing import Any

import numpy as np
import torch
from benchmarks._networks import MODELS, classifier_of
from benchmarks._photos import about, photos
from benchmarks._processes import answer, contestant, take_turns_apart
from benchmarks._steadiness import TOP, agreement, overlap
from benchmarks._timing import Timing, machine, quartiles, write_section

from seewhy import Classifier, Image, Target, find_method, open_image
from seewhy.engines import segment
from seewhy.methods.regions import seen_pixels

SAMPLES, SEEDS, TIMED, STEADY = 1000, 3, 5, 20
PACKAGE, CLASSIC, OURS = "lime, the package", "lime-classic", "lime"
BATCH = 10  # the package's own

ABOUT = f"""\
## LIME

Each photo's likeliest class. *{PACKAGE}* asks {SAMPLES:,} variations in its batches of {BATCH}, of the network as it
was loaded. *{CLASSIC}* asks the same number of the same kind and fits the same model; seewhy chooses back end, batch
and precision. *{OURS}* is seewhy's own form by default: it explains log-odds over many cuts, and stops when it is
settled.

- *seconds*: {{timed}}, one a round, each contestant a process of its own, the first round not counted; median and
  quartiles. *package ÷ it*: the median over rounds of how many times as long the package takes. **Wanted of {OURS}:
  20.**
- *Spearman* and *Jaccard*: the rank correlation of all weights, and the overlap of the {TOP} largest, between {SEEDS}
  seeds; over {{steady}}: median, quartiles and worst. The package's are those of *{CLASSIC}*, which gives its numbers.
  **Wanted of {OURS}: no less than the package's.**
- *Forwards*: mean of one explanation, its least and its most.
"""


def main(device: torch.device, budget: float) -> None:
    """Measure, and write the section `lime` of the results; `budget` is in seconds a network, for the clock alone."""
    timed, steady = photos(TIMED), photos(STEADY)
    timings = {model: _timing(model, device, budget) for model in MODELS}
    print("the clock has been read", flush=True)
    rows = [row for model, timing in timings.items() for row in _rows(model, device, timing)]
    head = "| network | | seconds | package ÷ it | forwards | Spearman | Jaccard |\n|---|---|--:|--:|--:|--:|--:|"
    text = ABOUT.format(timed=about(timed), steady=about(steady))
    write_section("lime", "\n".join([text, machine(device), "", head, *rows]))


def _timing(model: str, device: torch.device, budget: float) -> Timing:
    options = [model, str(device), str(torch.get_num_threads())]
    commands = {name: ["benchmarks.lime", name, *options] for name in CONTESTANTS}
    timing, _ = take_turns_apart(commands, budget, rounds=TIMED, ours=(CLASSIC, OURS))
    return timing


def _rows(model: str, device: torch.device, timing: Timing) -> list[str]:
    classifier = classifier_of(model, device)
    tasks = [Task.of(classifier, photo) for photo in photos(STEADY)]
    return [_row(model, name, timing, [] if name == PACKAGE else _runs(tasks, name)) for name in CONTESTANTS]


def _runs(tasks: Sequence[Task], name: str) -> list[list[Mapping[str, Any]]]:
    """What each seed found, photo by photo."""
    return [[CONTESTANTS[name](task, seed) for seed in range(SEEDS)] for task in tasks]


def _row(model: str, name: str, timing: Timing, runs: Sequence[Sequence[Mapping[str, Any]]]) -> str:
    cells = [model, name, timing.spread(name), timing.ratio(PACKAGE, name)]
    if runs:
        forwards = [run["forwards"] for each in runs for run in each]
        weights = [[np.array(run["weights"]) for run in each] for each in runs]
        cells.append(f"{mean(forwards):,.0f} ({min(forwards):,}–{max(forwards):,})")
        cells += [_spread([agreed(each) for each in weights]) for agreed in (agreement, overlap)]
    else:
        cells += [f"{SAMPLES:,}", f"as *{CLASSIC}*", f"as *{CLASSIC}*"]
    return f"| {' | '.join(cells)} |"


def _spread(values: Sequence[float]) -> str:
    low, middle, high = quartiles(values)
    return f"{middle:.2f} ({low:.2f}–{high:.2f}), worst {min(values):.2f}"


# --- The contestants ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """One photo, one class, what the network sees, and that in regions as the package cuts it."""

    classifier: Classifier
    image: Image
    target: int
    pixels: np.ndarray
    labels: np.ndarray

    @classmethod
    def of(cls, classifier: Classifier, photo: str) -> Task:
        """The likeliest class, and quickshift as LIME sets it."""
        image = open_image(photo)
        target = int(classifier.probabilities([image])[0].argmax())
        pixels = seen_pixels(classifier.preprocessing.pixels([image])[0])
        return cls(classifier, image, target, pixels, segment(pixels, "quickshift"))


def _ours(task: Task, seed: int) -> dict[str, Any]:
    return _seewhy(task, seed, "lime")


def _classic(task: Task, seed: int) -> dict[str, Any]:
    return _seewhy(task, seed, "lime-classic", regions=task.labels, samples=SAMPLES)


def _seewhy(task: Task, seed: int, method: str, **settings: Any) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(seed)
    explain = find_method(method, **settings)
    (found,) = explain(task.classifier, [task.image], [[Target(task.target)]], generator=generator)
    if found.regions is None:
        raise SystemExit(f"{method} tells no regions")
    return {"weights": found.regions.weights.tolist(), "forwards": found.cost.forwards}


def _package(task: Task, seed: int) -> dict[str, Any]:
    from lime.lime_image import LimeImageExplainer

    def probabilities(pictures: np.ndarray) -> np.ndarray:
        pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2).float().to(task.classifier.device)
        with torch.inference_mode():
            return task.classifier.logits(task.classifier.preprocessing.normalize(pixels)).softmax(1).cpu().numpy()

    with redirect_stderr(io.StringIO()):  # its progress bar
        found = LimeImageExplainer(random_state=seed).explain_instance(
            task.pixels,
            probabilities,
            labels=(task.target,),
            top_labels=None,
            num_samples=SAMPLES,
            batch_size=BATCH,
            segmentation_fn=lambda _: task.labels,
            random_seed=seed,
        )
    weights = dict(found.local_exp[task.target])
    return {"weights": [weights[region] for region in range(len(weights))], "forwards": SAMPLES}


CONTESTANTS: dict[str, Callable[[Task, int], dict[str, Any]]] = {PACKAGE: _package, CLASSIC: _classic, OURS: _ours}


def _contestant() -> None:
    given = contestant("benchmarks.lime", name=CONTESTANTS, model=MODELS)
    classifier = classifier_of(given.model, given.device)
    tasks = [Task.of(classifier, photo) for photo in photos(TIMED)]
    answer(lambda seed: CONTESTANTS[given.name](tasks[seed % len(tasks)], seed), given.device)


if __name__ == "__main__":
    _contestant()
