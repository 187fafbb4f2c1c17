"""Rounds into the store, what players see and choose from in one, and what people answered out of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Resampling
from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session, contains_eager, selectinload

from seewhy.errors import UnknownName, UsageError
from seewhy.images import Box, Image
from seewhy.people.names import checked_text
from seewhy.people.records import Answer, NewRound, Picture
from seewhy.people.store import AnswerRow, PictureRow, PlayerRow, RoundRow, SeatRow, Store, storable

OPTIONS = 10  # classes to choose from
MOST_OVERLAP = 200  # players who answer a round
GIVEN_BACK = 50  # seats of a round whose players resigned that others get
MOST_OPTIONS, MOST_CELLS = 1_000, 1_024  # classes of a round, cells of a side of its map
SIDE, QUALITY = 512, 90  # of the picture that players see: pixels of the longer side, JPEG's quality


def add_rounds(store: Store, rounds: Iterable[NewRound]) -> int:
    """Add what is not there yet, all or nothing; returns how many were new.

    Raises:
        UsageError: the map is not two-dimensional and finite, the true class is not among at least two different
            options, or nobody is to answer.
    """
    with store.writing() as session:
        return sum(put_round(session, store, each)[1] for each in rounds)


def put_round(session: Session, store: Store, new: NewRound) -> tuple[RoundRow, bool]:
    """The row of this round, and whether it is new; a known one stays as it is."""
    _check(new)
    picture = _put_picture(session, new.picture)
    identity = {
        "picture_id": picture.id,
        "model": storable(new.model),
        "layer": storable(new.layer),
        "cluster": new.cluster,
        "true_class": storable(new.true_class),
        "simulated": new.simulated,
    }
    known = session.scalar(select(RoundRow).filter_by(**identity))
    if known is not None:
        return known, False
    rows, columns = new.map.shape
    shown = {"rows": rows, "columns": columns, "map": new.map.astype("<f4").tobytes(), "weight": float(new.weight)}
    asked = {"options": sorted(map(storable, new.options)), "overlap": new.overlap, "gold": new.gold}
    row = RoundRow(**identity, **shown, **asked, made=store.clock())
    session.add(row)
    session.flush()
    if not new.gold:
        session.add_all(SeatRow(round_id=row.id, stage=0) for _ in range(new.overlap))
    return row, True


def choices(true_class: str, pool: Sequence[str], image_hash: str) -> tuple[str, ...]:
    """At most `OPTIONS` classes, the true one among them; which others is settled by the picture alone.

    Raises:
        UsageError: there is no other class, or the true one is not in the pool.

    >>> choices("cat", ["owl", "dog", "cat"], "ab")
    ('cat', 'dog', 'owl')
    """
    if true_class not in pool:
        raise UsageError(f"{true_class!r} is not among the classes to choose from: {', '.join(pool)}")
    others = sorted(set(pool) - {true_class}, key=lambda name: sha256(f"{image_hash}:{name}".encode()).digest())
    if not others:
        raise UsageError(f"there is no class beside {true_class!r} to choose from; name some with --classes")
    return tuple(sorted([true_class, *others[: OPTIONS - 1]]))


def player_picture(image: Image, view: Box) -> Picture:
    """The part of a photo that the network saw, small, and without anything that tells its name."""
    width, height = view.right - view.left, view.bottom - view.top
    scale = min(1.0, SIDE / max(width, height))
    inside = (max(0, view.left), max(0, view.top), min(image.width, view.right), min(image.height, view.bottom))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    buffer = BytesIO()
    image.to_pil().resize(size, Resampling.LANCZOS, box=inside).save(buffer, "JPEG", quality=QUALITY)
    return Picture(image.name, image.sha256, buffer.getvalue())


def find_round(session: Session, number: int) -> RoundRow:
    """The round of this number.

    Raises:
        UnknownName: there is none.
    """
    found = session.get(RoundRow, number)
    if found is None:
        raise UnknownName(f"there is no round {number}")
    return found


def map_in(content: bytes, grid: tuple[int, int]) -> NDArray[np.float32]:
    """The map `(h, w)` in the bytes that the store keeps of it."""
    return np.frombuffer(content, dtype="<f4").reshape(grid).astype(np.float32)


def answers(
    store: Store, player: str | None = None, *, simulated: bool | None = None, model: str | None = None
) -> list[Answer]:
    """All answers in the order in which they came, without those of players whom the host has banned.

    With `player` one player's, with `simulated` one kind's, with `model` those about the classifier
    of this fingerprint.
    """
    wanted = (
        select(AnswerRow)
        .join(AnswerRow.player)
        .join(AnswerRow.round)
        .join(RoundRow.picture)
        .options(
            contains_eager(AnswerRow.player),
            contains_eager(AnswerRow.round).contains_eager(RoundRow.picture),
            selectinload(AnswerRow.labels),
        )
        .where(PlayerRow.banned.is_(None))
        .order_by(AnswerRow.id)
    )
    if player is not None:
        wanted = wanted.where(PlayerRow.name == storable(player))
    if simulated is not None:
        wanted = wanted.where(PlayerRow.simulated == simulated)
    if model is not None:
        wanted = wanted.where(RoundRow.model == model)
    with store.reading() as session:
        return [answer_of(row) for row in session.scalars(wanted)]


def answer_of(row: AnswerRow) -> Answer:
    """The row as a plain record."""
    asked, picture = row.round, row.round.picture
    return Answer(
        round=row.round_id,
        player=row.player.name,
        image=picture.image,
        image_hash=picture.image_hash,
        layer=asked.layer,
        cluster=asked.cluster,
        true_class=asked.true_class,
        guess=row.guess,
        stage=row.stage,
        labels=tuple(label.text for label in row.labels),
        language=row.language,
        simulated=row.player.simulated,
        weight=asked.weight,
        gold=asked.gold,
        choices=len(asked.options),
    )


def played_classes(store: Store, model: str) -> set[str]:
    """The true classes of the rounds that somebody answered, about the classifier of this fingerprint."""
    wanted = select(RoundRow.true_class).join(AnswerRow, AnswerRow.round_id == RoundRow.id).join(AnswerRow.player)
    counts = (RoundRow.model == model) & PlayerRow.banned.is_(None)
    with store.reading() as session:
        return set(session.scalars(wanted.where(counts).distinct()))


def open_seats(store: Store, *, simulated: bool = False) -> int:
    """How many answers are still asked for."""
    answered = exists().where(AnswerRow.round_id == SeatRow.round_id, AnswerRow.player_id == SeatRow.player_id)
    wanted = select(func.count(SeatRow.id)).join(SeatRow.round).where(RoundRow.simulated == simulated, ~answered)
    with store.reading() as session:
        return session.scalar(wanted.where(~RoundRow.gold)) or 0


def give_back(session: Session, row: RoundRow) -> None:
    """Make room for one more player where one has resigned, for the first of them: nobody can use a round up so.

    Gold rounds have room for all; simulated players have no friends who wait.
    """
    if row.gold or row.simulated:
        return
    resigned = select(func.count(AnswerRow.id)).where(AnswerRow.round_id == row.id, AnswerRow.guess.is_(None))
    if (session.scalar(resigned) or 0) <= GIVEN_BACK:
        session.add(SeatRow(round_id=row.id, stage=0))


def _put_picture(session: Session, picture: Picture) -> PictureRow:
    content_hash = sha256(picture.content).hexdigest()
    identity = {"image_hash": picture.image_hash, "content_hash": content_hash}
    known = session.scalar(select(PictureRow).filter_by(**identity))
    if known is None:
        known = PictureRow(image=storable(picture.image), content=picture.content, **identity)
        session.add(known)
        session.flush()
    return known


def _check(new: NewRound) -> None:
    if new.map.ndim != 2 or not new.map.size or not np.isfinite(new.map).all():
        raise UsageError(f"a round's map is finite and has rows and columns, not the shape {new.map.shape}")
    if len(set(new.options)) < len(new.options) or len(new.options) < 2:
        raise UsageError(f"a round has two different classes to choose from at least, not {list(new.options)}")
    if new.true_class not in new.options:
        raise UsageError(f"the true class {new.true_class!r} is not among the options {list(new.options)}")
    if not 1 <= new.overlap <= MOST_OVERLAP:
        raise UsageError(f"a round is answered by 1 to {MOST_OVERLAP} players, not by {new.overlap}")
    if len(new.options) > MOST_OPTIONS or max(new.map.shape) > MOST_CELLS:
        raise UsageError(f"a round has {MOST_OPTIONS} classes and a map of {MOST_CELLS} cells a side at most")
    for text, kind in ((new.model, "model"), (new.layer, "layer"), *((each, "class") for each in new.options)):
        checked_text(storable(text), f"name of a {kind}")
