"""What simulated players say: concepts with words that mean them, and slips of the finger."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

import numpy as np

_SHORTEST_MISSPELT = 5


@dataclass(frozen=True)
class Concept:
    """Something to be seen; any of `words` is a right label for it, the first being its name."""

    words: tuple[str, ...]

    @property
    def name(self) -> str:
        """The plainest word for it."""
        return self.words[0]


CONCEPTS = tuple(
    Concept(words)
    for words in (
        ("ear", "ears", "pointed ear", "pointy ears"),
        ("eye", "eyes", "round eyes", "dark eyes"),
        ("nose", "noses", "wet nose", "black nose"),
        ("fur", "furry", "soft fur", "brown fur"),
        ("tail", "tails", "long tail", "bushy tail"),
        ("leg", "legs", "thin legs", "four legs"),
        ("wing", "wings", "spread wings", "feathered wing"),
        ("beak", "beaks", "yellow beak", "curved beak"),
        ("wheel", "wheels", "round wheel", "front wheel"),
        ("window", "windows", "glass window", "side windows"),
        ("door", "doors", "wooden door", "open door"),
        ("roof", "roofs", "tiled roof", "red roof"),
        ("water", "waters", "blue water", "water surface"),
        ("grass", "grassy", "green grass", "tall grass"),
        ("sky", "skies", "blue sky", "cloudy sky"),
        ("tree", "trees", "tree trunk", "green trees"),
        ("hand", "hands", "human hand", "holding hand"),
        ("face", "faces", "human face", "smiling face"),
        ("string", "strings", "guitar string", "tight strings"),
        ("button", "buttons", "round button", "small buttons"),
        ("handle", "handles", "curved handle", "metal handle"),
        ("stripe", "stripes", "striped", "dark stripes"),
        ("letter", "letters", "printed letters", "big letter"),
        ("shadow", "shadows", "dark shadow", "long shadow"),
    )
)


def concept_of(true_class: str, layer: str, cluster: int, seed: int = 0) -> Concept:
    """The concept that a cluster of a class stands for, the same whenever it is asked for."""
    digest = sha256(f"{seed}:{true_class}:{layer}:{cluster}".encode()).digest()
    return CONCEPTS[int.from_bytes(digest[:8], "big") % len(CONCEPTS)]


def misspelt(word: str, chance: np.random.Generator) -> str:
    """The word with two neighbouring letters exchanged; a short one stays as it is, since it would become another."""
    if len(word) < _SHORTEST_MISSPELT:
        return word
    place = int(chance.integers(1, len(word) - 2))
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
