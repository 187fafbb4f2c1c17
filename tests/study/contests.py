"""Comparisons made by hand, whose outcome can be reckoned on paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from report.samples import explanation, photo
from seewhy.metrics import CONTROLS, Score, metric_info
from seewhy.study.comparison import Comparison, Trial

METHODS = ("grad-cam", "lime")
CONTROL_NAMES = tuple(f"control:{name}" for name in CONTROLS)
UP, DOWN, IDLE = "road", "infidelity", "sparseness"  # higher is better, lower is better, no test of faithfulness
CURVED = "insertion-minus-deletion"
Values = Mapping[str, Mapping[str, float | Sequence[float | None] | None]]


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


def comparison(*trials: Trial, **changes: object) -> Comparison:
    """Of all methods and metrics that the first trial knows."""
    first = trials[0]
    names = list(first.explanations)
    return Comparison(
        methods=tuple(name for name in names if not name.startswith("control:")),
        controls=tuple(name for name in names if name.startswith("control:")),
        metrics=tuple(metric_info(name) for name in first.draws),
        trials=trials,
        **changes,
    )


def contest(pictures: int = 1, methods: Sequence[str] = METHODS, **changes: object) -> Comparison:
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
    return comparison(*map(with_curves, trials), **changes)


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
