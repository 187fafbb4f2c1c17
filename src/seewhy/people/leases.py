"""Who may answer which round, and until when: each step is one statement, so that no two players get one seat.

A player keeps a seat for a time and may still answer later, unless another player got the seat meanwhile: the late
answer is then refused with a `Conflict`, and the other's is safe.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Exists, Select, Subquery, exists, func, insert, or_, select, update
from sqlalchemy.orm import Session, aliased

from seewhy.people.tables import PlayerRow, RoundRow, SeatRow

LEASE = timedelta(minutes=15)

# Scatter rounds, from another start for each player, by multiplying in a prime field that stays below 2^31.
_FIELD, _STRIDE, _TURN = 65_521, 30_011, 9_973


def resume(session: Session, player: PlayerRow, now: datetime) -> int | None:
    """The seat that the player holds and has not answered, its time begun anew."""
    held = (
        select(SeatRow.id)
        .where(SeatRow.player_id == player.id, SeatRow.expires.is_not(None))
        .order_by(SeatRow.id)
        .limit(1)
        .scalar_subquery()
    )
    renewed = update(SeatRow).where(SeatRow.id == held, SeatRow.player_id == player.id, SeatRow.expires.is_not(None))
    return session.scalar(renewed.values(expires=now + LEASE).returning(SeatRow.id))


def take_free(session: Session, player: PlayerRow, now: datetime) -> int | None:
    """Lease a seat that is free, or whose time ran out, in a round that the player has no seat in.

    Pictures that the player knows least come first: who has seen a picture's class would guess its other clusters.
    """
    free = _free_seats(player, now).with_for_update(of=SeatRow, skip_locked=True).scalar_subquery()
    taken = update(SeatRow).where(SeatRow.id == free).values(player_id=player.id, stage=0, expires=now + LEASE)
    return session.scalar(taken.returning(SeatRow.id).execution_options(synchronize_session=False))


def take_gold(session: Session, player: PlayerRow, now: datetime) -> int | None:
    """Lease a new seat in a gold round that the player has not had, in their order."""
    wanted = RoundRow.gold & (RoundRow.simulated == player.simulated) & ~_known(player)
    left = select(RoundRow.id).where(wanted).order_by(RoundRow.id).limit(1).scalar_subquery()
    found = session.scalar(select(left))
    if found is None:
        return None
    seat = insert(SeatRow).values(round_id=found, player_id=player.id, stage=0, expires=now + LEASE)
    return session.scalar(seat.returning(SeatRow.id))


def deepen(session: Session, player: PlayerRow, number: int, stage: int, now: datetime) -> int | None:
    """Go from `stage` to the next in the player's seat of round `number`; None unless the seat is at that stage."""
    seat = (SeatRow.round_id == number) & (SeatRow.player_id == player.id) & SeatRow.expires.is_not(None)
    step = update(SeatRow).where(seat, SeatRow.stage == stage).values(stage=stage + 1, expires=now + LEASE)
    return session.scalar(step.returning(SeatRow.id))


def answered(session: Session, player: PlayerRow, number: int) -> int | None:
    """Keep the player's seat of round `number` for good; returns its stage, or None without such a seat."""
    seat = (SeatRow.round_id == number) & (SeatRow.player_id == player.id)
    return session.scalar(update(SeatRow).where(seat).values(expires=None).returning(SeatRow.stage))


def _free_seats(player: PlayerRow, now: datetime) -> Select[int]:
    free = or_(SeatRow.player_id.is_(None), SeatRow.expires < now)
    wanted = ~RoundRow.gold & (RoundRow.simulated == player.simulated) & free & ~_known(player)
    seen = _times_seen(player)
    return (
        select(SeatRow.id)
        .join(SeatRow.round)
        .outerjoin(seen, seen.c.picture_id == RoundRow.picture_id)
        .where(wanted)
        .order_by(func.coalesce(seen.c.times, 0), _scattered(player), SeatRow.id)
        .limit(1)
    )


def _known(player: PlayerRow) -> Exists:
    """Whether the player has, or had answered, a seat of the round."""
    own = aliased(SeatRow)
    return exists().where(own.round_id == RoundRow.id, own.player_id == player.id)


def _times_seen(player: PlayerRow) -> Subquery:
    """In how many rounds of each picture the player has a seat."""
    seats = select(RoundRow.picture_id, func.count().label("times")).join(SeatRow, SeatRow.round_id == RoundRow.id)
    return seats.where(SeatRow.player_id == player.id).group_by(RoundRow.picture_id).subquery()


def _scattered(player: PlayerRow) -> ColumnElement[int]:
    return ((SeatRow.round_id % _FIELD) * _STRIDE + player.id * _TURN % _FIELD) % _FIELD
