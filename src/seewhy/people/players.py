"""Who plays, and how well: names, secrets of devices, points and the leaderboard."""

from __future__ import annotations

import secrets
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

import numpy as np
from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from seewhy.core.text import shown
from seewhy.errors import Conflict
from seewhy.people.game import points
from seewhy.people.names import checked_player, taken_for
from seewhy.people.records import Answer
from seewhy.people.store import PlayerRow, SessionRow, Store, find_player, take_turns

_NOTICED = timedelta(minutes=1)  # a session's last use is written down no more often


def join(store: Store, name: str, *, simulated: bool = False, fresh: bool = False) -> str:
    """The player called `name`, spaces tidied, made if new; returns the name as it is kept.

    Raises:
        UsageError: an empty name, one of more than 64 letters, or one that holds what nobody can see.
        Conflict: a person has a simulated player's name, or the other way round; with `fresh`, anybody has the name;
            somebody has another name that looks the same; the host has banned the player.
    """
    tidy = checked_player(name)
    with store.reading() as session:
        known = session.scalar(select(PlayerRow).where(PlayerRow.name == tidy))
    if known is None:
        try:
            with store.writing() as session:
                take_turns(session)
                _check_look(session, tidy)
                session.add(PlayerRow(name=tidy, simulated=simulated, joined=store.clock()))
        except IntegrityError:  # somebody of that name joined in this moment
            return join(store, tidy, simulated=simulated, fresh=fresh)
    elif fresh:
        raise Conflict(f"somebody plays as {tidy} already; choose another name")
    elif known.banned:
        raise Conflict(f"the host has banned the player {tidy}; ask the host, or choose another name")
    elif known.simulated != simulated:
        kind = "simulated" if known.simulated else "a person"
        raise Conflict(f"there is a player called {tidy} already, who is {kind}; choose another name")
    return tidy


def _check_look(session: Session, name: str) -> None:
    """Refuse a name that people would take for another player's."""
    if other := taken_for(name, session.scalars(select(PlayerRow.name).where(PlayerRow.name != name))):
        raise Conflict(f"{name} looks like {shown(other)}, who plays already; write it just so, or choose another name")


def begin_session(store: Store, player: str, token: str | None = None) -> str:
    """A token for one device of this player; a request that shows it plays under the name.

    A device may have its token already; whoever played there before does so no longer.
    """
    token = token or secrets.token_urlsafe(32)
    with store.writing() as session:
        now = store.clock()
        session.execute(delete(SessionRow).where(SessionRow.token_hash == _hash(token)))
        session.add(SessionRow(player_id=find_player(session, player).id, token_hash=_hash(token), began=now, seen=now))
    return token


def player_of(store: Store, token: str) -> str | None:
    """Whose session this is; None where it never began or has ended."""
    now, wanted = store.clock(), SessionRow.token_hash == _hash(token)
    with store.reading() as session:
        found = session.scalar(select(SessionRow).where(wanted))
        if found is None:
            return None
        name, seen = found.player.name, found.seen
    if now - seen > _NOTICED:
        with store.writing() as session:
            session.execute(update(SessionRow).where(wanted).values(seen=now))
    return name


def end_session(store: Store, token: str) -> None:
    """Forget the secret."""
    with store.writing() as session:
        session.execute(delete(SessionRow).where(SessionRow.token_hash == _hash(token)))


@dataclass(frozen=True)
class Standing:
    """What one player has done."""

    player: str
    points: int
    won: int
    lost: int
    resigned: int
    mean_stage: float | None  # of the rounds won, 0 to 5; None without any
    labels: int  # words given in all
    simulated: bool = False

    @property
    def played(self) -> int:
        """Rounds in all."""
        return self.won + self.lost + self.resigned


def standing(player: str, answers: Sequence[Answer]) -> Standing:
    """One player's statistics, from that player's answers."""
    outcomes = Counter(answer.outcome for answer in answers)
    stages = [answer.stage for answer in answers if answer.won]
    return Standing(
        player,
        sum(points(answer.stage, won=answer.won) for answer in answers),
        outcomes["won"],
        outcomes["lost"],
        outcomes["resigned"],
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


def _hash(token: str) -> str:
    return sha256(token.encode("utf-8", "replace")).hexdigest()
