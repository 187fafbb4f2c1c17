"""Raise suspects of one half of the photos, and try first on that half which of them are worth a test.

A mark is the same thing in the same place of several photos (`marks`); its class is the one that it raises most on
photos without it. A trait is a property that the photos of one class share (`traits`). A part may lie anywhere
(`parts`). What moves its class on photos of the same half further than a control is tried on the other half.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from seewhy.audit.looking import Asking, Looked
from seewhy.audit.marks import FEWEST, Mark, copies, find_marks
from seewhy.audit.parts import find_parts
from seewhy.audit.pasting import Layer, shared_layer
from seewhy.audit.suspects import Known, Suspect, Where, reasons_for, share_of
from seewhy.audit.traits import Trait, find_traits
from seewhy.audit.trial import paste_test
from seewhy.core.progress import Progress
from seewhy.core.statistics import LEVEL

TRIED = 16  # photos on which suspects are tried first
LEAST = 0.01  # by which one has to raise its class there
MOST = 8  # suspects that are tried on the other half
ALIKE = 0.6  # agreement of which photos carry two traits, from which on one of them is told
FILLED = 0.1  # of the place of colours is a mark's, whose colours they are then


def raise_suspects(asking: Asking, looked: Looked, known: Known, seed: int, progress: Progress) -> list[Suspect]:
    """The suspects of one half of the photos that are to be tried on the other, those first that move most."""
    progress(0, None, "holding photos against each other")
    single = _without_copies(looked)
    marks = find_marks(looked.pixels[single], seed)
    found = [each for mark in marks for each in _of_mark(asking, looked, known, single, mark, seed)]
    for target, count in sorted(Counter(looked.said.tolist()).items()):
        if count >= FEWEST and count <= len(looked) - FEWEST:
            found += find_parts(looked, known, target, [each for each in found if each.target == target])
    found += _of_traits(looked, known, single)
    rises: list[float] = []
    for number, each in enumerate(found):
        progress(number, len(found), "trying which suspects are worth a test")
        rises.append(_rise(asking, each, looked, np.random.default_rng([seed, number])))
    order = sorted(range(len(found)), key=lambda place: -rises[place])
    worth = [found[place] for place in order if rises[place] >= LEAST]
    return _told_once(worth, len(looked))[:MOST]


def _rise(asking: Asking, suspect: Suspect, looked: Looked, random: np.random.Generator) -> float:
    """How far it moves its class beyond the control on a few photos of the half that it was found on."""
    test = paste_test(asking, suspect, looked, looked, suspect.boxes, random, TRIED)
    return float(test.differences.mean()) if test.places else -1.0


def _told_once(suspects: Sequence[Suspect], count: int) -> list[Suspect]:
    """Without traits that say of the same photos what is told already.

    Strong compression takes noise away, too: of traits that tell the same photos from the others the first stays. The
    colours of a mark are no trait beside it.
    """
    kept: list[Suspect] = []
    for each in sorted(suspects, key=lambda one: isinstance(one.kind, Trait)):  # stable: marks before traits
        same = [other for other in kept if _agreement(each, other, count) >= ALIKE]
        if not isinstance(each.kind, Trait) or not any(_says_it(other, each) for other in same):
            kept.append(each)
    return [each for each in suspects if any(each is one for one in kept)]


def _says_it(told: Suspect, trait: Suspect) -> bool:
    """Whether a suspect of the same photos says what a trait does: it is a trait, too, or fills much of its place."""
    if isinstance(told.kind, Trait):
        return True
    if told.region is None or trait.region is None:
        return False
    left, top, right, bottom = (pick(*pair) for pick, *pair in zip((max, max, min, min), told.region, trait.region,
                                                                   strict=True))  # fmt: skip
    both = max(right - left, 0) * max(bottom - top, 0)
    return both >= FILLED * (trait.region[2] - trait.region[0]) * (trait.region[3] - trait.region[1])


def _agreement(one: Suspect, other: Suspect, count: int) -> float:
    """How far two suspects lie on the same of so many photos, or one on the rest of the other: 0 to 1."""
    carry = np.array([[place in each.boxes for place in range(count)] for each in (one, other)], float)
    spread = float(carry.std(1).prod())
    return abs(float(((carry - carry.mean(1, keepdims=True)).prod(0)).mean()) / spread) if spread else 0.0


# --- Traits ---------------------------------------------------------------------------------------------------------


def _of_traits(looked: Looked, known: Known, single: NDArray[np.int64]) -> Iterator[Suspect]:
    classes = looked.said if known.truth is None else known.truth
    for target, trait, _ in find_traits(looked.pixels[single], classes[single]):
        carry = trait.carried(looked.pixels)
        places = [place for place in single.tolist() if carry[place] and classes[place] == target]
        if len(places) >= FEWEST:
            where = dict.fromkeys(places, trait.area)
            reasons = (f"shared by photos of one {'answer' if known.truth is None else 'label'}",
                       *reasons_for(known, where, looked))  # fmt: skip
            yield Suspect(target, dict.fromkeys(places, trait.laid.box), (trait.laid,), reasons, float("nan"),
                          partial(_carrying, trait), trait)  # fmt: skip


def _carrying(trait: Trait, looked: Looked) -> Where:
    return {int(place): trait.area for place in np.nonzero(trait.carried(looked.pixels))[0]}


# --- Marks ----------------------------------------------------------------------------------------------------------


def _without_copies(looked: Looked) -> NDArray[np.int64]:
    again = {other for _, other in copies(looked.pixels)}
    return np.array([place for place in range(len(looked)) if place not in again], np.int64)


def _of_mark(
    asking: Asking, looked: Looked, known: Known, single: NDArray[np.int64], mark: Mark, seed: int
) -> Iterator[Suspect]:
    carry = mark.carried(looked.pixels)
    unlike = [place for place in single.tolist() if not carry[place]]
    places = [place for place in single.tolist() if carry[place]]
    if min(len(unlike), len(places)) < FEWEST:
        return
    layer = shared_layer(looked.pixels[places], looked.pixels[unlike], mark.box)
    if not bool(layer.area.any()):
        return
    area = layer.mask(looked.pixels.shape[2:])

    def carried(others: Looked) -> Where:
        return {int(place): area for place in np.nonzero(mark.carried(others.pixels))[0]}

    reasons = ("the same pixel by pixel, in the same place", *reasons_for(known, dict.fromkeys(places, area), looked))
    targets = dict.fromkeys([*_enriched(looked, places), *_raised(asking, looked, layer, unlike, seed)])
    for target in targets:
        boxes, areas = dict.fromkeys(places, layer.box), dict.fromkeys(places, area)
        yield Suspect(target, boxes, (layer,), reasons, share_of(looked, areas, target), carried, mark)


def _enriched(looked: Looked, places: Sequence[int]) -> list[int]:
    """The answer that photos with the mark get far more often than others, if there is one (Fisher's exact test)."""
    from scipy import stats

    said, carry = looked.said, np.isin(np.arange(len(looked)), places)
    found: list[tuple[float, int]] = []
    for target in np.unique(said[carry]).tolist():
        table = [[int((one & other).sum()) for other in (said == target, said != target)] for one in (carry, ~carry)]
        tested: Any = stats.fisher_exact(table, "greater")
        found.append((float(tested.pvalue), target))
    return [target for p, target in sorted(found)[:1] if p * len(found) <= LEVEL]


def _raised(asking: Asking, looked: Looked, layer: Layer, unlike: Sequence[int], seed: int) -> list[int]:
    """The class that a layer raises most, on the mean over photos that do not carry it."""
    chosen = np.random.default_rng(seed).permutation(unlike)[:TRIED]
    pixels = torch.from_numpy(looked.pixels[chosen]).float() / 255
    rise = (asking([layer.over(pixels)]) - looked.probabilities[chosen]).mean(0)
    best = int(rise.argmax())
    return [best] if rise[best] >= LEAST else []
