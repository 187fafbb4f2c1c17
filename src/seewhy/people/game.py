"""The rules of Deep Reveal, as functions over the store.

A player sees the strongest 2 % of a picture by one cluster of the network, may ask for more, up to 30 %, and guesses
the class with a few words on what led there, or resigns. The class leaves the store with the result, never before.

A player keeps a seat in a round for a time and may still answer later, unless another player got the seat meanwhile:
the late answer is then refused with a `Conflict`, and the other's is safe. Each step is one statement, so that no two
players get one seat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Exists, exists, func, insert, or_, select, update
from sqlalchemy.orm import Session, aliased

from seewhy.core.text import shown
from seewhy.errors import Conflict, UsageError
from seewhy.images import open_image
from seewhy.people.names import checked_key, checked_language, checked_words
from seewhy.people.reveal import STAGES, reveal
from seewhy.people.rounds import answer_of, find_round, give_back, map_in
from seewhy.people.store import AnswerRow, LabelRow, PlayerRow, RoundRow, SeatRow, Store, find_player, storable

STEP = 10  # points that each further stage costs
GOLD_EVERY = 8  # rounds; the second of each eight is a gold one while there are any
MOST_RESIGNED, WITHIN = 10, timedelta(hours=1)  # rounds that a player may resign, and in which time
LAST_STAGE = STAGES - 1
LEASE = timedelta(minutes=15)

# Scatter rounds, from another start for each player, by multiplying in a prime field that stays below 2^31.
_FIELD, _STRIDE, _TURN = 65_521, 30_011, 9_973


@dataclass(frozen=True)
class RoundView:
    """What a player may know of a round before the guess: neither its true class nor the picture's name or hash."""

    round: int
    stage: int  # 0 to 5, how much is revealed
    options: tuple[str, ...]  # class names in an order that tells nothing
    points: int  # what a right guess is worth now
    expires: datetime  # when somebody else may get the round; naive UTC


@dataclass(frozen=True)
class RoundResult:
    """How a round ended for a player: `won`, `lost` or `resigned`, and now its true class may be told."""

    round: int
    outcome: str
    true_class: str
    points: int


def next_round(store: Store, player: str, among: Sequence[int] | None = None) -> RoundView | None:
    """The round this player has begun, or else a new one; None when nothing is left to play.

    With `among` it is one of these rounds, in their order, such as those of a day: everybody plays them.

    Raises:
        UnknownName: no such player.
    """

    def lease(session: Session) -> RoundView | None:
        who, now = find_player(session, player), store.clock()
        if among is not None:
            seat = _resumed(session, who, now, among) or _seat_among(session, who, now, among)
        else:
            seat = _resumed(session, who, now) or _gold_seat(session, who, now) or _free_seat(session, who, now)
        return None if seat is None else _view(session.get_one(SeatRow, seat))

    return store.transact(lease)


def show_more(store: Store, player: str, number: int, stage: int) -> RoundView:
    """Go on from `stage` of a round; asked twice for the same step, it is done once.

    Raises:
        UsageError: everything is shown.
        Conflict: the round is over for this player, or another has it now.
    """
    if stage >= LAST_STAGE:
        raise UsageError("all that a round shows is shown; guess or resign")
    with store.writing() as session:
        who = find_player(session, player)
        seat = (SeatRow.round_id == number) & _leased_by(who) & (SeatRow.stage == stage)
        session.execute(update(SeatRow).where(seat).values(stage=stage + 1, expires=store.clock() + LEASE))
        return _view(_held(session, who, number))


def revealed(store: Store, player: str, number: int) -> NDArray[np.uint8]:
    """What the player may see of the picture now: uint8 `(H, W, 3)`, black where nothing is revealed.

    Raises:
        Conflict: the round is over for this player, or another has it now.
    """
    with store.reading() as session:
        seat = _held(session, find_player(session, player), number)
        row = seat.round
        asked = (row.picture.content, row.map, (row.rows, row.columns), seat.stage)
    return _revealed(*asked)


@lru_cache(maxsize=64)
def _revealed(content: bytes, values: bytes, grid: tuple[int, int], stage: int) -> NDArray[np.uint8]:
    """Kept, read-only, for the others who see the same: a class of 20 asks for little else."""
    found = reveal(open_image(content).pixels, map_in(values, grid), stage)
    found.setflags(write=False)
    return found


def whole(store: Store, player: str, number: int) -> NDArray[np.uint8]:
    """All of the picture, uint8 `(H, W, 3)`, for a player who has answered.

    Raises:
        Conflict: the player has not answered this round.
    """
    with store.reading() as session:
        content = _answered(session, find_player(session, player), number).round.picture.content
    return open_image(content).pixels


def piece(store: Store, player: str, number: int) -> NDArray[np.uint8]:
    """What the player saw of the picture when they answered, uint8 `(H, W, 3)`, black where nothing was revealed.

    Raises:
        Conflict: the player has not answered this round.
    """
    with store.reading() as session:
        row = _answered(session, find_player(session, player), number)
        asked = (row.round.picture.content, row.round.map, (row.round.rows, row.round.columns), row.stage)
    return _revealed(*asked)


def guess(
    store: Store, player: str, number: int, choice: str, labels: Sequence[str], *, key: str, language: str = "en"
) -> RoundResult:
    """End a round by naming a class, with words on what led there; sent again with the same key, it counts once.

    Labels are kept as typed, spaces aside.

    Raises:
        UsageError: the class is not among the options; no labels, too many or too long ones, or some that hold what
            nobody can see; no language tag.
        Conflict: the round is over for this player, another has it now, or the key stands for another answer.
    """
    words, tag = checked_words(labels), checked_language(language)
    return _answer(store, player, number, storable(choice), words, checked_key(key), tag)


def resign(store: Store, player: str, number: int, *, key: str) -> RoundResult:
    """End a round without a guess; sent again with the same key, it counts once. Another player gets the seat.

    Raises:
        Conflict: as for `guess`; or this player has resigned too often within the hour.
    """
    return _answer(store, player, number, None, (), checked_key(key), "en")


def points(stage: int, *, won: bool) -> int:
    """60 for a right guess at the first stage, 10 less for each further one; 0 without a right guess.

    Source: Bianchi et al. 2024 say that points fall with the stage, not how; the numbers are ours.

    >>> points(0, won=True), points(5, won=True), points(0, won=False)
    (60, 10, 0)
    """
    return STEP * (STAGES - stage) if won else 0


def _answer(
    store: Store, player: str, number: int, choice: str | None, labels: tuple[str, ...], key: str, language: str
) -> RoundResult:
    def keep(session: Session) -> RoundResult:
        who = find_player(session, player)
        seat = update(SeatRow).where((SeatRow.round_id == number) & (SeatRow.player_id == who.id))
        # The seat is kept for good first: who sends the same at the same time waits here.
        stage = session.scalar(seat.values(expires=None).returning(SeatRow.stage))
        known = session.scalar(select(AnswerRow).filter_by(player_id=who.id, key=key))
        if known is not None:
            words = tuple(label.text for label in known.labels)
            if (known.round_id, known.guess, words, known.language) != (number, choice, labels, language):
                raise Conflict("this key stands for another answer, which is kept; send a new answer with a new key")
            return _result(known)
        row = find_round(session, number)
        if stage is None or session.scalar(select(AnswerRow.id).filter_by(player_id=who.id, round_id=number)):
            raise _over(number)
        if choice is not None and choice not in row.options:
            raise UsageError(f"{shown(choice)} is not among the classes to choose from: {', '.join(row.options)}")
        if choice is None:
            _check_resigned(session, who, store.clock())
        kept = [LabelRow(position=position, text=text) for position, text in enumerate(labels)]
        place, given = {"player_id": who.id, "round_id": number, "key": key}, store.clock()
        answer = AnswerRow(**place, guess=choice, stage=stage, language=language, given=given, labels=kept)
        session.add(answer)
        session.flush()
        if choice is None:
            give_back(session, row)
        return _result(answer)

    return store.transact(keep)


def _check_resigned(session: Session, player: PlayerRow, now: datetime) -> None:
    """Resigning tells the class: whoever does nothing else learns all answers and says nothing."""
    own = (AnswerRow.player_id == player.id) & AnswerRow.guess.is_(None) & (AnswerRow.given > now - WITHIN)
    given_up = session.scalar(select(func.count(AnswerRow.id)).where(own)) or 0
    if given_up >= MOST_RESIGNED and not player.simulated:
        raise Conflict(f"you have given up {given_up} rounds within the hour; guess this one, or go on later")


def _result(row: AnswerRow) -> RoundResult:
    answer = answer_of(row)
    return RoundResult(answer.round, answer.outcome, answer.true_class, points(answer.stage, won=answer.won))


def _held(session: Session, player: PlayerRow, number: int) -> SeatRow:
    seat = session.scalar(select(SeatRow).filter_by(round_id=number, player_id=player.id))
    if seat is None or seat.expires is None:
        raise _over(number)
    return seat


def _answered(session: Session, player: PlayerRow, number: int) -> AnswerRow:
    answer = session.scalar(select(AnswerRow).filter_by(player_id=player.id, round_id=number))
    if answer is None:
        raise Conflict(f"round {number} is not over for this player; guess or resign, then all of it is shown")
    return answer


def _over(number: int) -> Conflict:
    return Conflict(f"round {number} is over for this player, or its time ran out and another has it; take a new round")


def _view(seat: SeatRow) -> RoundView:
    if seat.expires is None:
        raise _over(seat.round_id)
    return RoundView(seat.round_id, seat.stage, tuple(seat.round.options), points(seat.stage, won=True), seat.expires)


def _resumed(session: Session, player: PlayerRow, now: datetime, among: Sequence[int] | None = None) -> int | None:
    """The seat that the player holds and has not answered, its time begun anew."""
    wanted = select(SeatRow.id).where(_leased_by(player))
    if among is not None:
        wanted = wanted.where(SeatRow.round_id.in_(among))
    held = wanted.order_by(SeatRow.id).limit(1).scalar_subquery()
    renewed = update(SeatRow).where(SeatRow.id == held, _leased_by(player))
    return session.scalar(renewed.values(expires=now + LEASE).returning(SeatRow.id))


def _free_seat(session: Session, player: PlayerRow, now: datetime) -> int | None:
    """Lease a seat that is free, or whose time ran out, in a round that the player has no seat in.

    Pictures that the player knows least come first: who has seen a picture's class would guess its other clusters.
    """
    times = select(RoundRow.picture_id, func.count().label("times")).join(SeatRow, SeatRow.round_id == RoundRow.id)
    seen = times.where(SeatRow.player_id == player.id).group_by(RoundRow.picture_id).subquery()
    scattered = ((SeatRow.round_id % _FIELD) * _STRIDE + player.id * _TURN % _FIELD) % _FIELD
    free = or_(SeatRow.player_id.is_(None), SeatRow.expires < now)
    wanted = (
        select(SeatRow.id)
        .join(SeatRow.round)
        .outerjoin(seen, seen.c.picture_id == RoundRow.picture_id)
        .where(~RoundRow.gold & (RoundRow.simulated == player.simulated) & free & ~_known(player))
        .order_by(func.coalesce(seen.c.times, 0), scattered, SeatRow.id)
        .limit(1)
        .with_for_update(of=SeatRow, skip_locked=True)
    )
    taken = (
        update(SeatRow)
        .where(SeatRow.id == wanted.scalar_subquery())
        .values(player_id=player.id, stage=0, expires=now + LEASE)
    )
    return session.scalar(taken.returning(SeatRow.id).execution_options(synchronize_session=False))


def _gold_seat(session: Session, player: PlayerRow, now: datetime) -> int | None:
    """Lease a new seat in a gold round that the player has not had, in their order; every few answers one is due."""
    given = session.scalar(select(func.count(AnswerRow.id)).where(AnswerRow.player_id == player.id)) or 0
    wanted = RoundRow.gold & (RoundRow.simulated == player.simulated) & ~_known(player)
    left = select(RoundRow.id).where(wanted).order_by(RoundRow.id).limit(1).scalar_subquery()
    found = session.scalar(select(left))
    if found is None or given % GOLD_EVERY != 1:
        return None
    seat = insert(SeatRow).values(round_id=found, player_id=player.id, stage=0, expires=now + LEASE)
    return session.scalar(seat.returning(SeatRow.id))


def _seat_among(session: Session, player: PlayerRow, now: datetime, among: Sequence[int]) -> int | None:
    """Lease a new seat in the first of these rounds that the player has not had."""
    wanted = RoundRow.id.in_(among) & (RoundRow.simulated == player.simulated) & ~_known(player)
    left = set(session.scalars(select(RoundRow.id).where(wanted)))
    found = next((number for number in among if number in left), None)
    if found is None:
        return None
    seat = insert(SeatRow).values(round_id=found, player_id=player.id, stage=0, expires=now + LEASE)
    return session.scalar(seat.returning(SeatRow.id))


def _leased_by(player: PlayerRow) -> ColumnElement[bool]:
    return (SeatRow.player_id == player.id) & SeatRow.expires.is_not(None)


def _known(player: PlayerRow) -> Exists:
    """Whether the player has, or had answered, a seat of the round."""
    own = aliased(SeatRow)
    return exists().where(own.round_id == RoundRow.id, own.player_id == player.id)
