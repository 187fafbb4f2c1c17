"""Players made of chance, so that everything from rounds to words can be tried without people.

They play the game by its own functions, in rounds for simulated players alone, and every record of theirs says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from sqlalchemy import Row, select

from seewhy.core.progress import Progress, silent
from seewhy.people.game import LAST_STAGE, RoundView, guess, next_round, resign, show_more
from seewhy.people.players import join
from seewhy.people.store import RoundRow, Store

# Things to be seen; any word of one is a right label for it.
CONCEPTS = {
    "ear": ("ear", "ears", "pointed ear", "pointy ears"),
    "eye": ("eye", "eyes", "round eyes", "dark eyes"),
    "nose": ("nose", "noses", "wet nose", "black nose"),
    "fur": ("fur", "furry", "soft fur", "brown fur"),
    "tail": ("tail", "tails", "long tail", "bushy tail"),
    "leg": ("leg", "legs", "thin legs", "four legs"),
    "wing": ("wing", "wings", "spread wings", "feathered wing"),
    "beak": ("beak", "beaks", "yellow beak", "curved beak"),
    "wheel": ("wheel", "wheels", "round wheel", "front wheel"),
    "window": ("window", "windows", "glass window", "side windows"),
    "door": ("door", "doors", "wooden door", "open door"),
    "roof": ("roof", "roofs", "tiled roof", "red roof"),
    "water": ("water", "waters", "blue water", "water surface"),
    "grass": ("grass", "grassy", "green grass", "tall grass"),
    "sky": ("sky", "skies", "blue sky", "cloudy sky"),
    "tree": ("tree", "trees", "tree trunk", "green trees"),
    "hand": ("hand", "hands", "human hand", "holding hand"),
    "face": ("face", "faces", "human face", "smiling face"),
    "string": ("string", "strings", "guitar string", "tight strings"),
    "button": ("button", "buttons", "round button", "small buttons"),
    "handle": ("handle", "handles", "curved handle", "metal handle"),
    "stripe": ("stripe", "stripes", "striped", "dark stripes"),
    "letter": ("letter", "letters", "printed letters", "big letter"),
    "shadow": ("shadow", "shadows", "dark shadow", "long shadow"),
}

_TYPO = 0.1  # of an honest word
_SHORTEST_MISSPELT = 5
_KNOWS = (0.35, 0.5, 0.65, 0.75, 0.85, 0.9)  # an honest player recognises the class at each stage, if at all
_PATIENCE = 0.9  # goes on looking rather than guess blindly
_RUDE = ("crap", "stupid", "damn", "<script>alert(1)</script>", "=1+1", "asdf", "aaaa")


def simulate(
    store: Store,
    players: int = 10,
    careless: float = 0.2,
    hostile: float = 0.1,
    seed: int = 0,
    progress: Progress = silent,
) -> int:
    """Let simulated players play by turns until no simulated round is left; returns how many answers they gave.

    Args:
        store: with rounds for simulated players.
        players: how many there are.
        careless: the share of them who answer at random.
        hostile: the share of them who mean harm; the rest is honest.
        seed: of what they see and do.
        progress: told of answers; raise `Cancelled` in it to stop.
    """
    concepts = concepts_of_rounds(store, seed)
    classes = {row.id: row.true_class for row in _rounds(store)}
    playing = [
        _Player(store, join(store, f"simulated {kind} {number:02d}", simulated=True), kind, concepts, classes,
                np.random.default_rng([seed, number]))
        for number, kind in enumerate(kinds_of_players(players, careless, hostile), start=1)
    ]  # fmt: skip
    given = 0
    while playing:
        playing = [player for player in playing if player.play()]
        given += len(playing)
        progress(given, None, "simulated answers")
    return given


def kinds_of_players(players: int, careless: float, hostile: float) -> tuple[str, ...]:
    """The kind of each player, to the nearest whole player.

    >>> kinds_of_players(4, careless=0.25, hostile=0.2)
    ('honest', 'honest', 'careless', 'hostile')
    """
    many_careless, many_hostile = round(players * careless), round(players * hostile)
    honest = players - many_careless - many_hostile
    return ("honest",) * honest + ("careless",) * many_careless + ("hostile",) * many_hostile


def concepts_of_rounds(store: Store, seed: int = 0) -> dict[int, str]:
    """What honest players see in each simulated round: one concept for each class, layer and cluster, by the seed."""
    return {row.id: concept_of(row.true_class, row.layer, row.cluster, seed) for row in _rounds(store)}


def concept_of(true_class: str, layer: str, cluster: int, seed: int = 0) -> str:
    """The concept that a cluster of a class stands for, the same whenever it is asked for."""
    digest = sha256(f"{seed}:{true_class}:{layer}:{cluster}".encode()).digest()
    return list(CONCEPTS)[int.from_bytes(digest[:8], "big") % len(CONCEPTS)]


def misspelt(word: str, chance: np.random.Generator) -> str:
    """The word with two neighbouring letters exchanged; a short one stays as it is, since it would become another."""
    if len(word) < _SHORTEST_MISSPELT:
        return word
    place = int(chance.integers(1, len(word) - 2))
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]


@dataclass(eq=False)
class _Player:
    """One simulated player; knows what people know by looking, which the game does not tell."""

    store: Store
    name: str
    kind: str
    concepts: Mapping[int, str]
    classes: Mapping[int, str]
    chance: np.random.Generator

    def play(self) -> bool:
        """One round; False when nothing is left."""
        view = next_round(self.store, self.name)
        if view is None:
            return False
        {"honest": self._honestly, "careless": self._carelessly, "hostile": self._with_malice}[self.kind](view)
        return True

    def _honestly(self, view: RoundView) -> None:
        """Look until the class is recognised; then name what is to be seen, at times misspelt."""
        seen = self.chance.random()
        while seen > _KNOWS[view.stage] and view.stage < LAST_STAGE and self.chance.random() < _PATIENCE:
            view = show_more(self.store, self.name, view.round, view.stage)
        if seen <= _KNOWS[view.stage]:
            self._guess(view, self.classes[view.round], self._words(self.concepts[view.round]))
        elif view.stage == LAST_STAGE:
            resign(self.store, self.name, view.round, key=f"round {view.round}")
        else:
            self._guess(view, self._any(view.options), self._words(self.concepts[view.round]))

    def _carelessly(self, view: RoundView) -> None:
        """Guess at once, and type whatever comes to mind."""
        other = list(CONCEPTS)[self.chance.integers(len(CONCEPTS))]
        self._guess(view, self._any(view.options), self._words(other)[:1])

    def _with_malice(self, view: RoundView) -> None:
        """Type what does harm; now and then with the right class, which gives it weight."""
        right = self.chance.random() < 0.5
        choice = self.classes[view.round] if right else self._any(view.options)
        self._guess(view, choice, (self._any(_RUDE),))

    def _guess(self, view: RoundView, choice: str, labels: tuple[str, ...]) -> None:
        guess(self.store, self.name, view.round, choice, labels, key=f"round {view.round}")

    def _words(self, concept: str) -> tuple[str, ...]:
        """One or two of the concept's words."""
        words = CONCEPTS[concept]
        count = min(len(words), int(self.chance.integers(1, 3)))
        chosen = [words[index] for index in self.chance.permutation(len(words))[:count]]
        return tuple(misspelt(word, self.chance) if self.chance.random() < _TYPO else word for word in chosen)

    def _any(self, choices: tuple[str, ...]) -> str:
        return choices[self.chance.integers(len(choices))]


def _rounds(store: Store) -> Sequence[Row[int, str, str, int]]:
    wanted = select(RoundRow.id, RoundRow.true_class, RoundRow.layer, RoundRow.cluster).where(RoundRow.simulated)
    with store.reading() as session:
        return session.execute(wanted).all()
