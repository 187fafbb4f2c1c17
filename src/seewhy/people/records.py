"""Answers, pictures and new rounds as plain records, without a database."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Answer:
    """What one player said of one cluster.

    Attributes:
        round: The round's number in the store.
        player: The player's name.
        image: What people call the picture, mostly its file name.
        image_hash: SHA-256 of the picture's pixels, as `Image.sha256`.
        cluster: Its index in the layer.
        true_class: The class that the cluster speaks for.
        guess: The class guessed; None where the player resigned.
        stage: 0 to 5, how much had been revealed by then.
        labels: The player's own words, as typed; none where the player resigned.
        language: Of the labels, as a BCP 47 tag.
        simulated: No person said this.
        weight: The percentage of its layer that the cluster weighed when the round was made.
        gold: Whether everybody plays the round as a check.
        choices: How many classes the round offered, two at least.
    """

    round: int
    player: str
    image: str
    image_hash: str
    layer: str
    cluster: int
    true_class: str
    guess: str | None
    stage: int
    labels: tuple[str, ...]
    language: str = "en"
    simulated: bool = False
    weight: float = 0.0
    gold: bool = False
    choices: int = 2

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
    """The part of a photo that the network saw, as players see it: encoded, small, and without a name they could read.

    Attributes:
        image: What people call the photo; kept from players, since it may name the class.
        image_hash: SHA-256 of the photo's pixels, as `Image.sha256`.
        content: PNG, JPEG or WebP.
    """

    image: str
    image_hash: str
    content: bytes


@dataclass(frozen=True, eq=False)
class NewRound:
    """One cluster that people are to put into words.

    Attributes:
        model: Fingerprint of the classifier.
        weight: The cluster's percentage of its layer.
        map: float32 `(h, w)` on the layer's grid, over the picture.
        options: Class names to choose from, the true class among them.
        overlap: So many different players are to answer.
        gold: Everybody plays it, as a check of players: a picture that nobody attentive mistakes.
        simulated: For simulated players alone.
    """

    picture: Picture
    model: str
    layer: str
    cluster: int
    weight: float
    map: NDArray[np.float32]
    true_class: str
    options: tuple[str, ...]
    overlap: int = 3
    gold: bool = False
    simulated: bool = False
