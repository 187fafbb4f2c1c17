"""Where people's work is kept: SQLite by default, PostgreSQL by `SEEWHY_DATABASE_URL`."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import Any, TypeVar

from sqlalchemy import (
    JSON,
    URL,
    CheckConstraint,
    Connection,
    Engine,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    Text,
    UniqueConstraint,
    create_engine,
    event,
    inspect,
    make_url,
    select,
    text,
)
from sqlalchemy.exc import ArgumentError, IntegrityError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from seewhy.core.files import home, private_file, private_folder
from seewhy.core.text import shown
from seewhy.errors import Conflict, StoreError, UnknownName, UsageError
from seewhy.people.schema import check_schema

DATABASE = "people.sqlite"
HEAD = "0003"  # the last step in migrations/versions

# Seconds that a writer waits for others. After a commit SQLite serves the first to ask, not the one who waited longest;
# within a process writers therefore queue for a lock, so that only processes have to be lucky.
_BUSY = 120
_LOCK, _TURN = 0x5EE3, 0x5EE4  # of PostgreSQL, held while the schema is brought up to date, and by `take_turns`
_LOCKED = text("SELECT pg_advisory_xact_lock(:key)")
# Of SQLite; what the schema of a file from elsewhere says is not trusted.
_SETTINGS = (
    "trusted_schema = OFF",
    "cell_size_check = ON",
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
)
_WRITES = {"seewhy_writes": True}
_TRIES = 5
_T = TypeVar("_T")

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


def utc_now() -> datetime:
    """The time as the store keeps it: UTC, without saying so."""
    return datetime.now(UTC).replace(tzinfo=None)


@dataclass(frozen=True, eq=False)
class Store:
    """A database whose schema is up to date. What a `writing` block has done is durable once the block has ended."""

    engine: Engine
    clock: Callable[[], datetime] = utc_now
    turn: AbstractContextManager[object] = field(default_factory=nullcontext)  # what writers of this process wait for

    @contextmanager
    def reading(self) -> Generator[Session]:
        """One consistent look at the database.

        Raises:
            StoreError: it cannot be read.
        """
        steady = self.engine.dialect.name == "postgresql"  # SQLite never looks otherwise
        engine = self.engine.execution_options(isolation_level="REPEATABLE READ") if steady else self.engine
        with _failures_named(self.engine.url), Session(engine) as session:
            yield session

    @contextmanager
    def writing(self) -> Generator[Session]:
        """One transaction: all of it is kept, or after an exception nothing.

        Raises:
            StoreError: it cannot be written.
            sqlalchemy.exc.IntegrityError: a constraint refused it, for the caller to understand.
        """
        engine = self.engine.execution_options(**_WRITES)
        named = _failures_named(self.engine.url)
        with self.turn, named, Session(engine, expire_on_commit=False) as session, session.begin():
            yield session

    def transact(self, work: Callable[[Session], _T]) -> _T:
        """Do `work` in one transaction, and again where a quicker one made a constraint refuse it."""
        for _ in range(_TRIES - 1):
            with suppress(IntegrityError), self.writing() as session:
                return work(session)
        with self.writing() as session:
            return work(session)


@contextmanager
def open_store(url: str | None = None, clock: Callable[[], datetime] = utc_now) -> Generator[Store]:
    """The store at `url`, by default `SEEWHY_DATABASE_URL` or else `people.sqlite` in `SEEWHY_HOME`, up to date.

    Raises:
        UsageError: the address cannot be read, or a driver for it is missing.
        StoreError: it cannot be opened, or a newer seewhy has made it.
    """
    address = _address(url or os.environ.get("SEEWHY_DATABASE_URL"))
    engine = _engine(address)
    try:
        with _failures_named(address):
            _bring_up_to_date(engine)
        yield Store(engine, clock, Lock() if address.get_backend_name() == "sqlite" else nullcontext())
    finally:
        engine.dispose()


def is_there() -> bool:
    """Whether there may be a store to open; asking makes none."""
    return bool(os.environ.get("SEEWHY_DATABASE_URL")) or (home() / DATABASE).exists()


def storable(words: str) -> str:
    """The text as every database can keep it: NUL and halves of characters become �, nothing else changes."""
    return words.replace("\0", "�").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def take_turns(session: Session) -> None:
    """Let no other transaction that asks the same go on before this one is over; SQLite's writers always wait."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(_LOCKED, {"key": _TURN})


def find_player(session: Session, name: str) -> PlayerRow:
    """The player called `name`, who may play and draw.

    Raises:
        UnknownName: nobody is.
        Conflict: the host has banned them.
    """
    found = player_row(session, name)
    if found.banned:
        raise Conflict(f"the host has banned the player {shown(name)}; ask the host")
    return found


def player_row(session: Session, name: str) -> PlayerRow:
    """The player called `name`, banned or not.

    Raises:
        UnknownName: nobody is.
    """
    found = session.scalar(select(PlayerRow).where(PlayerRow.name == storable(name)))
    if found is None:
        raise UnknownName(f"no player is called {shown(name)}; join first")
    return found


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
    banned: Mapped[datetime | None]  # since when the host has banned them


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

    mask_id: Mapped[int] = mapped_column(ForeignKey("masks.id", ondelete="CASCADE"), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key: Mapped[str]
    counts: Mapped[str]
    drawn: Mapped[datetime]

    mask: Mapped[MaskRow] = relationship()


def _address(url: str | None) -> URL:
    if not url:
        path = home() / DATABASE
        try:
            private_folder(path.parent)
            private_file(path)  # before SQLite makes it; the files of its log take the same mode
        except OSError as error:
            cure = "set SEEWHY_HOME to a folder of yours"
            raise StoreError(f"the database cannot be made; {cure}", f"{path}: {error.strerror}") from error
        return URL.create("sqlite", database=str(path))
    try:
        address = make_url(url)
    except ArgumentError:
        raise UsageError(
            "the address of the database makes no sense; write postgresql://user:password@host/name or sqlite:///FILE"
        ) from None
    kind = address.get_backend_name()
    if kind == "sqlite":
        if not address.database or address.database == ":memory:":
            raise UsageError("a database in memory forgets what people did; write sqlite:///FILE")
        return address
    if kind in {"postgres", "postgresql"}:
        return address.set(drivername="postgresql+psycopg")
    raise UsageError(f"seewhy keeps people's work in SQLite or PostgreSQL, not in {kind}")


def _engine(address: URL) -> Engine:
    sqlite = address.get_backend_name() == "sqlite"
    options: dict[str, Any] = {"connect_args": {"timeout": _BUSY}} if sqlite else {"pool_pre_ping": True}
    try:
        engine = create_engine(address, pool_timeout=_BUSY, **options)
    except (ImportError, NoSuchModuleError) as error:
        raise UsageError(f"a driver for PostgreSQL is missing ({error}); pip install 'seewhy[postgres]'") from error
    if sqlite:
        event.listen(engine, "connect", _set_up)
        event.listen(engine, "begin", _begin)
    return engine


def _set_up(connection: Any, _record: object) -> None:
    """SQLite as a server of many: readers beside a writer, and a commit is on the disk when it returns."""
    connection.isolation_level = None  # transactions begin where we say
    for setting in _SETTINGS:
        connection.execute(f"PRAGMA {setting}")


def _begin(connection: Connection) -> None:
    """A writer locks at once: a reader that turned writer halfway would be refused instead of waiting."""
    writes = connection.get_execution_options().get("seewhy_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _bring_up_to_date(engine: Engine) -> None:
    with engine.connect() as connection:
        check_schema(connection, {*Base.metadata.tables, "alembic_version"})
        if _revision(connection) == HEAD:
            return
    with engine.execution_options(**_WRITES).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(_LOCKED, {"key": _LOCK})
        if _revision(connection) == HEAD:
            return  # somebody was quicker
        from alembic import command
        from alembic.config import Config
        from alembic.util import CommandError

        config = Config()
        config.set_main_option("script_location", "seewhy.people:migrations")
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, HEAD)
        except CommandError as error:
            raise StoreError("the database was made by a newer seewhy; install that one", str(error)) from error


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.scalar(text("SELECT version_num FROM alembic_version"))


@contextmanager
def _failures_named(address: URL) -> Generator[None]:
    try:
        yield
    except IntegrityError:
        raise
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise _failed(address, reason) from error
    except (ValueError, TypeError) as error:  # what a row holds is not what its column says
        raise _failed(address, str(error)) from error


def _failed(address: URL, reason: str) -> StoreError:
    cure = "check that it is there, has space and lets seewhy write"
    return StoreError(f"the database failed; {cure}", f"{address.render_as_string()}: {reason}")
