"""How far to rely on each player: Dawid and Skene's model with one number for each player, and words that others share.

Source: Dawid & Skene 1979. Ours is its one-coin form: a player names what is to be seen with a chance of their own, or
else one of the other classes. What is to be seen need not be the true class, since a cluster may show grass alone; in
gold rounds it is. Chances start from a weak belief in people, Beta(2, 1), so that one answer decides nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seewhy.people.records import Answer

_PRIOR_RIGHT, _PRIOR_WRONG = 2.0, 1.0
_ROUNDS, _SETTLED = 100, 1e-8


@dataclass(frozen=True)
class Reliability:
    """What is known of one player.

    Attributes:
        guesses: Rounds not resigned, gold ones among them.
        ability: Expected share of guesses that name what is to be seen, in [0, 1].
        gold_right: Of `gold`, the gold rounds guessed, so many were right.
        shared_words: Share of the player's labels that another player gave to the same cluster too; None without any
            label that could be shared.
    """

    player: str
    guesses: int
    ability: float
    gold: int
    gold_right: int
    shared_words: float | None
    simulated: bool = False


def reliability(answers: Sequence[Answer], gold: Collection[int], options: Mapping[int, int]) -> list[Reliability]:
    """Every player of these answers, by name.

    `gold` are the rounds with a known answer; `options` says how many classes each round offers, two at least.
    """
    guessed = [answer for answer in answers if answer.guess is not None]
    abilities = _abilities(guessed, gold, options)
    shared = _shared_words(answers)
    found: list[Reliability] = []
    for player in sorted({answer.player for answer in answers}):
        own = [answer for answer in guessed if answer.player == player]
        golden = [answer.won for answer in own if answer.round in gold]
        simulated = any(answer.simulated for answer in answers if answer.player == player)
        ability = abilities.get(player, _PRIOR_RIGHT / (_PRIOR_RIGHT + _PRIOR_WRONG))
        found.append(Reliability(player, len(own), ability, len(golden), sum(golden), shared.get(player), simulated))
    return found


def _abilities(answers: Sequence[Answer], gold: Collection[int], options: Mapping[int, int]) -> dict[str, float]:
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
        for number, group in rounds.items():
            coders = [place[answer.player] for answer in group]
            agreeing = _believed(group, chances[coders], options[number], known=number in gold)
            right[coders] += agreeing
            wrong[coders] += 1 - agreeing
        before, chances = chances, right / (right + wrong)
        if np.abs(chances - before).max(initial=0) < _SETTLED:
            break
    return dict(zip(players, chances.tolist(), strict=True))


def _believed(
    group: Sequence[Answer], chances: NDArray[np.float64], options: int, *, known: bool
) -> NDArray[np.float64]:
    """For each answer of one round, how likely it names what is to be seen."""
    if known:
        return np.array([answer.won for answer in group], dtype=np.float64)
    named = sorted({answer.guess for answer in group if answer.guess is not None})
    said = np.array([[answer.guess == name for name in named] for answer in group])
    hit, miss = np.log(chances), np.log((1 - chances) / (options - 1))
    likelihood = np.where(said, hit[:, None], miss[:, None]).sum(axis=0)
    unnamed = miss.sum() + np.log(options - len(named)) if options > len(named) else -np.inf
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
            givers[answer.round, _plain(label)].add(answer.player)
    verdicts: defaultdict[str, list[bool]] = defaultdict(list)
    for (number, _), who in givers.items():
        if len(players[number]) > 1:
            for player in who:
                verdicts[player].append(len(who) > 1)
    return {player: float(np.mean(shared)) for player, shared in verdicts.items()}


def _plain(label: str) -> str:
    return " ".join(label.casefold().split())
