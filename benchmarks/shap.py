"""Kernel and partition SHAP: how much sooner they come as near to the truth as captum's and shap's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from benchmarks._networks import MODELS, classifier_of
from benchmarks._photos import about, photos
from benchmarks._processes import answer, contestant, take_turns_apart
from benchmarks._timing import machine, quartiles, write_section
from torch import Tensor

from seewhy import Classifier, Image, Target, find_method, open_image
from seewhy.engines import MaskedForward, find_fill, segment
from seewhy.methods.owen import Block, owen_values
from seewhy.methods.regions import seen_pixels
from seewhy.methods.shapley_values import exact_shapley, kernel_shapley

KERNEL, PARTITION = "Kernel SHAP", "Partition SHAP"
FILLS = {KERNEL: "region-mean", PARTITION: "blur"}
PEERS = {KERNEL: ("captum", "shap"), PARTITION: ("shap",)}
OURS = "seewhy"
EVALUATIONS = (200, 400, 1000)  # of the peers; seconds are taken of the first
RUNGS = (48, 64, 80, 100, 120, 150, 180, 220, 280, 360, 460, 600, 800, 1000)  # of ours
REGIONS = "slic:10"  # so few that every coalition can be asked
CELLS = 8  # a side: 64 blocks, whose Owen values 2,730 evaluations tell exactly
PHOTOS, LEAST_PHOTOS, SEEDS, ROUNDS = 10, 3, 3, 3
EXACT = 1e-3  # of the truth: nearer to it is as good as equal
BATCH = 32  # of the peers: as good as any on a CPU; ours finds its own
ABOUT = f"""\
## SHAP

How much longer a peer takes than seewhy for an explanation that is as near to the truth, for the likeliest class of
{{photos}}, as many as fit in the time. **Wanted: 6 at least.**

- *Kernel SHAP* over the same regions ({REGIONS}) with the same fill; the truth are their Shapley values from all
  coalitions. Peers: captum's `KernelShap` and shap's `KernelExplainer`. Errors are means over {SEEDS} seeds.
- *Partition SHAP* down to pixels with the same blurred picture as fill; the truth are the Owen values of
  {CELLS} × {CELLS} blocks, from all coalitions that they depend on. Peer: shap's `PartitionExplainer`, its masker
  made beforehand.
- *error*: the distance to the truth relative to its own length, by region or block; median over photos of the peer's
  with {EVALUATIONS[0]} evaluations.
- *evaluations*: the fewest, among {len(RUNGS)} numbers, from which on seewhy is no further from the truth than the peer
  with {", ".join(f"{each:,}" for each in EVALUATIONS)}; medians over photos.
- *seconds*: the peer with {EVALUATIONS[0]} evaluations, and seewhy with as many as it needs for that; each in a process
  of its own. The peers ask {BATCH} pictures at once, in float32, of the network as it was loaded; seewhy chooses batch
  and precision itself, and its time includes that.
- *time at equal error*: peer ÷ seewhy by photo: median, quartiles, and the worst; 0 where seewhy needs more than
  {RUNGS[-1]:,}. Errors below {EXACT:g} are none.
"""
HEAD = """\
| method | network | photos | peer | error | evaluations | seconds | time at equal error |
|---|---|--:|---|--:|--:|--:|--:|"""

Game = Callable[[Tensor], Tensor]  # bool coalitions (n, d) to scores (n,)


@dataclass(frozen=True)
class Task:
    """One photo, one class, and what hides its parts: all that the contestants have in common."""

    classifier: Classifier
    image: Image
    target: int
    labels: np.ndarray
    fill: str

    @classmethod
    def of(cls, what: str, classifier: Classifier, photo: str) -> Task:
        """What the network finds likeliest on the photo; regions, or pixels."""
        image = open_image(photo)
        pixels = classifier.preprocessing.pixels([image])[0]
        target = int(classifier.probabilities([image])[0].argmax())
        height, width = pixels.shape[1:]
        by_pixels = np.arange(height * width).reshape(height, width)
        labels = segment(seen_pixels(pixels), REGIONS) if what == KERNEL else by_pixels
        return cls(classifier, image, target, labels, FILLS[what])

    def game(self) -> tuple[Game, int]:
        """The score of the class by coalition from the fast copy, none asked twice, and the number of regions."""
        generator = torch.Generator().manual_seed(0)
        engine = MaskedForward(self.classifier, self.image, self.fill, labels=self.labels, generator=generator)
        engine.expected = 2**12  # so that it gets itself compiled
        return lambda coalitions: engine(coalitions)[:, self.target].double(), engine.regions

    def sides(self) -> tuple[Tensor, Tensor]:
        """The network's input `(1, C, h, w)`, and the one with everything hidden."""
        device = self.classifier.device
        pixels = self.classifier.preprocessing.pixels([self.image])[0].to(device)
        regions = torch.from_numpy(self.labels).to(device).long()
        filler = find_fill(self.fill).prepare(pixels, regions, torch.Generator().manual_seed(0))
        nothing = torch.zeros((1, *self.labels.shape), dtype=torch.bool, device=device)
        hidden = filler(nothing, torch.zeros(1, dtype=torch.int64, device=device))
        x, fill = (self.classifier.preprocessing.normalize(each) for each in (pixels[None], hidden))
        return x, fill

    def network(self, x: Tensor) -> np.ndarray:
        """The class's scores, by the network as it was loaded."""
        with torch.no_grad():
            return self.classifier.logits(x)[:, self.target].cpu().numpy()


def main(device: torch.device, budget: float) -> None:
    """Measure, and write the section `shap` of the results; `budget` is in seconds for the errors of a row."""
    chosen = photos(PHOTOS)
    rows = [row for model in MODELS for what in PEERS for row in _rows(what, model, device, budget, chosen)]
    write_section("shap", "\n".join([ABOUT.format(photos=about(chosen)), machine(device), "", HEAD, *rows]))


def _rows(what: str, model: str, device: torch.device, budget: float, chosen: Sequence[str]) -> Iterator[str]:
    classifier = classifier_of(model, device)
    found, end = list[dict[str, list[float]]](), time.perf_counter() + budget
    for photo in chosen:
        if time.perf_counter() > end and len(found) >= LEAST_PHOTOS:
            break
        found.append(ERRORS[what](Task.of(what, classifier, photo)))
    ours = np.array([each[OURS] for each in found])
    theirs = {peer: np.array([each[peer] for each in found]) for peer in PEERS[what]}
    needed = {peer: np.array([enough(*each) for each in zip(ours, theirs[peer], strict=True)]) for peer in PEERS[what]}
    seconds = _seconds(what, model, device, chosen[0], np.stack([each[:, 0] for each in needed.values()]))
    for peer in PEERS[what]:
        reached = np.isfinite(needed[peer][:, 0])
        own = seconds[OURS](np.minimum(needed[peer][:, 0], RUNGS[-1]))
        cells = [what, model, str(len(found)), peer, f"{np.median(theirs[peer][:, 0]):.3f}", _numbers(needed[peer])]
        cells += [
            f"{seconds[peer]:.1f}, {_at_least(own, reached)}",
            _spread(np.where(reached, seconds[peer] / own, 0.0)),
        ]
        yield f"| {' | '.join(cells)} |"


def enough(ours: np.ndarray, theirs: np.ndarray) -> list[float]:
    """For each of the peer's errors the rung from which on ours are none larger; infinite where there is none."""
    worse = ours[None] > np.maximum(theirs, EXACT)[:, None]
    first = np.where(worse.any(1), len(RUNGS) - worse[:, ::-1].argmax(1), 0)
    return [float((*RUNGS, np.inf)[rung]) for rung in first]


def _numbers(needed: np.ndarray) -> str:
    return ", ".join(f"{each:,.0f}" if np.isfinite(each) else f"> {RUNGS[-1]:,}" for each in np.median(needed, 0))


def _at_least(seconds: np.ndarray, reached: np.ndarray) -> str:
    """The median; where most photos took more than the most that was asked, it is said to be more."""
    return f"{'' if np.mean(reached) > 1 / 2 else '> '}{np.median(seconds):.1f}"


def _spread(ratios: np.ndarray) -> str:
    low, middle, high = quartiles(ratios.tolist())
    return f"{middle:.1f} ({low:.1f}–{high:.1f}; {ratios.min():.1f})"


def _seconds(what: str, model: str, device: torch.device, photo: str, needed: np.ndarray) -> dict[str, Any]:
    """Median seconds of each peer; of ours by evaluations, taken at the fewest and at the most that are `needed`."""
    wanted = np.minimum(needed, RUNGS[-1])
    ends = sorted({int(wanted.min()), int(wanted.max())})
    options = [photo, str(device), str(torch.get_num_threads())]
    runs = {peer: (peer, EVALUATIONS[0]) for peer in PEERS[what]} | {f"{OURS} {each}": (OURS, each) for each in ends}
    commands = {
        label: ["benchmarks.shap", what, name, model, str(count), *options] for label, (name, count) in runs.items()
    }
    timing, _ = take_turns_apart(commands, 0, rounds=ROUNDS)
    median = {name: timing.milliseconds(name) / 1000 for name in runs}
    slope = (median[f"{OURS} {ends[-1]}"] - median[f"{OURS} {ends[0]}"]) / max(ends[-1] - ends[0], 1)
    return median | {OURS: lambda count: median[f"{OURS} {ends[0]}"] + slope * (count - ends[0])}


# --- Errors, from answers of the fast copy ------------------------------------------------------------------------


def _kernel_errors(task: Task) -> dict[str, list[float]]:
    game, regions = task.game()
    truth = exact_shapley(game, regions).values.numpy()

    def mean_error(run: Callable[[int], np.ndarray]) -> float:
        return float(np.mean([_distance(run(seed), truth) for seed in range(SEEDS)]))

    def ours(samples: int, seed: int) -> np.ndarray:
        return kernel_shapley(game, regions, samples, torch.Generator().manual_seed(seed)).values.numpy()

    found = {OURS: [mean_error(lambda seed, count=count: ours(max(count, 4 * regions), seed)) for count in RUNGS]}
    for peer, run in (("captum", _kernel_captum_game), ("shap", _kernel_shap_game)):
        found[peer] = [mean_error(lambda seed, n=n, run=run: run(game, regions, n, seed)) for n in EVALUATIONS]
    return found


def _kernel_captum_game(game: Game, regions: int, evaluations: int, seed: int) -> np.ndarray:
    from captum.attr import KernelShap

    torch.manual_seed(seed)
    inputs = torch.ones(1, regions)
    explainer: Any = KernelShap(lambda rows: game(rows > 0))
    found = explainer.attribute(inputs, 0 * inputs, n_samples=evaluations, perturbations_per_eval=evaluations)
    return found[0].double().numpy()


def _kernel_shap_game(game: Game, regions: int, evaluations: int, seed: int) -> np.ndarray:
    return _kernel_explainer(lambda rows: game(torch.from_numpy(rows) > 0).numpy(), regions, evaluations, seed)


def _kernel_explainer(
    score: Callable[[np.ndarray], np.ndarray], regions: int, evaluations: int, seed: int
) -> np.ndarray:
    import shap

    np.random.seed(seed)  # noqa: NPY002 - it draws from there
    explainer: Any = shap.KernelExplainer(score, np.zeros((1, regions)))
    return explainer.shap_values(np.ones((1, regions)), nsamples=evaluations - 2, l1_reg=False, silent=True)[0]


def _partition_errors(task: Task) -> dict[str, list[float]]:
    game, regions = task.game()
    pixels = Block(torch.from_numpy(task.labels))
    height, width = task.labels.shape
    rows, columns = (torch.arange(length) * CELLS // length for length in (height, width))
    blocks = (rows[:, None] * CELLS + columns).flatten()
    every = owen_values(
        lambda coalitions: game(coalitions[:, blocks]), Block(torch.arange(CELLS**2).view(CELLS, CELLS)), 2**regions
    )

    def error(values: np.ndarray) -> float:
        return _distance(_cells(values.reshape(height, width)), every.values.numpy())

    return {
        OURS: [error(owen_values(game, pixels, count).values.numpy()) for count in RUNGS],
        "shap": [error(_partition_shap_game(game, height, width, count)) for count in EVALUATIONS],
    }


def _partition_shap_game(game: Game, height: int, width: int, evaluations: int) -> np.ndarray:
    import shap

    def score(pictures: np.ndarray) -> np.ndarray:
        return game(torch.from_numpy(pictures.reshape(len(pictures), -1)) > 0).numpy()

    explainer: Any = shap.PartitionExplainer(score, _masker(height, width))
    picture = np.ones((1, height, width, 1))
    return explainer(picture, max_evals=evaluations, batch_size=BATCH, silent=True).values[0]


@lru_cache
def _masker(height: int, width: int) -> Any:
    import shap

    return shap.maskers.Image(np.zeros((height, width, 1)))


def _distance(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.linalg.norm(found - truth) / np.linalg.norm(truth))


def _cells(values: np.ndarray) -> np.ndarray:
    """Summed up in blocks, row by row."""
    height, width = values.shape
    return values.reshape(CELLS, height // CELLS, CELLS, width // CELLS).sum((1, 3)).flatten()


ERRORS = {KERNEL: _kernel_errors, PARTITION: _partition_errors}


# --- The contestants ----------------------------------------------------------------------------------------------


def _kernel_seewhy(task: Task, evaluations: int) -> Callable[[int], Any]:
    samples = max(evaluations, 4 * (int(task.labels.max()) + 1))
    method = find_method("kernel-shap", regions=task.labels, fill=task.fill, samples=samples, tolerance=0.0)
    return lambda seed: _explain(task, method, seed)


def _partition_seewhy(task: Task, evaluations: int) -> Callable[[int], Any]:
    method = find_method("partition-shap", fill=task.fill, samples=evaluations)
    return lambda seed: _explain(task, method, seed)


def _explain(task: Task, method: Any, seed: int) -> float:
    generator = torch.Generator().manual_seed(seed)
    (found,) = method(task.classifier, [task.image], [[Target(task.target)]], generator=generator)
    return float(found.values.sum())


def _kernel_captum(task: Task, evaluations: int) -> Callable[[int], Any]:
    from captum.attr import KernelShap

    x, hidden = task.sides()
    explainer: Any = KernelShap(task.classifier.logits)
    regions = torch.from_numpy(task.labels).to(x.device).long()[None, None]

    def run(seed: int) -> float:
        torch.manual_seed(seed)
        options = {"n_samples": evaluations, "perturbations_per_eval": BATCH}
        return float(explainer.attribute(x, hidden, task.target, None, regions, **options).sum())

    return run


def _kernel_shap(task: Task, evaluations: int) -> Callable[[int], Any]:
    x, hidden = task.sides()
    labels = torch.from_numpy(task.labels).to(x.device).long()

    def score(rows: np.ndarray) -> np.ndarray:
        shown = (torch.from_numpy(rows) > 0).to(x.device)
        parts = [torch.where(part[:, labels][:, None], x, hidden) for part in shown.split(BATCH)]
        return np.concatenate([task.network(part) for part in parts])

    return lambda seed: float(_kernel_explainer(score, int(labels.max()) + 1, evaluations, seed).sum())


def _partition_shap(task: Task, evaluations: int) -> Callable[[int], Any]:
    import shap

    picture, hidden = (each[0].permute(1, 2, 0).cpu().numpy() for each in task.sides())

    def score(pictures: np.ndarray) -> np.ndarray:
        return task.network(torch.from_numpy(pictures).to(task.classifier.device).permute(0, 3, 1, 2))

    explainer: Any = shap.PartitionExplainer(score, shap.maskers.Image(hidden))
    options = {"max_evals": evaluations, "batch_size": BATCH, "silent": True}
    return lambda _: float(explainer(picture[None], **options).values.sum())


CONTESTANTS = {
    (KERNEL, OURS): _kernel_seewhy,
    (KERNEL, "captum"): _kernel_captum,
    (KERNEL, "shap"): _kernel_shap,
    (PARTITION, OURS): _partition_seewhy,
    (PARTITION, "shap"): _partition_shap,
}


def _contestant() -> None:
    given = contestant("benchmarks.shap", what=PEERS, name=str, model=MODELS, evaluations=int, photo=str)
    task = Task.of(given.what, classifier_of(given.model, given.device), given.photo)
    answer(CONTESTANTS[given.what, given.name](task, given.evaluations), given.device)


if __name__ == "__main__":
    _contestant()
