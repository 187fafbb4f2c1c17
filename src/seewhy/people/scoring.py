"""Points, the leaderboard and a player's own statistics."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from seewhy.people.records import Answer
from seewhy.people.reveal import STAGES

_STEP = 10


def points(stage: int, *, won: bool) -> int:
    """60 for a right guess at the first stage, 10 less for each further one; 0 without a right guess.

    Source: Bianchi et al. 2024 say that points fall with the stage, not how; the numbers are ours.
    """
    return _STEP * (STAGES - stage) if won else 0


@dataclass(frozen=True)
class Standing:
    """What one player has done.

    Attributes:
        mean_stage: Of the rounds won, 0 to 5; None without any.
        labels: Words given in all.
    """

    player: str
    points: int
    won: int
    lost: int
    resigned: int
    mean_stage: float | None
    labels: int
    simulated: bool = False

    @property
    def played(self) -> int:
        """Rounds in all."""
        return self.won + self.lost + self.resigned


def standing(player: str, answers: Sequence[Answer]) -> Standing:
    """One player's statistics, from that player's answers."""
    stages = [answer.stage for answer in answers if answer.won]
    resigned = sum(answer.guess is None for answer in answers)
    return Standing(
        player,
        sum(points(answer.stage, won=answer.won) for answer in answers),
        len(stages),
        len(answers) - len(stages) - resigned,
        resigned,
        float(np.mean(stages)) if stages else None,
        sum(len(answer.labels) for answer in answers),
        any(answer.simulated for answer in answers),
    )


def leaderboard(answers: Iterable[Answer]) -> list[Standing]:
    """All players, most points first; of equals who needed fewer rounds, then by name."""
    own: defaultdict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        own[answer.player].append(answer)
    found = [standing(player, given) for player, given in own.items()]
    return sorted(found, key=lambda each: (-each.points, each.played, each.player))
