"""Games of ten rounds, each on another photo: where a player stands, what came of a game, and the rounds of the day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256

from sqlalchemy import select

from seewhy.people.game import points
from seewhy.people.records import Answer
from seewhy.people.store import RoundRow, Store

ROUNDS = 10


@dataclass(frozen=True)
class Game:
    """The rounds of one game of a player, in the order in which they were answered."""

    answers: tuple[Answer, ...]

    @property
    def points(self) -> int:
        """Those of right guesses; nothing else scores."""
        return sum(points(each.stage, won=each.won) for each in self.answers)

    @property
    def won(self) -> int:
        """How many guesses were right."""
        return sum(each.won for each in self.answers)

    @property
    def over(self) -> bool:
        """Whether all rounds are played."""
        return len(self.answers) == ROUNDS


def games(given: Sequence[Answer]) -> list[Game]:
    """A player's answers as games of ten rounds, the last of which may be under way.

    No photo is in a game twice: what would be a second round on it begins the next game.
    """
    found: list[list[Answer]] = []
    for answer in given:
        full = not found or len(found[-1]) == ROUNDS
        if full or answer.image_hash in {each.image_hash for each in found[-1]}:
            found.append([])
        found[-1].append(answer)
    return [Game(tuple(each)) for each in found]


def rounds_of_day(store: Store, day: date, count: int = ROUNDS) -> tuple[int, ...]:
    """The rounds that everybody plays on a day, each on another photo, the same for all while no rounds are added.

    Which they are, and their order, is settled by the day alone. Fewer where there are fewer photos.
    """
    wanted = select(RoundRow.id, RoundRow.picture_id).where(~RoundRow.simulated & ~RoundRow.gold)
    with store.reading() as session:
        rows = session.execute(wanted.order_by(RoundRow.id)).all()
    drawn = sorted((_drawn(day, number), number, picture) for number, picture in rows)
    first: dict[int, int] = {}
    for _, number, picture in drawn:
        first.setdefault(picture, number)
    return tuple(first.values())[:count]


def _drawn(day: date, number: int) -> bytes:
    return sha256(f"{day.isoformat()}:{number}".encode()).digest()
