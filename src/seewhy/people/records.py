"""Answers, pictures and new rounds as plain records, without a database."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Answer:
    """What one player said of one cluster."""

    round: int  # its number in the store
    player: str
    image: str  # what people call the picture, mostly its file name
    image_hash: str  # SHA-256 of the picture's pixels, as `Image.sha256`
    layer: str
    cluster: int  # its index in the layer
    true_class: str  # the class that the cluster speaks for
    guess: str | None  # None where the player resigned
    stage: int  # 0 to 5, how much had been revealed by then
    labels: tuple[str, ...]  # the player's own words, as typed; none where the player resigned
    language: str = "en"  # of the labels, as a BCP 47 tag
    simulated: bool = False  # no person said this
    weight: float = 0.0  # the percentage of its layer that the cluster weighed when the round was made
    gold: bool = False  # everybody plays the round as a check
    choices: int = 2  # how many classes the round offered, two at least

    @property
    def won(self) -> bool:
        """Whether the guess was right."""
        return self.guess == self.true_class

    @property
    def outcome(self) -> str:
        """How the round ended: `won`, `lost` or `resigned`."""
        return "resigned" if self.guess is None else "won" if self.won else "lost"


@dataclass(frozen=True, eq=False)
class Picture:
    """The part of a photo that the network saw, as players see it: encoded, small, without a name they could read."""

    image: str  # what people call the photo; kept from players, since it may name the class
    image_hash: str  # SHA-256 of the photo's pixels, as `Image.sha256`
    content: bytes  # PNG, JPEG or WebP


@dataclass(frozen=True, eq=False)
class NewRound:
    """One cluster that people are to put into words."""

    picture: Picture
    model: str  # fingerprint of the classifier
    layer: str
    cluster: int
    weight: float  # its percentage of its layer
    map: NDArray[np.float32]  # `(h, w)` on the layer's grid, over the picture
    true_class: str
    options: tuple[str, ...]  # class names to choose from, the true class among them
    overlap: int = 3  # so many different players are to answer
    gold: bool = False  # everybody plays it, as a check of players: a picture that nobody attentive mistakes
    simulated: bool = False  # for simulated players alone
