"""Who plays: names, and the secret by which a device shows whose name it plays under."""

from __future__ import annotations

import secrets
from datetime import timedelta
from hashlib import sha256

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from seewhy.errors import Conflict, UnknownName, UsageError
from seewhy.people.store import Store, storable
from seewhy.people.tables import PlayerRow, SessionRow

LONGEST_NAME = 64  # characters

_NOTICED = timedelta(minutes=1)  # a session's last use is written down no oftener


def join(store: Store, name: str, *, simulated: bool = False, fresh: bool = False) -> str:
    """The player called `name`, spaces tidied, made if new; returns the name as it is kept.

    Raises:
        UsageError: an empty name, or one of more than 64 characters.
        Conflict: a person has a simulated player's name, or the other way round; with `fresh`, anybody has the name.
    """
    tidy = " ".join(storable(name).split())
    if not 0 < len(tidy) <= LONGEST_NAME:
        raise UsageError(f"a player's name has 1 to {LONGEST_NAME} characters, not {len(tidy)}")
    with store.reading() as session:
        known = session.scalar(select(PlayerRow).where(PlayerRow.name == tidy))
    if known is None:
        try:
            with store.writing() as session:
                session.add(PlayerRow(name=tidy, simulated=simulated, joined=store.clock()))
        except IntegrityError:  # somebody of that name joined in this moment
            return join(store, tidy, simulated=simulated, fresh=fresh)
    elif fresh:
        raise Conflict(f"somebody plays as {tidy!r} already; choose another name")
    elif known.simulated != simulated:
        kind = "simulated" if known.simulated else "a person"
        raise Conflict(f"there is a player called {tidy!r} already, who is {kind}; choose another name")
    return tidy


def find_player(session: Session, name: str) -> PlayerRow:
    """The player called `name`.

    Raises:
        UnknownName: nobody is.
    """
    found = session.scalar(select(PlayerRow).where(PlayerRow.name == storable(name)))
    if found is None:
        raise UnknownName(f"no player is called {name!r}; join first")
    return found


def begin_session(store: Store, player: str) -> str:
    """A secret for one device of this player; whoever shows it plays under the name."""
    token = secrets.token_urlsafe(32)
    with store.writing() as session:
        now = store.clock()
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


def _hash(token: str) -> str:
    return sha256(token.encode("utf-8", "replace")).hexdigest()
