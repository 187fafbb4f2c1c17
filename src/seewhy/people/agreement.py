"""How far people agree, and how far to rely on each of them.

On classes they agree by Krippendorff's α, on areas by intersection over union. Reliability is Dawid and Skene's model
with one number for each player, and words that others share.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from seewhy.images import iou
from seewhy.people.masks import MaskRevision, drawn
from seewhy.people.records import Answer
from seewhy.people.rounds import answers
from seewhy.people.store import Store

_PRIOR_RIGHT, _PRIOR_WRONG = 2.0, 1.0
_ROUNDS, _SETTLED = 100, 1e-8


@dataclass(frozen=True)
class Agreement:
    """How far people agree, and how far to rely on each of them."""

    answers: int  # how many there are
    alpha: float | None  # Krippendorff's α of their guesses; None where no two people guessed in one round
    layers: Mapping[str, float | None]  # the same for each layer
    areas: tuple[AreaAgreement, ...]  # of each picture and label that several people drew
    players: tuple[Reliability, ...]


def agreement(store: Store, *, simulated: bool = False) -> Agreement:
    """Of people, or of simulated players; never of both together."""
    given = answers(store, simulated=simulated)
    layers = dict.fromkeys(answer.layer for answer in given)
    return Agreement(
        len(given),
        guess_agreement(given),
        {layer: guess_agreement(each for each in given if each.layer == layer) for layer in layers},
        tuple(area_agreement(each for each in drawn(store) if each.simulated == simulated)),
        tuple(reliability(given)),
    )


def krippendorff_alpha(units: Iterable[Sequence[Hashable]]) -> float | None:
    """Nominal α of what several coders called each unit, coders that said nothing left out.

    1 is perfect agreement, 0 what chance gives, less is worse than chance. None where no unit has two values; 1 where
    all values are the same, since none of them disagree.

    Source: Krippendorff 2011, Computing Krippendorff's Alpha-Reliability, section D.

    >>> krippendorff_alpha([["cat", "cat"], ["dog", "dog"], ["cat", "dog"], ["owl"]])
    0.4444444444444444
    """
    observed, totals = 0.0, Counter[Hashable]()
    for values in (list(unit) for unit in units if len(unit) > 1):
        counts = Counter(values)
        same = sum(count * (count - 1) for count in counts.values())
        observed += (len(values) * (len(values) - 1) - same) / (len(values) - 1)
        totals += counts
    pairable = totals.total()
    if not pairable:
        return None
    expected = pairable**2 - sum(count**2 for count in totals.values())
    return 1 - (pairable - 1) * observed / expected if expected else 1.0


def guess_agreement(answers: Iterable[Answer]) -> float | None:
    """α of the classes guessed, a round being the unit; who resigned said nothing."""
    guesses: defaultdict[int, list[str]] = defaultdict(list)
    for answer in answers:
        if answer.guess is not None:
            guesses[answer.round].append(answer.guess)
    return krippendorff_alpha(guesses.values())


@dataclass(frozen=True)
class AreaAgreement:
    """How far the players who drew `label` on one picture agree; `iou` is the mean over all pairs of them."""

    image: str
    label: str
    players: int
    iou: float


def area_agreement(drawn: Iterable[MaskRevision]) -> list[AreaAgreement]:
    """For each picture and label that several players drew, from the last state of each player's mask."""
    groups: defaultdict[tuple[str, str, int, int], list[MaskRevision]] = defaultdict(list)
    for each in drawn:
        groups[each.image_hash, each.label, each.height, each.width].append(each)
    found: list[AreaAgreement] = []
    for group in (group for group in groups.values() if len(group) > 1):
        masks = [each.mask for each in group]
        mean = float(np.mean([iou(one, other) for one, other in combinations(masks, 2)]))
        found.append(AreaAgreement(group[0].image, group[0].label, len(group), mean))
    return found


@dataclass(frozen=True)
class Reliability:
    """What is known of one player.

    `shared_words` is the share of labels that another player gave to the same cluster too; None without any label that
    could be shared.
    """

    player: str
    guesses: int  # rounds not resigned, gold ones among them
    ability: float  # expected share of guesses that name what is to be seen, in [0, 1]
    gold: int  # gold rounds guessed
    gold_right: int
    shared_words: float | None
    simulated: bool = False


def reliability(answers: Sequence[Answer]) -> list[Reliability]:
    """Every player of these answers, by name.

    Source: Dawid & Skene 1979. Ours is its one-coin form: a player names what is to be seen with a chance of their own,
    or else one of the other classes. What is to be seen need not be the true class, since a cluster may show grass
    alone; in gold rounds it is. Chances start from a weak belief in people, Beta(2, 1), so that one answer decides
    nothing.
    """
    guessed = [answer for answer in answers if answer.guess is not None]
    abilities = _abilities(guessed)
    shared = _shared_words(answers)
    found: list[Reliability] = []
    for player in sorted({answer.player for answer in answers}):
        own = [answer for answer in guessed if answer.player == player]
        golden = [answer.won for answer in own if answer.gold]
        simulated = any(answer.simulated for answer in answers if answer.player == player)
        ability = abilities.get(player, _PRIOR_RIGHT / (_PRIOR_RIGHT + _PRIOR_WRONG))
        found.append(Reliability(player, len(own), ability, len(golden), sum(golden), shared.get(player), simulated))
    return found


def _abilities(answers: Sequence[Answer]) -> dict[str, float]:
    """Expectation maximisation: what is to be seen in each round, then how often each player names it."""
    players = sorted({answer.player for answer in answers})
    place = {player: number for number, player in enumerate(players)}
    rounds: defaultdict[int, list[Answer]] = defaultdict(list)
    for answer in answers:
        rounds[answer.round].append(answer)
    chances = np.full(len(players), 0.75)
    for _ in range(_ROUNDS):
        right = np.full(len(players), _PRIOR_RIGHT)
        wrong = np.full(len(players), _PRIOR_WRONG)
        for group in rounds.values():
            coders = [place[answer.player] for answer in group]
            agreeing = _believed(group, chances[coders])
            right[coders] += agreeing
            wrong[coders] += 1 - agreeing
        before, chances = chances, right / (right + wrong)
        if np.abs(chances - before).max(initial=0) < _SETTLED:
            break
    return dict(zip(players, chances.tolist(), strict=True))


def _believed(group: Sequence[Answer], chances: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each answer of one round, how likely it names what is to be seen."""
    if group[0].gold:
        return np.array([answer.won for answer in group], dtype=np.float64)
    named = sorted({answer.guess for answer in group if answer.guess is not None})
    said = np.array([[answer.guess == name for name in named] for answer in group])
    choices = group[0].choices
    hit, miss = np.log(chances), np.log((1 - chances) / (choices - 1))
    likelihood = np.where(said, hit[:, None], miss[:, None]).sum(axis=0)
    unnamed = miss.sum() + np.log(choices - len(named)) if choices > len(named) else -np.inf
    every = np.append(likelihood, unnamed)
    belief = np.exp(every - every.max())
    belief /= belief.sum()
    return said @ belief[:-1]


def _shared_words(answers: Sequence[Answer]) -> dict[str, float]:
    """Each player's share of labels that another player of the same round gave too, case and spaces aside."""
    givers: defaultdict[tuple[int, str], set[str]] = defaultdict(set)
    players: defaultdict[int, set[str]] = defaultdict(set)
    for answer in answers:
        if answer.labels:
            players[answer.round].add(answer.player)
        for label in answer.labels:
            givers[answer.round, " ".join(label.casefold().split())].add(answer.player)
    verdicts: defaultdict[str, list[bool]] = defaultdict(list)
    for (number, _), who in givers.items():
        if len(players[number]) > 1:
            for player in who:
                verdicts[player].append(len(who) > 1)
    return {player: float(np.mean(shared)) for player, shared in verdicts.items()}
