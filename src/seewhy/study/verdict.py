"""Which methods to believe, as a test says: who is beaten by another, and who by what knows nothing of the network.

A verdict is about the pictures it was made of, one or thousands. Two methods are told apart by a paired signed-rank
test over pictures, of how far one stands before the other in each, and only where there are pictures enough for that.
A method beats the controls if it beats the strongest of them, thus each: the random map by its place among maps drawn
by chance where their scores are at hand, as they are for few pictures; all others by the paired test, or, where
pictures are too few for one, by the mean alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from seewhy.metrics import Metric
from seewhy.metrics.context import ranks
from seewhy.study.score import CHANCE
from seewhy.study.scores import ModelScores
from seewhy.study.statistics import LEVEL, Array, can_tell, holm, needed, stands_out, wilcoxon


@dataclass(frozen=True)
class Verdict:
    """What the tests of faithfulness say together of one model's methods.

    Attributes:
        pictures: how many have scores by any of the tests.
        order: the methods that have scores, best first by their mean ranks.
        best: those of them that no other method beats, so that each may be the best; all where `needed` says that
            there are too few pictures to tell.
        controls: by method that has a score, whether it beats the strongest control, thus all; None where that cannot
            be told.
        strongest: the control that stands before the others; None without any.
        above: the methods that stand before every control on average, tested or not.
        first_under: under how many of the tests the first of the order has the best mean.
        tests: how many tests there are.
        questions: how many different questions they ask.
        needed: so many pictures can tell methods apart; 0 where there are enough.
    """

    pictures: int
    order: tuple[str, ...]
    best: tuple[str, ...]
    controls: dict[str, bool | None] = field(default_factory=dict)
    strongest: str | None = None
    above: tuple[str, ...] = ()
    first_under: int = 0
    tests: int = 0
    questions: int = 0
    needed: int = 0

    @property
    def recommended(self) -> tuple[str, ...]:
        """The methods that no other beats, and that beat the strongest control, where there is any."""
        return tuple(each for each in self.best if not self.controls or self.controls.get(each))

    @property
    def no_better(self) -> tuple[str, ...]:
        """The methods that a control does as well as."""
        return tuple(each for each in self.order if self.controls.get(each) is False)

    @property
    def one(self) -> str | None:
        """The method that the tests single out; None where they do not."""
        return self.recommended[0] if len(self.recommended) == 1 and not self.needed else None

    def plain(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "pictures": self.pictures,
            "order": [*self.order],
            "not_beaten": [*self.best],
            "recommended": [*self.recommended],
            "beats_controls": {each: self.controls.get(each) for each in self.order},
            "strongest_control": self.strongest,
            "above_controls": [*self.above],
            "first_under": self.first_under,
            "tests": self.tests,
            "pictures_needed": self.needed,
        }


def verdict_of(scores: ModelScores) -> Verdict:
    """The verdict on one model's methods; without order where no test of faithfulness has scores."""
    order = tuple(scores.ranks)
    pairs = {
        (one, other): scores.ahead(one, other) for one in order for other in order if one != other
    }  # by picture that scores both
    shared = max((len(each) for each in pairs.values()), default=0)
    rivals = len(order) - 1
    enough = rivals > 0 and can_tell(shared, rivals)
    beaten = {
        other
        for other in order
        if enough and min(holm([_p_above(pairs[one, other]) for one in order if one != other])) <= LEVEL
    }
    return Verdict(
        pictures=len(scores.pictures),
        order=order,
        # Of methods that beat one another in a circle none is the best, and none is singled out.
        best=tuple(each for each in order if each not in beaten) or order,
        controls=_beats_controls(scores, scores.scored, scores.ahead, _random_places(scores)),
        strongest=_strongest(scores),
        above=tuple(each for each in order if all(_leads(scores, each, control) for control in scores.controls)),
        first_under=sum(_is_first(scores, metric, order) for metric in scores.tests) if order else 0,
        tests=len(scores.tests),
        questions=scores.questions,
        needed=0 if enough or rivals < 1 else needed(rivals),
    )


def beats_chance(scores: ModelScores, metric: type[Metric]) -> dict[str, bool]:
    """Whether each method beats the strongest control by one metric; those of which it cannot be told are left out."""
    if not metric.tells_chance():
        return {}
    sign = 1 if metric.higher_is_better else -1

    def gaps(one: str, other: str) -> Array:
        first, second = scores.of(metric.name, one), scores.of(metric.name, other)
        return np.round([sign * (first[image] - second[image]) for image in sorted(first.keys() & second.keys())], 12)

    known = [method for method in scores.rivals if scores.of(metric.name, method)]
    places = {method: among_random_maps(scores, metric, method) for method in known}
    found = _beats_controls(
        scores, known, gaps, {each: worths for each, worths in places.items() if worths is not None}
    )
    return {method: better for method, better in found.items() if better is not None}


def no_better_than_chance(scores: ModelScores) -> list[str]:
    """The methods that the strongest control does as well as, over all tests together."""
    return [*verdict_of(scores).no_better]


def among_random_maps(scores: ModelScores, metric: type[Metric], method: str) -> Array | None:
    """Its worth and that of random maps, `(1 + n,)`, means over the same pictures; None where nothing is known."""
    # Another seed asks other questions, some of them easier: only the first draw is held against chance.
    drawn, beside = scores.draws.get((metric.name, method), {}), scores.beside.get((metric.name, method), {})
    firsts = {
        image: beside[image] if image in beside else drawn.get(image, [value])[0]
        for image, value in scores.of(metric.name, method).items()
    }
    random = scores.chance.get(metric.name, {})
    rows = [[value, *random[image]] for image, value in firsts.items() if random.get(image)]
    if not rows:
        return None
    means = np.mean([row[: min(map(len, rows))] for row in rows], axis=0)
    return means if metric.higher_is_better else -means


def _random_places(scores: ModelScores) -> dict[str, Array]:
    """Of each method the worth of its mean rank among random maps and theirs, over all tests."""
    found: dict[str, Array] = {}
    for method in scores.methods:
        rows = [(among_random_maps(scores, metric, method), weight)
                for metric, weight in zip(scores.tests, scores.weights, strict=True)]  # fmt: skip
        known = [(worths, weight) for worths, weight in rows if worths is not None]
        if known:
            fewest = min(len(worths) for worths, _ in known)
            found[method] = np.average(
                [ranks(worths[:fewest]) for worths, _ in known], axis=0, weights=[weight for _, weight in known]
            )
    return found


def _beats_controls(
    scores: ModelScores, methods: Sequence[str], gaps: Callable[[str, str], Array], places: dict[str, Array]
) -> dict[str, bool | None]:
    """Whether each method beats all controls; methods that none can be held against are left out.

    To beat the strongest is to beat each, so that a method's p-value is its largest; Holm's correction is over methods.
    """
    found: dict[str, bool | None] = {}
    p_values: dict[str, float] = {}
    for method in methods:
        beside = [control for control in scores.controls if not (control == CHANCE and method in places)]
        pairs = [pair for control in beside if len(pair := gaps(method, control))]
        if not pairs and method not in places:
            continue
        ahead = all(pair.mean() > 0 for pair in pairs)
        if method in places and not (ahead and stands_out(places[method])):
            found[method] = False
        elif all(can_tell(len(pair), len(methods)) for pair in pairs):
            p_values[method] = max(map(_p_above, pairs), default=0.0)
        else:
            found[method] = True if method in places else None
    corrected = holm([*p_values.values()])
    return found | {method: p <= LEVEL for method, p in zip(p_values, corrected, strict=True)}


def _p_above(gaps: Array) -> float:
    """p-value that the gaps are not above 0; 1 of none."""
    return wilcoxon(gaps, np.zeros(len(gaps)), "greater")


def _leads(scores: ModelScores, method: str, control: str) -> bool:
    """Whether it stands before the control on average; before one without scores it does."""
    gaps = scores.ahead(method, control)
    return not len(gaps) or bool(gaps.mean() > 0)


def _strongest(scores: ModelScores) -> str | None:
    known = [each for each in scores.controls if any(scores.of(metric.name, each) for metric in scores.tests)]

    def standing(control: str) -> float:
        gaps = [scores.ahead(control, other) for other in known if other != control]
        return float(sum(each.mean() for each in gaps if len(each)))

    return max(known, key=standing, default=None)


def _is_first(scores: ModelScores, metric: type[Metric], order: Sequence[str]) -> bool:
    """Whether no other method has a better mean than the first, over the pictures that both have."""
    first = scores.of(metric.name, order[0])
    for method in order[1:]:
        other = scores.of(metric.name, method)
        shared = first.keys() & other.keys()
        gap = sum(first[image] - other[image] for image in shared)
        if (gap if metric.higher_is_better else -gap) < 0:
            return False
    return bool(first)
