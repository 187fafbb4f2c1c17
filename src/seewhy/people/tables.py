"""The tables in which people's work is kept; `migrations/` makes them, step by step."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, LargeBinary, MetaData, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Root of all tables; times are naive UTC."""

    metadata = MetaData(naming_convention=_NAMES)
    type_annotation_map = {str: Text, tuple[str, ...]: JSON}  # noqa: RUF012


class PlayerRow(Base):
    """Somebody who plays or draws, or something that simulates it."""

    __tablename__ = "players"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    simulated: Mapped[bool]
    joined: Mapped[datetime]


class SessionRow(Base):
    """A player at play on one device, known by a secret of which only the hash is kept."""

    __tablename__ = "sessions"

    id: Mapped[int] = mapped_column(primary_key=True)
    player_id: Mapped[int] = mapped_column(ForeignKey("players.id"), index=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    began: Mapped[datetime]
    seen: Mapped[datetime]

    player: Mapped[PlayerRow] = relationship()


class PictureRow(Base):
    """What players see of one photo, once for all its rounds."""

    __tablename__ = "pictures"
    __table_args__ = (UniqueConstraint("image_hash", "content_hash"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    image: Mapped[str]
    image_hash: Mapped[str]
    content_hash: Mapped[str]
    content: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)


class RoundRow(Base):
    """One cluster that `overlap` players are to put into words; `map` is float32, little-endian, row by row."""

    __tablename__ = "rounds"
    __table_args__ = (
        UniqueConstraint("picture_id", "model", "layer", "cluster", "true_class", "simulated"),
        CheckConstraint("overlap >= 1", name="overlap"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    picture_id: Mapped[int] = mapped_column(ForeignKey("pictures.id"))
    model: Mapped[str]
    layer: Mapped[str]
    cluster: Mapped[int]
    weight: Mapped[float]
    rows: Mapped[int]
    columns: Mapped[int]
    map: Mapped[bytes] = mapped_column(LargeBinary)
    true_class: Mapped[str]
    options: Mapped[tuple[str, ...]]
    overlap: Mapped[int]
    gold: Mapped[bool]
    simulated: Mapped[bool]
    made: Mapped[datetime]

    picture: Mapped[PictureRow] = relationship()


class SeatRow(Base):
    """One of a round's `overlap` places, or in a gold round the place of one more player.

    Free without a player. With a player and `expires` it is leased: another may have it after that time. With a player
    and no `expires` it is answered, for good.
    """

    __tablename__ = "seats"
    __table_args__ = (
        UniqueConstraint("round_id", "player_id"),
        CheckConstraint("stage BETWEEN 0 AND 5", name="stage"),
        Index("ix_seats_player_id_expires", "player_id", "expires"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    round_id: Mapped[int] = mapped_column(ForeignKey("rounds.id"))
    player_id: Mapped[int | None] = mapped_column(ForeignKey("players.id"))
    stage: Mapped[int]
    expires: Mapped[datetime | None]

    round: Mapped[RoundRow] = relationship()


class AnswerRow(Base):
    """How a round ended for one player; `key` tells a resent answer from another one."""

    __tablename__ = "answers"
    __table_args__ = (
        UniqueConstraint("round_id", "player_id"),
        UniqueConstraint("player_id", "key"),
        CheckConstraint("stage BETWEEN 0 AND 5", name="stage"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    round_id: Mapped[int] = mapped_column(ForeignKey("rounds.id"))
    player_id: Mapped[int] = mapped_column(ForeignKey("players.id"))
    key: Mapped[str]
    guess: Mapped[str | None]
    stage: Mapped[int]
    language: Mapped[str]
    given: Mapped[datetime]

    player: Mapped[PlayerRow] = relationship()
    round: Mapped[RoundRow] = relationship()
    labels: Mapped[list[LabelRow]] = relationship(order_by="LabelRow.position")


class LabelRow(Base):
    """One thing that a player wrote, as typed."""

    __tablename__ = "labels"

    answer_id: Mapped[int] = mapped_column(ForeignKey("answers.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    text: Mapped[str]


class MaskRow(Base):
    """What one player draws on one picture under one label; its states are revisions."""

    __tablename__ = "masks"
    __table_args__ = (UniqueConstraint("image_hash", "player_id", "label"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    image: Mapped[str]
    image_hash: Mapped[str]
    player_id: Mapped[int] = mapped_column(ForeignKey("players.id"))
    label: Mapped[str]
    height: Mapped[int]
    width: Mapped[int]

    player: Mapped[PlayerRow] = relationship()


class RevisionRow(Base):
    """One state of a mask, as COCO's compressed run lengths. Rows are added, never changed: the database refuses it."""

    __tablename__ = "mask_revisions"
    __table_args__ = (UniqueConstraint("mask_id", "key"),)

    mask_id: Mapped[int] = mapped_column(ForeignKey("masks.id"), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key: Mapped[str]
    counts: Mapped[str]
    drawn: Mapped[datetime]

    mask: Mapped[MaskRow] = relationship()
