"""Players made of chance, so that everything from rounds to words can be tried without people.

They play the game by its own functions, in rounds for simulated players alone, and every record of theirs says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from sqlalchemy import select

from seewhy.core.progress import Progress, silent
from seewhy.people.game import LAST_STAGE, guess, next_round, resign, show_more
from seewhy.people.players import join
from seewhy.people.records import RoundView
from seewhy.people.store import Store
from seewhy.people.tables import RoundRow
from seewhy.people.vocabulary import CONCEPTS, Concept, concept_of, misspelt

_TYPO = 0.1  # of an honest word
_KNOWS = (0.35, 0.5, 0.65, 0.75, 0.85, 0.9)  # an honest player recognises the class at each stage, if at all
_PATIENCE = 0.9  # goes on looking rather than guess blindly
_RUDE = ("crap", "stupid", "damn", "<script>alert(1)</script>", "=1+1", "asdf", "aaaa")


@dataclass(frozen=True)
class Crowd:
    """How many simulated players there are, and of what kind; the rest of the shares is honest."""

    players: int = 10
    careless: float = 0.2
    hostile: float = 0.1
    seed: int = 0

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kind of each player, to the nearest whole player."""
        careless, hostile = round(self.players * self.careless), round(self.players * self.hostile)
        honest = self.players - careless - hostile
        return ("honest",) * honest + ("careless",) * careless + ("hostile",) * hostile


def concepts_of_rounds(store: Store, seed: int = 0) -> dict[int, Concept]:
    """What honest players see in each simulated round: one concept for each class, layer and cluster, by the seed."""
    with store.reading() as session:
        rows = session.execute(
            select(RoundRow.id, RoundRow.true_class, RoundRow.layer, RoundRow.cluster).where(RoundRow.simulated)
        )
        return {number: concept_of(true_class, layer, cluster, seed) for number, true_class, layer, cluster in rows}


def simulate(store: Store, crowd: Crowd, progress: Progress = silent) -> int:
    """Let the crowd play by turns until no simulated round is left; returns how many answers it gave."""
    concepts, classes = concepts_of_rounds(store, crowd.seed), _classes(store)
    players = [
        _Player(store, join(store, f"simulated {kind} {number:02d}", simulated=True), kind, concepts, classes,
                np.random.default_rng([crowd.seed, number]))
        for number, kind in enumerate(crowd.kinds, start=1)
    ]  # fmt: skip
    given = 0
    while players:
        players = [player for player in players if player.play()]
        given += len(players)
        progress(given, None, "simulated answers")
    return given


def _classes(store: Store) -> dict[int, str]:
    with store.reading() as session:
        rows = session.execute(select(RoundRow.id, RoundRow.true_class).where(RoundRow.simulated))
        return {row.id: row.true_class for row in rows}


@dataclass(eq=False)
class _Player:
    """One simulated player; knows what people know by looking, which the game does not tell."""

    store: Store
    name: str
    kind: str
    concepts: Mapping[int, Concept]
    classes: Mapping[int, str]
    chance: np.random.Generator
    played: int = field(default=0)

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
        other = CONCEPTS[self.chance.integers(len(CONCEPTS))]
        self._guess(view, self._any(view.options), self._words(other)[:1])

    def _with_malice(self, view: RoundView) -> None:
        """Type what does harm; now and then with the right class, which gives it weight."""
        right = self.chance.random() < 0.5
        choice = self.classes[view.round] if right else self._any(view.options)
        self._guess(view, choice, (self._any(_RUDE),))

    def _guess(self, view: RoundView, choice: str, labels: tuple[str, ...]) -> None:
        guess(self.store, self.name, view.round, choice, labels, key=f"round {view.round}")

    def _words(self, concept: Concept) -> tuple[str, ...]:
        """One or two of the concept's words."""
        count = min(len(concept.words), int(self.chance.integers(1, 3)))
        chosen = self.chance.permutation(len(concept.words))[:count]
        words = (concept.words[index] for index in chosen)
        return tuple(misspelt(word, self.chance) if self.chance.random() < _TYPO else word for word in words)

    def _any(self, choices: tuple[str, ...]) -> str:
        return choices[self.chance.integers(len(choices))]
