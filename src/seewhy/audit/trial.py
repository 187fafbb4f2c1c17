"""Every suspect is tried: laid over other photos, does the class rise? Taken out of its own, does it fall?

Each test is paired and has a control: laid over is also what other photos have in the same place, taken out is also the
same area elsewhere. A trait of the whole photo is taken out by giving the photo what others have; the control is what
other photos with it have. The photos are those of the other half, on which nothing was looked for.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seewhy.audit.looking import Asking, Looked
from seewhy.audit.marks import FEWEST, find_marks
from seewhy.audit.pasting import Box
from seewhy.audit.suspects import Suspect, Where
from seewhy.audit.traits import Trait
from seewhy.core.progress import Progress
from seewhy.core.statistics import LEVEL, holm
from seewhy.engines.imputation import linear_imputation
from seewhy.study.statistics import can_tell, mean_interval, needed, wilcoxon

MOST = 40  # photos of a test
MOVED = 0.05  # by which a finding raises its class beyond the control at least
CONTROLS = 2  # for each of them
PLANTED, SHARE, EFFECT = 5, 0.05, 0.1  # parts put in to tell what the search finds, on how many photos, and an effect
SIDE = 5  # a planted part is so many times smaller than the view
Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Test:
    """The probability of the class for each photo `(n,)`: as it is, when the suspect is changed, and the control's."""

    places: tuple[int, ...]
    before: Array
    after: Array
    control: Array
    rises: bool

    @property
    def differences(self) -> Array:
        """How much further than the control the class went where a suspect should move it."""
        return (self.after - self.control) * (1 if self.rises else -1)

    @property
    def interval(self) -> tuple[float, float, float]:
        """Mean difference and its 95 % interval; NaN where there are too few photos."""
        if not self.places:
            return float("nan"), float("nan"), float("nan")
        mean, low, high = mean_interval(self.differences)
        return mean, max(low, -1.0) if isfinite(low) else low, min(high, 1.0) if isfinite(high) else high

    @property
    def p(self) -> float:
        """Of the signed-rank test that the suspect moves the class no further than the control."""
        return wilcoxon(self.differences, np.zeros(len(self.places)), "greater") if self.places else 1.0


@dataclass(frozen=True, eq=False, kw_only=True)
class Trial:
    """Both tests of a suspect, and their p-values after Holm's correction over all suspects."""

    paste: Test
    removal: Test
    p_paste: float
    p_removal: float
    questions: int

    @property
    def passed(self) -> bool:
        """Whether it moves the class when laid over other photos, and nothing speaks against it in its own."""
        mean, low, _ = self.paste.interval
        moved = self.p_paste <= LEVEL and mean >= MOVED and (not isfinite(low) or low > 0)
        return moved and not self.contradicted

    @property
    def contradicted(self) -> bool:
        """Whether the class rises when it is taken out."""
        removal = self.removal
        return bool(removal.places) and wilcoxon(removal.differences, np.zeros(len(removal.places)), "less") <= LEVEL

    @property
    def removal_tells(self) -> bool:
        """Whether enough photos of the other half carry it for the removal test to tell it from chance."""
        return can_tell(len(self.removal.places), self.questions)

    def figures(self) -> dict[str, Any]:
        """All that both tests say, as plain JSON values."""
        effect, interval, before, after = _plain(self.paste)
        removal = _plain(self.removal)
        return {
            "effect": effect,
            "interval": interval,
            "p": self.p_paste,
            "before": before,
            "after": after,
            "tested_on": len(self.paste.places),
            "removal": None
            if not self.removal.places
            else {
                "effect": removal.effect,
                "interval": removal.interval,
                "p": self.p_removal,
                "tested_on": len(self.removal.places),
                "before": removal.before,
                "after": removal.after,
            },
        }


class _Plain(NamedTuple):
    effect: float | None
    interval: list[float] | None
    before: float | None
    after: float | None


def _plain(test: Test) -> _Plain:
    if not test.places:
        return _Plain(None, None, None, None)
    mean, low, high = test.interval
    bounds = [low, high] if isfinite(low) else None
    return _Plain(mean, bounds, float(test.before.mean()), float(test.after.mean()))


@dataclass(frozen=True, eq=False, kw_only=True)
class Tried(Trial):
    """A suspect with what became of it."""

    suspect: Suspect


def trials(tests: Sequence[tuple[Test, Test]]) -> list[Trial]:
    """What the paste and the removal test of each suspect say, corrected for all of them."""
    pasted, removed = (holm([each[which].p for each in tests]) for which in (0, 1))
    return [
        Trial(paste=paste, removal=removal, p_paste=p_paste, p_removal=p_removal, questions=len(tests))
        for (paste, removal), p_paste, p_removal in zip(tests, pasted, removed, strict=True)
    ]


def try_all(
    asking: Asking,
    suspects: Sequence[Suspect],
    found_on: Looked,
    others: Looked,
    seed: int,
    progress: Progress,
) -> list[Tried]:
    """Try every suspect on photos on which none was looked for, those that pass first, by how far they move."""
    tests: list[tuple[Test, Test]] = []
    for number, suspect in enumerate(suspects):
        progress(number, len(suspects), "trying suspects")
        where = suspect.carried(others)
        random = np.random.default_rng([seed, number])
        paste = paste_test(asking, suspect, found_on, others, where, random)
        tests.append((paste, _removal(asking, suspect, found_on, others, where, random)))
    tried = [Tried(suspect=suspect, **vars(trial)) for suspect, trial in zip(suspects, trials(tests), strict=True)]
    return sorted(tried, key=lambda each: (not each.passed, -each.paste.interval[0] if each.paste.places else 0))


def paste_test(
    asking: Asking,
    suspect: Suspect,
    found_on: Looked,
    others: Looked,
    carry: Container[int],
    random: np.random.Generator,
    most: int = MOST,
) -> Test:
    """Lay a suspect over so many of the others at most that neither carry it nor are of its class.

    Controls are of photos that it was not found on.
    """
    places = random.permutation(_without(others, suspect.target, carry))[:most].astype(int)
    plain = _without(found_on, suspect.target, suspect.boxes)
    if not len(places) or not plain:
        return _nothing(rises=True)
    laid: list[Tensor] = []
    for number, place in enumerate(places):
        layer = suspect.layers[number % len(suspect.layers)]
        controls = [layer.like(found_on.pixels[each]) for each in random.choice(plain, CONTROLS)]
        pixels = torch.from_numpy(others.pixels[[place]]).float() / 255
        laid += [each.over(pixels) for each in (layer, *controls)]
    return _told(asking, suspect.target, others, places, laid, rises=True)


def _without(looked: Looked, target: int, carry: Container[int]) -> list[int]:
    """Photos that do not carry the suspect, and are not of its class."""
    return [place for place, said in enumerate(looked.said.tolist()) if place not in carry and said != target]


def _removal(
    asking: Asking,
    suspect: Suspect,
    found_on: Looked,
    others: Looked,
    where: Where,
    random: np.random.Generator,
) -> Test:
    fit = [place for place in where if others.said[place] == suspect.target]
    places = random.permutation(fit)[:MOST].astype(int)
    if not len(places):
        return _nothing(rises=False)
    trait = suspect.kind if isinstance(suspect.kind, Trait) else None
    taken: list[Tensor] = []
    for place in places.tolist():
        pixels = torch.from_numpy(others.pixels[place]).float() / 255
        if trait:
            donors = random.choice([*suspect.boxes], CONTROLS)
            changes = [trait.taken, *(trait.taken.like(found_on.pixels[donor]) for donor in donors)]
            taken += [each.over(pixels[None]) for each in changes]
        else:
            area = where[place]
            masks = torch.stack([area, *(_moved(area, random) for _ in range(CONTROLS))])
            taken += linear_imputation(pixels, ~masks).clamp(0, 1).split(1)
    return _told(asking, suspect.target, others, places, taken, rises=False)


def _moved(area: Tensor, random: np.random.Generator) -> Tensor:
    """The area somewhere else in the view, as little on its own place as a few draws allow."""
    tries = [torch.roll(area, tuple(int(random.integers(side)) for side in area.shape), (0, 1)) for _ in range(8)]
    return min(tries, key=lambda each: int((each & area).sum()))


def _told(
    asking: Asking,
    target: int,
    others: Looked,
    places: NDArray[np.int64],
    shown: Sequence[Tensor],
    *,
    rises: bool,
) -> Test:
    """What is answered to photos of which each is `shown` with its suspect, then with its controls."""
    asked = asking(shown)[:, target].astype(float).reshape(len(places), 1 + CONTROLS)
    before = others.probabilities[places, target].astype(float)
    return Test(tuple(places.tolist()), before, asked[:, 0], asked[:, 1:].mean(1), rises)


def _nothing(*, rises: bool) -> Test:
    nothing = np.zeros(0)
    return Test((), nothing, nothing, nothing, rises)


class Power(NamedTuple):
    """What the audit could have found: parts planted to be searched, and the chance that a test tells an effect."""

    planted: int
    found: int
    photos: int  # each was planted on
    searched: int
    tested: int
    told: float


def power(found_on: Looked, others: Looked, questions: int, seed: int, progress: Progress) -> Power:
    """Plant opaque parts of other photos in one place of a twentieth of the photos, and count how many are found.

    A test tells an effect for sure only by the photos that move: an effect of ten points is at its hardest one photo in
    ten that turns altogether, all others staying as they are.
    """
    random = np.random.default_rng([seed, 1])
    count = max(FEWEST, round(SHARE * len(found_on)))
    size = found_on.pixels.shape[2:]
    height, width = (side // SIDE for side in size)
    hits = 0
    for number in range(PLANTED):
        progress(number, PLANTED, "planting parts to see whether they are found")
        top, left = int(random.integers(size[0] - height)), int(random.integers(size[1] - width))
        rows, columns = slice(top, top + height), slice(left, left + width)
        donor, *places = random.permutation(len(found_on))[: count + 1].tolist()
        planted = found_on.pixels.copy()
        planted[places, :, rows, columns] = planted[donor, :, rows, columns]
        box = left, top, left + width, top + height
        hits += any(
            len({*mark.photos} & {*places}) * 2 > len(places) and _meet(mark.box, box)
            for mark in find_marks(planted, seed)
        )
    tested = min(MOST, len(others))
    return Power(PLANTED, hits, count, len(found_on), tested, chance_to_tell(questions, tested))


def chance_to_tell(questions: int, tested: int) -> float:
    """How likely the paste test is to tell an effect of `EFFECT`, as one of so many questions, on so many photos."""
    from scipy import stats

    return float(stats.binom.sf(needed(max(questions, 1)) - 1, tested, EFFECT))


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
