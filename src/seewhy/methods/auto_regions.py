"""Choose the segmentation whose regions the network's answers follow most: `regions="auto"`."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch

from seewhy.engines import SEGMENTERS, MaskedForward, segment
from seewhy.methods.surrogate import deal, fit, hands_of

AUTO = "auto"
KEEP = 0.9
ASKED = 160  # coalitions of each segmentation
FEWEST, MOST = 10, ASKED // 2  # regions: coarser ones explain nothing to people, finer ones cannot be judged


class MakeEngine(Protocol):
    """Makes the engine of one picture for its regions `labels` `(h, w)`."""

    def __call__(self, *, labels: np.ndarray) -> MaskedForward:
        """See `MaskedForward`."""
        ...


def best_engine(make: MakeEngine, pixels: np.ndarray, generator: torch.Generator) -> MaskedForward:
    """The engine over the segmentation of `pixels` `(h, w, 3)` that explains most; it counts the forwards of all.

    The candidates are all segmenters that give 10 to 80 regions; quickshift where none does. What each explains is
    among the checks of the engine, as `r2_…`.
    """
    cuts = {name: segment(pixels, name) for name in SEGMENTERS}
    engines = {name: make(labels=labels) for name, labels in cuts.items() if FEWEST <= labels.max() + 1 <= MOST}
    if not engines:
        return make(labels=segment(pixels))
    state = generator.get_state()
    scores = {name: explained(engine, generator.set_state(state)) for name, engine in engines.items()}
    best = engines[max(scores, key=lambda name: scores[name])]
    best.forwards = sum(engine.forwards for engine in engines.values())
    best.checks.update({f"r2_{name}": score for name, score in scores.items()})
    return best


def explained(engine: MaskedForward, generator: torch.Generator) -> float:
    """How much of the likeliest class's log-probability a linear model of the regions foretells: R² of left-out ones.

    From 160 coalitions, of which each is foretold by a model of the others.
    """
    hands = hands_of(engine.regions, KEEP)
    coalitions = deal(engine.regions, hands, ASKED // hands, generator)
    target = int(engine.logits.argmax())
    whole, *shown = engine(torch.cat([torch.ones_like(coalitions[:1]), coalitions])).double().log_softmax(1)[:, target]
    return fit((~coalitions).double(), whole - torch.stack(shown), intercept=False).r2_unseen
