"""What whoever runs a game may do about a player: ban, lift the ban, forget."""

from __future__ import annotations

from collections import Counter
from typing import Any, cast

from sqlalchemy import CursorResult, Delete, delete, func, select, update
from sqlalchemy.orm import Session

from seewhy.core.text import visible
from seewhy.people.store import (
    AnswerRow,
    LabelRow,
    MaskRow,
    PlayerRow,
    RevisionRow,
    RoundRow,
    SeatRow,
    SessionRow,
    Store,
    player_row,
)


def ban(store: Store, player: str) -> None:
    """End a player's sessions and refuse new ones; their answers and masks no longer count, and others get their seats.

    Nothing is deleted: `lift` takes it all back.

    Raises:
        UnknownName: nobody is called so.
    """
    with store.writing() as session:
        who = _named(session, player)
        who.banned = who.banned or store.clock()
        session.execute(delete(SessionRow).where(SessionRow.player_id == who.id))
        _free_seats(session, who)


def lift(store: Store, player: str) -> None:
    """Let a banned player play again; what they did counts again.

    Raises:
        UnknownName: nobody is called so.
    """
    with store.writing() as session:
        who = _named(session, player)
        who.banned = None
        own = select(SeatRow.round_id).where(SeatRow.player_id == who.id)
        answered = select(AnswerRow.round_id, AnswerRow.stage).where(AnswerRow.player_id == who.id)
        for number, stage in session.execute(answered.where(AnswerRow.round_id.not_in(own))).all():
            session.add(SeatRow(round_id=number, player_id=who.id, stage=stage))


def forget(store: Store, player: str) -> Counter[str]:
    """Delete a player: name, sessions, answers with their words, and masks with all their states, for good.

    Rounds that they had answered are others' to answer. Returns how many records of each kind are gone.

    Raises:
        UnknownName: nobody is called so.
    """
    with store.writing() as session:
        who = _named(session, player)
        answers = select(AnswerRow.id).where(AnswerRow.player_id == who.id)
        masks = select(MaskRow.id).where(MaskRow.player_id == who.id)
        states = select(func.count()).select_from(RevisionRow).where(RevisionRow.mask_id.in_(masks))
        gone = Counter({"player": 1, "state of a mask": session.scalar(states) or 0})
        gone["label"] = _delete(session, delete(LabelRow).where(LabelRow.answer_id.in_(answers)))
        gone["answer"] = _delete(session, delete(AnswerRow).where(AnswerRow.player_id == who.id))
        gone["mask"] = _delete(session, delete(MaskRow).where(MaskRow.player_id == who.id))  # its states go with it
        gone["session"] = _delete(session, delete(SessionRow).where(SessionRow.player_id == who.id))
        _free_seats(session, who)
        session.execute(delete(SeatRow).where(SeatRow.player_id == who.id))  # of gold rounds
        session.flush()
        session.execute(delete(PlayerRow).where(PlayerRow.id == who.id))
        return +gone


def banned_players(store: Store) -> list[str]:
    """The names of those whom the host has banned, the first one first."""
    with store.reading() as session:
        wanted = select(PlayerRow.name).where(PlayerRow.banned.is_not(None)).order_by(PlayerRow.banned, PlayerRow.id)
        return list(session.scalars(wanted))


def _named(session: Session, name: str) -> PlayerRow:
    """The player of this name, or the one whose name is shown so: a host cannot type what cannot be seen."""
    for other in session.scalars(select(PlayerRow.name).order_by(PlayerRow.name != name)):
        if name in {other, visible(other)}:
            return player_row(session, other)
    return player_row(session, name)


def _free_seats(session: Session, player: PlayerRow) -> None:
    """Give a player's seats to others, those of gold rounds aside, which take from nobody."""
    shared = select(RoundRow.id).where(~RoundRow.gold)
    seats = update(SeatRow).where(SeatRow.player_id == player.id, SeatRow.round_id.in_(shared))
    session.execute(seats.values(player_id=None, stage=0, expires=None))


def _delete(session: Session, statement: Delete) -> int:
    """How many rows it deleted."""
    return cast("CursorResult[Any]", session.execute(statement)).rowcount
