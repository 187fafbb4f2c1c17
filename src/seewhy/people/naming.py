"""What players call things that stand for themselves: which to show next, and the words on which people agree.

A word counts once for each player who says it, by how often others say what this player says: who types anything, or
the same everywhere, weighs little. Nothing stands before two people agree.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

AGREED = 2  # people
ENOUGH = 5  # people who are asked about one thing, before those with fewer come first


@dataclass(frozen=True)
class Said:
    """That `player` calls `thing` by a `label`; None where nothing of what they typed is a label, or they passed."""

    thing: str
    player: str
    label: str | None


@dataclass(frozen=True)
class Agreed:
    """A label, how many people gave it, and how many were asked."""

    label: str
    people: int
    asked: int


def agreed(said: Sequence[Said]) -> dict[str, Agreed]:
    """The label that stands on each thing: of those that two people or more give the one of most weight."""
    weights = reliability(said)
    givers: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    asked: defaultdict[str, set[str]] = defaultdict(set)
    for each in said:
        asked[each.thing].add(each.player)
        if each.label is not None:
            givers[each.thing][each.label].add(each.player)
    found: dict[str, Agreed] = {}
    for thing, labels in givers.items():
        able = {label: who for label, who in labels.items() if len(who) >= AGREED}
        if able:
            best = max(able, key=lambda label: (sum(weights[each] for each in able[label]), len(able[label]), label))
            found[thing] = Agreed(best, len(able[best]), len(asked[thing]))
    return found


def reliability(said: Sequence[Said]) -> dict[str, float]:
    """For each player the share of things of which another player said the same, drawn to a half while they are few."""
    others: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    players: defaultdict[str, set[str]] = defaultdict(set)
    for each in said:
        players[each.thing].add(each.player)
        if each.label is not None:
            others[each.thing, each.label].add(each.player)
    shared: defaultdict[str, set[str]] = defaultdict(set)
    asked: defaultdict[str, set[str]] = defaultdict(set)
    for each in said:
        if len(players[each.thing]) > 1:
            asked[each.player].add(each.thing)
            if each.label is not None and len(others[each.thing, each.label]) > 1:
                shared[each.player].add(each.thing)
    return {player: (len(shared[player]) + 1) / (len(asked[player]) + 2) for player in {each.player for each in said}}


def next_thing(things: Sequence[str], said: Sequence[Said], player: str) -> str | None:
    """The thing to show a player next; None when they have said something of each.

    Those that few people were asked about come first, each player from another start, so that a crowd does not all
    begin with the same.
    """
    asked: Mapping[str, set[str]] = {thing: {each.player for each in said if each.thing == thing} for thing in things}
    left = [thing for thing in things if player not in asked[thing]]
    return min(left, key=lambda thing: (len(asked[thing]) // ENOUGH, _scatter(player, thing)), default=None)


def _scatter(player: str, thing: str) -> bytes:
    return sha256(f"{player}:{thing}".encode()).digest()
