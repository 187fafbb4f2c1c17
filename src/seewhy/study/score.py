"""Explain one picture by some methods and score every map by some metrics: what compare and study do alike."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from seewhy import __version__
from seewhy.core.outcome import blamed
from seewhy.core.progress import Progress, silent
from seewhy.engines.batches import BatchSize
from seewhy.engines.inference import FIXED
from seewhy.errors import Cancelled, SeewhyError
from seewhy.images import Folder, Image, Mask
from seewhy.methods import Explanation, Method
from seewhy.methods.controls import RandomMap
from seewhy.methods.method import Seen, describe
from seewhy.metrics import Context, Map, Metric, Score
from seewhy.metrics.context import Attribution, cell_means, in_cells, spearman
from seewhy.models import Classifier, Target, load
from seewhy.study.plan import Found, Plan, Row, Task, Work, canonical

CHANCE = RandomMap.name  # the control that says what chance gets
PRECISION = "float32"  # half precision is not the same on every machine
BATCH = 16  # from here on float32 convolutions of one image do not depend on their neighbours on a CPU
CELLS = 14
FEW = 12  # pictures: so few are asked more closely, since a paired test over them would see little
RANDOM_MAPS, REDRAWS = 30, 3


@dataclass(frozen=True)
class Scoring:
    """What every picture is asked.

    Attributes:
        methods: methods and controls by their names.
        metrics: what scores each map, in this order.
        target: what is explained; by default the class that the classifier finds likeliest.
        cells: metrics that ask the network see maps as means of so many cells a side, so that areas and single pixels
            compare like with like; 0 leaves maps as they are.
        batch_size: variations in one forward.
        seed: of all randomness.
        random_maps: how many maps drawn by chance are scored beside the random control, where that is asked for.
        redraws: how often a stochastic metric is asked, each time with another seed.
    """

    methods: Mapping[str, Method]
    metrics: Sequence[Metric]
    target: Target | None = None
    cells: int = CELLS
    batch_size: int = BATCH
    seed: int = 0
    random_maps: int = 0
    redraws: int = 1

    def for_pictures(self, count: int) -> Scoring:
        """The same for so many pictures: few are asked more closely, whatever the command."""
        closely = {"random_maps": RANDOM_MAPS, "redraws": REDRAWS} if count <= FEW else {}
        methods = {name: pinned(method, self.batch_size) for name, method in self.methods.items()}
        return replace(self, methods=methods, **closely)

    def draws_of(self, metric: Metric) -> int:
        """How often a metric is asked about the same maps."""
        return self.redraws if metric.stochastic and not metric.settled else 1

    def plan(
        self,
        models: Mapping[str, str],
        images: Mapping[str, str],
        masks: Mapping[str, str],
        threads: int,
        maps: str = "none",
        device: str = "cpu",
    ) -> Plan:
        """The plan for models, pictures and masks with these fingerprints, by their names, on this kind of device."""
        methods = {name: describe(method) for name, method in self.methods.items()}
        metrics = {metric.name: describe(metric) for metric in self.metrics}
        for metric in self.metrics:
            if metric.asks_network:
                metrics[metric.name]["cells"] = self.cells
            if self.random_maps and (asked := describe(metric.for_chance())) != describe(metric):
                metrics[metric.name]["chance"] = asked
            if (draws := self.draws_of(metric)) > 1:
                metrics[metric.name]["redraws"] = draws
        return Plan(
            models=dict(models),
            methods=methods,
            metrics=metrics,
            images=dict(images),
            masks=dict(masks),
            batch_size=self.batch_size,
            precision=PRECISION,
            threads=threads,
            seed=self.seed,
            maps=maps,
            device=device,
            versions=versions(),
        )


def pinned(method: Any, batch_size: int) -> Method:
    """The method without anything it would choose by the machine: everywhere the same batches and precision.

    A precision that was chosen for it stays.
    """
    wanted: dict[str, Any] = {"batch_size": batch_size}
    if getattr(method, "precision", None) == "auto":
        wanted["precision"] = PRECISION
    timed = {name: wanted[name] for name in wanted.keys() & set(method.parameters)}
    return replace(method, **timed) if timed else method


def versions() -> dict[str, str]:
    """What computes, by its name: another version may give other digits."""
    return {"seewhy": __version__, "torch": torch.__version__, "numpy": np.__version__}


def picture_seed(seed: int, image: Image) -> int:
    """The seed for a picture: the same for every method, so that all face the same draws, and wherever it lies."""
    return int.from_bytes(sha256(f"{seed}:{image.sha256}".encode()).digest()[:6])


@dataclass(frozen=True, eq=False)
class Scored:
    """One picture: by method what it found and its rows, a row for each metric; by metric and method all scores.

    `errors` are of methods that failed, or whose maps a metric could not score.
    """

    image: Image
    explanations: Mapping[str, Explanation] = field(default_factory=dict)
    rows: Mapping[str, tuple[Row, ...]] = field(default_factory=dict)
    scores: Mapping[str, Mapping[str, Sequence[Score]]] = field(default_factory=dict)
    errors: Mapping[str, SeewhyError] = field(default_factory=dict)


def score_picture(
    classifier: Classifier,
    image: Image,
    scoring: Scoring,
    mask: Mask | None = None,
    progress: Progress = silent,
) -> Scored:
    """Explain a picture by every method, and score every map by every metric.

    A method that fails has no rows, and takes nothing from the others; where the network fails, all methods do.

    Args:
        classifier: whose decision is explained.
        image: the picture.
        scoring: what is asked.
        mask: where the object is, bool `(h, w)` over what the network sees.
        progress: told after each method and metric.
    """
    try:
        return _score(Seen(classifier, image, scoring.target), mask, scoring, progress)
    except Cancelled:
        raise
    except (SeewhyError, RuntimeError) as error:
        return Scored(image, errors=dict.fromkeys(scoring.methods, blamed(error, image.name)))


def _score(seen: Seen, mask: Mask | None, scoring: Scoring, progress: Progress | None = None) -> Scored:
    classifier, image = seen.classifier, seen.image
    seed = picture_seed(scoring.seed, image)
    total = len(scoring.methods) + len(scoring.metrics)
    found: dict[str, Explanation] = {}
    errors: dict[str, SeewhyError] = {}
    with fixed_batches(classifier, scoring.batch_size):
        for done, (name, method) in enumerate(scoring.methods.items()):
            if progress:
                progress(done, total, name)
            try:
                found[name] = seen.explained(method, seed)
            except Cancelled:
                raise
            except (SeewhyError, RuntimeError) as error:
                errors[name] = blamed(error, image.name)
        bench = _Maps(seen, mask, found, scoring, seed)
        scores: dict[str, dict[str, Sequence[Score]]] = {}
        answers: dict[str, _Answer] = {}
        for done, metric in enumerate(scoring.metrics, start=len(scoring.methods)):
            if progress:
                progress(done, total, metric.title)
            answers[metric.name] = answer = bench.scores(metric)
            scores[metric.name] = dict(zip(found, answer.scores, strict=True))
            failed = zip(found, answer.errors, strict=True)
            errors |= {name: error for name, error in failed if error and name not in errors}
    if progress:
        progress(total, total, "done")
    apart = distances({name: found[name].values for name in found if scoring.methods[name].kind != "control"})
    rows = {
        name: tuple(
            {
                **_row(metric, scores[metric.name][name], answers[metric.name].beside[number]),
                "chance": canonical(chance) if (chance := answers[metric.name].chance) and name == CHANCE else None,
                **about(explanation),
                "apart": apart.get(name),
            }
            for metric in scoring.metrics
        )
        for number, (name, explanation) in enumerate(found.items())
    }
    return Scored(image, found, rows, scores, errors)


def study_work(scoring: Scoring, folder: Folder, weights: Mapping[str, Path], device: str, maps: str) -> Work:
    """What workers do with a task of a study; it travels to them once, so paths have to be theirs, too."""
    tasks = _Tasks(scoring, folder, weights, device)
    return Work(tasks.prepare, tasks.score, maps)


class _Tasks:
    """Scores task after task: one picture by all methods, which share what they ask of the network."""

    def __init__(self, scoring: Scoring, folder: Folder, weights: Mapping[str, Path], device: str) -> None:
        self._scoring, self._folder, self._weights, self._device = scoring, folder, weights, device

    def prepare(self, model: str) -> Classifier:
        return load(model, self._weights.get(model), self._device)

    def score(self, classifier: Classifier, task: Task) -> dict[str, Found]:
        """A row for each metric, and the map, of each method."""
        image, mask = self._folder.masked(self._folder.named[task.image])
        area = None if mask is None else classifier.preprocessing.mask(mask)
        asked = replace(self._scoring, methods={name: self._scoring.methods[name] for name in task.methods})
        # Nothing of other pictures is at hand: the last digits of a batch hang on what is asked with it.
        scored = _score(Seen(classifier, image, asked.target), area, asked)
        return {
            name: Found(error=scored.errors[name])
            if name in scored.errors
            else Found(scored.rows[name], scored.explanations[name].values)
            for name in task.methods
        }


def distances(maps: Mapping[str, np.ndarray]) -> dict[str, float]:
    """How far each map is from the others: the mean of 1 − the rank correlation of their cells. One alone has none."""
    cells = {name: cell_means(values, CELLS) for name, values in maps.items()}
    gaps = {pair: 1 - spearman(cells[pair[0]], cells[pair[1]]) for pair in combinations(cells, 2)}
    found = {name: [gap for pair, gap in gaps.items() if name in pair] for name in cells}
    return {name: float(np.mean(each)) for name, each in found.items() if each}


class _Answer(NamedTuple):
    """What a metric says of maps: of each its scores, several of a stochastic metric, and its error.

    `chance` is what random maps score, and `beside` what each map scores by the same questions, where these are not
    those of its first score.
    """

    scores: list[list[Score]]
    errors: list[SeewhyError | None]
    beside: list[float | None]
    chance: list[float]


class _Maps:
    """The maps of one picture and random ones, each reduced once, so that metrics share what they ask the network."""

    def __init__(
        self, seen: Seen, mask: Mask | None, found: Mapping[str, Explanation], scoring: Scoring, seed: int
    ) -> None:
        made_by: dict[Attribution, Method] = {found[name]: scoring.methods[name] for name in found}
        self._context = Context(seen.classifier, seen.image, mask, made_by, seen.answers)
        self._told_chance = {metric.name for metric in scoring.metrics if metric.tells_chance()}
        self._scoring, self._seed = scoring, seed
        self._whole: list[Attribution] = [*found.values()]
        self._random: list[Attribution] = []
        if CHANCE in found and scoring.random_maps:
            size, generator = seen.classifier.preprocessing.size, torch.Generator().manual_seed(seed + 1)
            drawn = RandomMap().draws((scoring.random_maps + 1) // 2, size, generator).numpy()
            # Each stands there upside down, too: what scores the opposite then is asked about half of them.
            both = np.concatenate([drawn, 1 - drawn])[: scoring.random_maps]
            self._random = [Map(values, seen.target) for values in both]

    @cached_property
    def _reduced(self) -> list[Attribution]:
        """All of them in cells."""
        return _in_cells([*self._whole, *self._random], self._scoring.cells)

    def scores(self, metric: Metric) -> _Answer:
        """What a metric says of all maps."""
        every = self._reduced if metric.asks_network and self._scoring.cells else [*self._whole, *self._random]
        shown = every[: len(self._whole)]
        mirrored = len(self._random) // 2 if metric.mirrored else 0
        faced = every[: len(every) - mirrored] if metric.name in self._told_chance else shown
        cheaper = metric.for_chance() if len(faced) > len(shown) else metric
        first, errors = self._asked(metric, faced if cheaper is metric else shown, self._seed)
        # By what random maps are asked methods are scored, too: like is compared with like, however coarse it is.
        alike = first if cheaper is metric else self._asked(cheaper, faced, self._seed)[0]
        again = range(1, self._scoring.draws_of(metric))
        rows = [first[: len(shown)], *(self._asked(metric, shown, self._seed + number)[0] for number in again)]
        chance = [each.value for each in alike[len(shown) :] if each.value is not None]
        return _Answer(
            [[*each] for each in zip(*rows, strict=True)],
            errors[: len(shown)],
            [None if cheaper is metric else each.value for each in alike[: len(shown)]],
            [*chance, *(-each for each in chance[:mirrored])],
        )

    def _asked(
        self, metric: Metric, maps: Sequence[Attribution], seed: int
    ) -> tuple[list[Score], list[SeewhyError | None]]:
        """All at once; where that fails one by one, so that one map takes nothing from the others."""
        generator = torch.Generator().manual_seed(seed)
        try:
            return metric(self._context, maps, generator=generator), [None] * len(maps)
        except Cancelled:
            raise
        except (SeewhyError, RuntimeError) as error:
            if len(maps) <= 1:
                blame = blamed(error, self._context.image.name)
                return [Score.undefined(str(blame)) for _ in maps], [blame for _ in maps]
        parts = [self._asked(metric, [each], seed) for each in maps]
        return [score for scores, _ in parts for score in scores], [error for _, errors in parts for error in errors]


def _in_cells(maps: Sequence[Attribution], cells: int) -> list[Attribution]:
    if not maps:
        return []
    reduced = in_cells(np.stack([each.values for each in maps]), cells).astype(np.float32)
    return [
        Map(values, each.target, each.method, each.layer, each.seed) for values, each in zip(reduced, maps, strict=True)
    ]


@contextmanager
def fixed_batches(classifier: Classifier, size: int) -> Generator[None]:
    """Have the masked-forward engine ask in batches of this size, also where memory ran out before."""
    FIXED[classifier] = BatchSize(classifier.device, size)
    try:
        yield
    finally:
        del FIXED[classifier]


def _row(metric: Metric, scores: Sequence[Score], beside: float | None) -> Row:
    """Plain values: the mean over draws, what each draw scored, as JSON, and what is held against random maps."""
    values = [score.value for score in scores if score.value is not None]
    defined = len(values) == len(scores)
    return {
        "metric": metric.name,
        "value": float(np.mean(values)) if defined else None,
        "reason": next((score.reason for score in scores if score.value is None), None),
        "draws": canonical(values) if defined and len(values) > 1 else None,
        "beside_chance": beside,
        "other_classes": next((score.other_classes for score in scores), None),
    }


def about(explanation: Explanation) -> Row:
    """What was explained, and what the method says of itself, the latter as JSON."""
    return {
        "target": explanation.target.index,
        "label": explanation.target_label,
        "probability": explanation.probability,
        "told": explanation.told,
        "layer": explanation.layer,
        "view": canonical([round(float(each), 3) for each in explanation.view]),
        "checks": canonical({name: float(value) for name, value in explanation.checks.items()}),
        "notes": canonical([*explanation.notes]) if explanation.notes else None,
    }
