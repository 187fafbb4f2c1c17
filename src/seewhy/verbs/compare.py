"""Compare: which of several explanations of the same pictures to believe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from seewhy.core.outcome import Outcome
from seewhy.core.progress import Progress, silent
from seewhy.errors import Cancelled, SeewhyError, UsageError
from seewhy.images import Image
from seewhy.methods import Explanation, Method, find_method, method_info, suitable_methods
from seewhy.metrics import CONTROLS, Metric, Score, Subject, find_metric
from seewhy.metrics.controls import RandomMap
from seewhy.metrics.maps import reduced, sees_cells
from seewhy.models import Classifier, Target
from seewhy.study.comparison import Comparison, Trial
from seewhy.verbs.explain import naming

# Fast, and of every kind; a classifier that answers nothing but scores gets the second row.
FAST = (
    *("grad-cam", "layer-cam", "shapley-cam", "eigen-cam", "lrp", "integrated-gradients", "deep-lift", "smooth-grad"),
    *("lime", "partition-shap", "occlusion", "rise"),
)
MOST = 8
DEFAULT_METRICS = ("road", "insertion-minus-deletion", "infidelity", "sparseness")
MASK_METRICS = ("iou-top-area", "pointing-game", "energy-in-mask")
RANDOM_MAPS, REDRAWS = 30, 3


@dataclass(frozen=True)
class Contest:
    """What is compared on every picture.

    Metrics of faithfulness see every map reduced to `cells` × `cells` means, so that areas and single pixels are
    compared like with like; 0 leaves maps as they are.
    """

    methods: tuple[Method, ...]
    metrics: tuple[Metric, ...]
    target: Target | None = None
    cells: int = 14
    random_maps: int = RANDOM_MAPS
    redraws: int = REDRAWS
    seed: int = 0

    @classmethod
    def of(
        cls,
        classifier: Classifier,
        methods: Sequence[str] = (),
        metrics: Sequence[str] = (),
        *,
        target: str | int | None = None,
        masked: bool = False,
        cells: int = 14,
        seed: int = 0,
    ) -> Contest:
        """Resolve names; without methods the fast ones that suit the classifier, all that do for `all`."""
        if len(names := list(dict.fromkeys(methods))) == 1 and names != ["all"]:
            raise UsageError("to compare takes two methods at least; `seewhy list methods` has them")
        wanted = list(dict.fromkeys(metrics)) or [*DEFAULT_METRICS, *(MASK_METRICS if masked else ())]
        made = tuple(find_metric(name) for name in wanted)
        check_masked(made, masked=masked)
        return cls(
            tuple(find_method(name) for name in chosen_methods(classifier, names)),
            made,
            None if target is None else classifier.target(target),
            cells=cells,
            seed=seed,
        )


def check_masked(metrics: Iterable[Metric], *, masked: bool) -> None:
    """Refuse metrics that need masks where there are none."""
    for metric in metrics:
        if "mask" in metric.info.needs and not masked:
            raise UsageError(f"{metric.info.name} needs to know where the object is: give --masks FOLDER")


def chosen_methods(classifier: Classifier, names: Sequence[str] = ()) -> list[str]:
    """The names of the methods to compare, each suited to the classifier.

    Raises:
        UsageError: one of them needs more than the classifier offers.
    """
    suitable = [info.name for info in suitable_methods(classifier)]
    if list(names) == ["all"]:
        return suitable
    if not names:
        return [name for name in FAST if name in suitable][:MOST]
    for name in names:
        if name not in suitable:
            info = method_info(name)
            lacking = ", ".join(sorted(info.needs - classifier.offers) or info.required)
            raise UsageError(f"{name} needs {lacking}, which is not at hand; leave it out")
    return list(names)


def compare(
    classifier: Classifier,
    images: Sequence[Image],
    contest: Contest,
    *,
    masks: Mapping[str, np.ndarray] | None = None,
    progress: Progress = silent,
) -> Comparison:
    """Explain and score every picture; `masks` bool `(h, w)` over what the network sees, by the picture's SHA-256.

    A picture that cannot be explained or scored is among the comparison's failures, and never stops the rest.
    """
    trials: list[Trial] = []
    failures: list[Outcome] = []
    for number, image in enumerate(images):
        told = _within(progress, number, len(images))
        try:
            trials.append(_trial(classifier, image, contest, (masks or {}).get(image.sha256), told))
        except Cancelled:
            raise
        except (SeewhyError, RuntimeError) as error:
            failures.append(Outcome(image.name, error=naming(error, image)))
    return Comparison(
        tuple(method.info.name for method in contest.methods),
        tuple(f"control:{name}" for name in CONTROLS),
        tuple(metric.info for metric in contest.metrics),
        tuple(trials),
        contest.seed,
        tuple(failures),
    )


def _trial(
    classifier: Classifier, image: Image, contest: Contest, mask: np.ndarray | None, progress: Progress
) -> Trial:
    target = contest.target or Target(classifier.predict(image, 1)[0].index, chosen="predicted")
    explain = partial(_explain, classifier, image, target, contest.seed)
    methods = {method.info.name: method for method in contest.methods}
    methods |= {f"control:{name}": make() for name, make in CONTROLS.items()}
    total = len(methods) + len(contest.metrics)
    found: dict[str, Explanation] = {}
    for done, (name, method) in enumerate(methods.items()):
        progress(done, total, name)
        found[name] = explain(method)
    bench = _Bench(
        Subject(classifier, image, mask, {found[name]: method for name, method in methods.items()}),
        list(found.values()),
        _random_maps(found["control:random"], classifier, contest),
        contest,
    )
    draws: dict[str, dict[str, list[Score]]] = {}
    chance: dict[str, list[float]] = {}
    for done, metric in enumerate(contest.metrics, start=len(methods)):
        progress(done, total, metric.info.title)
        draws[metric.info.name] = dict(zip(found, bench.draws(metric), strict=True))
        chance[metric.info.name] = bench.chance(metric)
    progress(total, total, "done")
    return Trial(found, draws, chance)


def _explain(classifier: Classifier, image: Image, target: Target, seed: int, method: Method) -> Explanation:
    return method(classifier, [image], [[target]], generator=torch.Generator().manual_seed(seed))[0]


def _random_maps(like: Explanation, classifier: Classifier, contest: Contest) -> list[Explanation]:
    """More of the random control, of the same decision."""
    pixels = classifier.preprocessing.pixels([like.image])[0]
    control = RandomMap()
    seeds = range(contest.seed + 1, contest.seed + 1 + contest.random_maps)
    drawn = [control.draw(pixels, torch.Generator().manual_seed(seed)).numpy() for seed in seeds]
    return [replace(like, values=values) for values in drawn]


class _Bench:
    """Where one picture's maps are scored; each is reduced once, so that metrics share what they ask the network."""

    def __init__(
        self, subject: Subject, found: Sequence[Explanation], random: Sequence[Explanation], contest: Contest
    ) -> None:
        self.subject, self.contest = subject, contest
        self.whole, self.random = (found, random)
        self.reduced, self.random_reduced = (
            [reduced(each, contest.cells) for each in maps] for maps in (found, random)
        )

    def draws(self, metric: Metric) -> list[list[Score]]:
        """For each map its scores, several with other seeds where the metric is drawn."""
        again = self.contest.redraws if metric.info.drawn else 1
        shown = self.reduced if sees_cells(metric) else self.whole
        rows = [self._scores(metric, shown, self.contest.seed + number) for number in range(again)]
        return list(map(list, zip(*rows, strict=True)))

    def chance(self, metric: Metric) -> list[float]:
        """What random maps score; nothing where the metric does not hold a map against the network or a mask."""
        if metric.info.family not in {"faithfulness", "localisation"} or "method" in metric.info.needs:
            return []
        shown = self.random_reduced if sees_cells(metric) else self.random
        scores = self._scores(metric, shown, self.contest.seed)
        return [score.value for score in scores if score.value is not None]

    def _scores(self, metric: Metric, shown: Sequence[Explanation], seed: int) -> list[Score]:
        return metric(self.subject, shown, generator=torch.Generator().manual_seed(seed))


def _within(progress: Progress, number: int, count: int) -> Progress:
    """Progress of one picture as part of that of all."""

    def tell(done: int, total: int | None, message: str) -> None:
        progress(number * (total or 1) + done, count * (total or 1), message)

    return tell
