"""Studies made by hand, whose outcome can be computed on paper."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from report.samples import explanation, photo
from seewhy.methods import Explanation
from seewhy.metrics import Score, metric_info
from seewhy.study import Failure, Plan, Result, Unit
from seewhy.study.results import table
from seewhy.study.score import CHANCE, Scored
from seewhy.verbs import Comparison

METHODS = ("grad-cam", "lime")
CONTROL_NAMES = ("control:random", "control:gaussian", "control:sobel", "control:empty")
UP, DOWN, IDLE = "road", "infidelity", "sparseness"  # higher is better, lower is better, no test of faithfulness
CURVED = "insertion-minus-deletion"
Values = Mapping[str, Mapping[str, float | Sequence[float | None] | None]]


@dataclass(frozen=True)
class Trial:
    """One picture: maps by method, and by metric each draw of each method and what random maps score."""

    explanations: Mapping[str, Explanation]
    draws: Mapping[str, Mapping[str, Sequence[Score]]]
    chance: Mapping[str, Sequence[float]]


def score(value: float | None, curve: np.ndarray | None = None) -> Score:
    return Score.undefined("it has no meaning here") if value is None else Score(value, curve)


def trial(
    values: Values,
    chance: Mapping[str, Sequence[float]] | None = None,
    maps: Mapping[str, np.ndarray] | None = None,
    **changes: object,
) -> Trial:
    """One picture: `values` by metric and method, a number or one for each draw."""
    names = list(dict.fromkeys(name for row in values.values() for name in row))
    shapes = {name: np.eye(6, dtype=np.float32) * (1 + place) for place, name in enumerate(names)}
    made = {name: explanation(values=each, method=name, **changes) for name, each in {**shapes, **(maps or {})}.items()}
    draws = {
        metric: {
            name: [score(each) for each in (given if isinstance(given, Sequence) else [given])]
            for name, given in row.items()
        }
        for metric, row in values.items()
    }
    return Trial(made, draws, chance or {})


def comparison(*trials: Trial, seed: int = 0, failures: Sequence[tuple[str, str]] = ()) -> Comparison:
    """Of all methods and metrics that the first trial knows; `failures` are pictures and reasons."""
    first = trials[0]
    firsts = [next(iter(each.explanations.values())) for each in trials]
    names = [f"{place}: {each.image.name}" for place, each in enumerate(firsts)]
    one, methods = firsts[0], [*first.explanations]
    failed = [
        Result(Unit(one.classifier, method, image), failure=Failure("BadImage", reason))
        for image, reason in failures
        for method in methods
    ]
    plan = Plan(
        models={one.classifier: "f" * 64},
        methods={name: {} for name in methods},
        metrics={name: {"cells": 14} if metric_info(name).asks_network else {} for name in first.draws},
        images={**dict.fromkeys(names, "0" * 64), **{image: "unreadable" for image, _ in failures}},
        batch_size=16,
        seed=seed,
    )
    results = [
        Result(
            Unit(one.classifier, method, names[place]),
            tuple(_row(metric, each.draws[metric][method], each, method) for metric in each.draws),
        )
        for place, each in enumerate(trials)
        for method in each.explanations
    ]
    explained = {
        names[place]: Scored(firsts[place].image, each.explanations, scores=each.draws)
        for place, each in enumerate(trials)
    }
    return Comparison(plan, table(results), tuple(failed), None, explained)


def _row(metric, scores, each, method):
    values = [score.value for score in scores]
    known = None not in values
    # Where no random control is among the methods, the first of them brings what random maps score.
    carrier = CHANCE if CHANCE in each.explanations else next(iter(each.explanations))
    return {
        "metric": metric,
        "value": float(np.mean(values)) if known else None,
        "reason": None if known else "it has no meaning here",
        "draws": json.dumps(values) if known and len(values) > 1 else None,
        "chance": json.dumps(list(each.chance[metric])) if method == carrier and each.chance.get(metric) else None,
        "label": each.explanations[method].target_label,
        "probability": 0.6,
    }


def contest(
    pictures: int = 1, methods: Sequence[str] = METHODS, failures: Sequence[tuple[str, str]] = ()
) -> Comparison:
    """A whole comparison as `compare` makes it: the first method is the best by far, the rest is no better than chance.

    Of three tests of faithfulness, one of which draws curves, one of plausibility and one of tidiness.
    """
    names = (*methods, *CONTROL_NAMES)
    worth = {name: 0.9 if place == 0 else 0.1 - place / 1000 for place, name in enumerate(names)}
    draws = {
        "road": {name: [each, each + 0.01] for name, each in worth.items()},
        CURVED: worth,
        "infidelity": {name: 1 - each for name, each in worth.items()},
        "pointing-game": {name: float(each > 0.5) for name, each in worth.items()},
        "sparseness": dict.fromkeys(names, 0.5),
    }
    some = np.linspace(0, 0.3, 30).tolist()
    chance = {
        "road": some,
        CURVED: some,
        "infidelity": [1 - each for each in some],
        "pointing-game": [0.0, 1.0] * 15,
        "sparseness": [],
    }
    trials = [trial(draws, chance, image=photo(f"{number}.png")) for number in range(pictures)]
    return comparison(*map(with_curves, trials), failures=failures)


def with_curves(made: Trial) -> Trial:
    """Insertion rises to what the score says, and deletion falls from 1 to what it lacks."""
    steps = np.linspace(0, 1, 5)
    known = made.draws[CURVED]
    curved = {
        name: [score(each.value, np.stack([steps * worth, 1 - steps * worth]))]
        for name, (each,) in known.items()
        if (worth := each.value) is not None
    }
    return replace(made, draws={**made.draws, CURVED: curved})
