"""Everything that people did as JSON Lines, and back again: one record a line, in ASCII, that any program reads.

Left out are the secrets of sessions and the rounds that are being played at this moment.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

import numpy as np
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError, StatementError
from sqlalchemy.orm import Session

from seewhy.errors import BadImage, Conflict, SeewhyError, UsageError
from seewhy.images import open_image
from seewhy.people.masks import decode
from seewhy.people.players import find_player
from seewhy.people.records import NewRound, Picture
from seewhy.people.rounds import find_round, map_of, put_round
from seewhy.people.store import Store, storable
from seewhy.people.tables import AnswerRow, LabelRow, MaskRow, PictureRow, PlayerRow, RevisionRow, RoundRow, SeatRow

VERSION = 1
Record: TypeAlias = dict[str, Any]


def export_lines(store: Store) -> Iterator[str]:
    """One line for each record, players first; the same store gives the same bytes."""
    yield _line({"kind": "seewhy-people", "version": VERSION})
    with store.reading() as session:
        for table, record in _EXPORTS:
            order = list(table.__table__.primary_key)
            for row in session.scalars(select(table).order_by(*order)):
                yield _line(record(row))


def import_lines(store: Store, lines: Iterable[str]) -> Counter[str]:
    """Add what is not there yet, all or nothing; returns how many records of each kind were new.

    Raises:
        UsageError: a line that cannot be read, named by its number.
        Conflict: the store knows the same thing otherwise.
    """
    with store.writing() as session:
        into = _Import(session, store)
        number = 0
        for number, line in enumerate(lines, start=1):
            if line.strip():
                _read(into, number, line)
        if not number:
            raise UsageError("the file is empty; give one that `seewhy people export` wrote")
        return into.new


def _read(into: _Import, number: int, line: str) -> None:
    try:
        into.add(json.loads(line))
        into.session.flush()
    except (KeyError, TypeError, ValueError, AttributeError, IntegrityError, StatementError, BadImage) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"line {number} cannot be read ({type(error).__name__}: {reason})") from error
    except SeewhyError as error:
        raise type(error)(f"line {number}: {error}") from error


@dataclass(eq=False)
class _Import:
    """One reading of a file: what its numbers of rounds and pictures mean here."""

    session: Session
    store: Store
    new: Counter[str] = field(default_factory=Counter[str])
    rounds: dict[int, int] = field(default_factory=dict[int, int])
    pictures: dict[int, Picture] = field(default_factory=dict[int, Picture])

    def add(self, record: Record) -> None:
        kind = record["kind"]
        readers: Mapping[str, Callable[[Record], bool]] = {
            "seewhy-people": self._header,
            "player": self._player,
            "picture": self._picture,
            "round": self._round,
            "answer": self._answer,
            "mask": self._mask,
        }
        if kind not in readers:
            raise UsageError(f"there are no records of the kind {kind!r}")
        self.new[kind] += readers[kind](record)
        self.new += Counter()  # drops zeros

    def _header(self, record: Record) -> bool:
        if record["version"] != VERSION:
            raise UsageError(f"the file has version {record['version']}, this seewhy reads {VERSION}")
        return False

    def _player(self, record: Record) -> bool:
        known = self.session.scalar(select(PlayerRow).filter_by(name=record["name"]))
        if known is None:
            joined = datetime.fromisoformat(record["joined"])
            self.session.add(PlayerRow(name=record["name"], simulated=bool(record["simulated"]), joined=joined))
        elif known.simulated != record["simulated"]:
            raise Conflict(f"{record['name']!r} is simulated in one place and a person in the other")
        return known is None

    def _picture(self, record: Record) -> bool:
        picture = Picture(record["image"], record["image_hash"], b64decode(record["content"], validate=True))
        open_image(picture.content)  # refuses what is no picture
        self.pictures[record["id"]] = picture
        return False  # it comes with its rounds

    def _round(self, record: Record) -> bool:
        new = NewRound(
            self.pictures[record["picture"]],
            **{name: record[name] for name in _PLAIN},
            map=np.array(record["map"], dtype=np.float32),
            options=tuple(record["options"]),
        )
        row, fresh = put_round(self.session, self.store, new)
        self.rounds[record["id"]] = row.id
        return fresh

    def _answer(self, record: Record) -> bool:
        player = find_player(self.session, record["player"])
        number = self.rounds[record["round"]]
        labels = [storable(label) for label in record["labels"]]
        known = self.session.scalar(select(AnswerRow).filter_by(round_id=number, player_id=player.id))
        if known is not None:
            same = (known.guess, known.stage, [label.text for label in known.labels])
            if same != (record["guess"], record["stage"], labels):
                raise Conflict(f"{player.name!r} answered this round otherwise in the store")
            return False
        if record["guess"] is not None and record["guess"] not in find_round(self.session, number).options:
            raise UsageError(f"{record['guess']!r} is not among the classes to choose from")
        self._seat(player, number, record["stage"])
        self.session.add(
            AnswerRow(
                player_id=player.id,
                round_id=number,
                labels=[LabelRow(position=position, text=text) for position, text in enumerate(labels)],
                given=datetime.fromisoformat(record["given"]),
                **{name: record[name] for name in ("key", "guess", "stage", "language")},
            )
        )
        return True

    def _seat(self, player: PlayerRow, number: int, stage: int) -> None:
        """The player's seat, a free one, or one more."""
        seats = list(self.session.scalars(select(SeatRow).filter_by(round_id=number).order_by(SeatRow.id)))
        own = [seat for seat in seats if seat.player_id == player.id]
        free = [seat for seat in seats if seat.player_id is None]
        seat = next(iter(own + free), None) or SeatRow(round_id=number)
        seat.player_id, seat.stage, seat.expires = player.id, stage, None
        self.session.add(seat)

    def _mask(self, record: Record) -> bool:
        player = find_player(self.session, record["player"])
        height, width = record["size"]
        decode(record["counts"], height, width)  # refuses what is no mask
        identity = {"image_hash": record["image_hash"], "player_id": player.id, "label": record["label"]}
        row = self.session.scalar(select(MaskRow).filter_by(**identity))
        row = row or MaskRow(image=record["image"], height=height, width=width, **identity)
        self.session.add(row)
        self.session.flush()
        known = self.session.get(RevisionRow, (row.id, record["revision"]))
        if known is not None:
            if known.counts != record["counts"]:
                raise Conflict(f"revision {record['revision']} of this mask is another one in the store")
            return False
        plain = {name: record[name] for name in ("revision", "key", "counts")}
        self.session.add(RevisionRow(mask_id=row.id, drawn=datetime.fromisoformat(record["drawn"]), **plain))
        return True


_PLAIN = ("model", "layer", "cluster", "weight", "true_class", "overlap", "gold", "simulated")


def _player(row: PlayerRow) -> Record:
    return {"kind": "player", "name": row.name, "simulated": row.simulated, "joined": row.joined.isoformat()}


def _picture(row: PictureRow) -> Record:
    content = b64encode(row.content).decode("ascii")
    return {"kind": "picture", "id": row.id, "image": row.image, "image_hash": row.image_hash, "content": content}


def _round(row: RoundRow) -> Record:
    return {
        "kind": "round",
        "id": row.id,
        "picture": row.picture_id,
        **{name: getattr(row, name) for name in _PLAIN},
        "options": list(row.options),
        "map": map_of(row).tolist(),
    }


def _answer(row: AnswerRow) -> Record:
    return {
        "kind": "answer",
        "round": row.round_id,
        "player": row.player.name,
        "simulated": row.player.simulated,
        "key": row.key,
        "image": row.round.picture.image,
        "layer": row.round.layer,
        "cluster": row.round.cluster,
        "true_class": row.round.true_class,
        "guess": row.guess,
        "stage": row.stage,
        "labels": [label.text for label in row.labels],
        "language": row.language,
        "given": row.given.isoformat(),
    }


def _mask(row: RevisionRow) -> Record:
    mask = row.mask
    return {
        "kind": "mask",
        "image": mask.image,
        "image_hash": mask.image_hash,
        "player": mask.player.name,
        "simulated": mask.player.simulated,
        "label": mask.label,
        "revision": row.revision,
        "key": row.key,
        "size": [mask.height, mask.width],
        "counts": row.counts,
        "drawn": row.drawn.isoformat(),
    }


_EXPORTS: tuple[tuple[Any, Callable[[Any], Record]], ...] = (
    (PlayerRow, _player),
    (PictureRow, _picture),
    (RoundRow, _round),
    (AnswerRow, _answer),
    (RevisionRow, _mask),
)


def _line(record: Record) -> str:
    return json.dumps(record, allow_nan=False) + "\n"
