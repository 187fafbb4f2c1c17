"""Everything that people did, out of the store and back: JSON Lines; answers as CSV.

JSON Lines hold one record a line, in ASCII, that any program reads. Left out are the secrets of sessions and the rounds
that are being played at this moment.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError, StatementError
from sqlalchemy.orm import Session

from seewhy.core.files import csv_text
from seewhy.core.reading import JSON_BYTES, damaged, open_regular, parse_json, sound
from seewhy.core.text import shown
from seewhy.errors import BadFile, Conflict, SeewhyError, StoreError, UsageError
from seewhy.images import open_image
from seewhy.people.game import points
from seewhy.people.lines import (
    LINE,
    VERSION,
    AnswerLine,
    Head,
    MaskLine,
    PictureLine,
    PlayerLine,
    Record,
    RoundLine,
)
from seewhy.people.names import (
    LONGEST_HASH,
    LONGEST_IMAGE,
    checked_key,
    checked_label,
    checked_language,
    checked_player,
    checked_text,
    checked_words,
)
from seewhy.people.records import Answer, NewRound, Picture
from seewhy.people.rounds import answer_of, find_round, give_back, map_in, put_round
from seewhy.people.runs import checked_runs
from seewhy.people.store import (
    AnswerRow,
    LabelRow,
    MaskRow,
    PictureRow,
    PlayerRow,
    RevisionRow,
    RoundRow,
    SeatRow,
    Store,
    player_row,
)

CURE = "give a .jsonl file that `seewhy people export` wrote, or correct that line"
_COLUMNS = (
    *("round", "player", "simulated", "image", "layer", "cluster"),
    *("true_class", "guess", "outcome", "stage", "points", "language", "labels"),
)
_PLAIN = ("model", "layer", "cluster", "weight", "true_class", "overlap", "gold", "simulated")  # of a round


def export_lines(store: Store) -> Iterator[str]:
    """One line for each record, players first; the same store gives the same bytes."""
    yield _line({"kind": "seewhy-people", "version": VERSION})
    with store.reading() as session:
        for table, record in _EXPORTS:
            order = list(table.__table__.primary_key)
            for row in session.scalars(select(table).order_by(*order)):
                yield _line(record(row))


def import_file(store: Store, path: Path) -> Counter[str]:
    """As `import_lines`, from a file."""
    with sound(path, CURE), open_regular(path, CURE) as file:
        return import_lines(store, _lines(file, path), path)


def import_lines(store: Store, lines: Iterable[str | bytes], path: Path = Path("people.jsonl")) -> Counter[str]:
    """Add what is not there yet, all or nothing; returns how many records of each kind were new.

    Args:
        store: takes them.
        lines: of a file that `export_lines` wrote.
        path: of that file, for errors.

    Raises:
        BadFile: a line that cannot be read, named by its number.
        Conflict: the store knows the same thing otherwise.
    """
    with store.writing() as session:
        into, number = _Import(session, store), 0
        for number, line in enumerate(lines, start=1):
            if line.strip():
                into.read(line, Path(f"{path}, line {number},"))
        if not number:
            raise BadFile(f"{shown(path)} is empty; {CURE}")
        return into.new


def answers_csv(answers: Iterable[Answer]) -> str:
    """A line for each answer; several labels are joined by semicolons."""
    return csv_text(
        _COLUMNS,
        (
            (
                *(each.round, each.player, "simulated" if each.simulated else "person", each.image, each.layer),
                *(each.cluster, each.true_class, each.guess or "", each.outcome, each.stage),
                *(points(each.stage, won=each.won), each.language, "; ".join(each.labels)),
            )
            for each in answers
        ),
    )


def _lines(file: BinaryIO, path: Path) -> Iterator[bytes]:
    """The lines of a file, none of them longer than a picture makes it."""
    while line := file.readline(2 * JSON_BYTES):
        if len(line) == 2 * JSON_BYTES:
            raise damaged(path, f"a line is longer than {2 * JSON_BYTES >> 20} MiB", CURE)
        yield line


@dataclass(eq=False)
class _Import:
    """One reading of a file: what its numbers of rounds and pictures mean here."""

    session: Session
    store: Store
    new: Counter[str] = field(default_factory=Counter[str])
    rounds: dict[int, int] = field(default_factory=dict[int, int])
    pictures: dict[int, Picture] = field(default_factory=dict[int, Picture])

    def read(self, line: str | bytes, place: Path) -> None:
        record: Record = parse_json(line, LINE, place, CURE)
        try:
            if self._add(record):
                self.new[record.kind] += 1
            self.session.flush()
        except (ValueError, IntegrityError, StatementError) as error:
            raise damaged(place, str(error).splitlines()[0], CURE) from error
        except StoreError:
            raise
        except Conflict as error:
            raise Conflict(f"{shown(place)} {error}") from error
        except SeewhyError as error:
            raise damaged(place, str(error), CURE) from error

    def _add(self, record: Record) -> bool:
        match record:
            case Head():
                if record.version != VERSION:
                    raise UsageError(f"the file has version {record.version}, this seewhy reads {VERSION}")
                return False
            case PlayerLine():
                return self._player(record)
            case PictureLine():
                return self._picture(record)
            case RoundLine():
                return self._round(record)
            case AnswerLine():
                return self._answer(record)
            case MaskLine():
                return self._mask(record)

    def _player(self, record: PlayerLine) -> bool:
        name = checked_player(record.name)
        known = self.session.scalar(select(PlayerRow).filter_by(name=name))
        if known is None:
            row = PlayerRow(name=name, simulated=record.simulated, joined=record.joined, banned=record.banned)
            self.session.add(row)
        elif known.simulated != record.simulated:
            raise Conflict(f"tells of {name!r}, who is simulated in one place and a person in the other")
        return known is None

    def _picture(self, record: PictureLine) -> bool:
        name = checked_text(record.image, "name of a picture", LONGEST_IMAGE)
        identity = checked_text(record.image_hash, "hash of a picture", LONGEST_HASH)
        picture = Picture(name, identity, b64decode(record.content, validate=True))
        open_image(picture.content, isolated=True)  # refuses what is no picture
        self.pictures[record.id] = picture
        return False  # it comes with its rounds

    def _round(self, record: RoundLine) -> bool:
        if record.picture not in self.pictures:
            raise UsageError(f"it tells of picture {record.picture}, which no line before tells of")
        new = NewRound(
            self.pictures[record.picture],
            **{name: getattr(record, name) for name in _PLAIN},
            map=np.array(record.map, dtype=np.float32),
            options=tuple(record.options),
        )
        row, fresh = put_round(self.session, self.store, new)
        self.rounds[record.id] = row.id
        return fresh

    def _answer(self, record: AnswerLine) -> bool:
        player = player_row(self.session, record.player)
        if record.round not in self.rounds:
            raise UsageError(f"it tells of round {record.round}, which no line before tells of")
        number = self.rounds[record.round]
        labels = list(checked_words(record.labels)) if record.guess is not None else []
        known = self.session.scalar(select(AnswerRow).filter_by(round_id=number, player_id=player.id))
        if known is not None:
            same = (known.guess, known.stage, [label.text for label in known.labels])
            if same != (record.guess, record.stage, labels):
                raise Conflict(f"{player.name!r} answered this round otherwise in the store")
            return False
        if record.guess is not None and record.guess not in find_round(self.session, number).options:
            raise UsageError(f"{shown(record.guess)} is not among the classes to choose from")
        # The player's seat, a free one, or one more.
        usable = (SeatRow.player_id == player.id) | SeatRow.player_id.is_(None)
        wanted = select(SeatRow).where(SeatRow.round_id == number, usable)
        own_first = wanted.order_by(SeatRow.player_id.is_(None), SeatRow.id)
        seat = self.session.scalar(own_first.limit(1)) or SeatRow(round_id=number)
        seat.player_id, seat.stage, seat.expires = player.id, record.stage, None
        answer = AnswerRow(
            player_id=player.id,
            round_id=number,
            labels=[LabelRow(position=position, text=text) for position, text in enumerate(labels)],
            key=checked_key(record.key),
            guess=record.guess,
            stage=record.stage,
            language=checked_language(record.language),
            given=record.given,
        )
        self.session.add_all([seat, answer])
        if record.guess is None:
            self.session.flush()
            give_back(self.session, find_round(self.session, number))
        return True

    def _mask(self, record: MaskLine) -> bool:
        player = player_row(self.session, record.player)
        height, width = record.size
        checked_runs(record.counts, height, width)
        checked_text(record.image_hash, "hash of a picture", LONGEST_HASH)
        identity = {"image_hash": record.image_hash, "player_id": player.id, "label": checked_label(record.label)}
        row = self.session.scalar(select(MaskRow).filter_by(**identity))
        image = checked_text(record.image, "name of a picture", LONGEST_IMAGE)
        row = row or MaskRow(image=image, height=height, width=width, **identity)
        if (row.height, row.width) != (height, width):
            raise Conflict(f"tells of a mask of {width} × {height}; the store has one of {row.width} × {row.height}")
        self.session.add(row)
        self.session.flush()
        known = self.session.get(RevisionRow, (row.id, record.revision))
        if known is not None:
            if known.counts != record.counts:
                raise Conflict(f"tells of revision {record.revision} of a mask, which is another one in the store")
            return False
        state = {"revision": record.revision, "key": checked_key(record.key), "counts": record.counts}
        self.session.add(RevisionRow(mask_id=row.id, drawn=record.drawn, **state))
        return True


def _player(row: PlayerRow) -> dict[str, Any]:
    banned = {"banned": row.banned.isoformat()} if row.banned else {}
    return {"kind": "player", "name": row.name, "simulated": row.simulated, "joined": row.joined.isoformat(), **banned}


def _picture(row: PictureRow) -> dict[str, Any]:
    names = {"id": row.id, "image": row.image, "image_hash": row.image_hash}
    return {"kind": "picture", **names, "content": b64encode(row.content).decode("ascii")}


def _round(row: RoundRow) -> dict[str, Any]:
    plain = {"id": row.id, **{name: getattr(row, name) for name in _PLAIN}, "options": row.options}
    values = map_in(row.map, (row.rows, row.columns)).tolist()
    return {"kind": "round", "picture": row.picture_id, **plain, "map": values}


def _answer(row: AnswerRow) -> dict[str, Any]:
    return {"kind": "answer", **asdict(answer_of(row)), "key": row.key, "given": row.given.isoformat()}


def _mask(row: RevisionRow) -> dict[str, Any]:
    mask, player = row.mask, row.mask.player
    return {
        "kind": "mask",
        "image": mask.image,
        "image_hash": mask.image_hash,
        "label": mask.label,
        "player": player.name,
        "simulated": player.simulated,
        "size": [mask.height, mask.width],
        "revision": row.revision,
        "key": row.key,
        "counts": row.counts,
        "drawn": row.drawn.isoformat(),
    }


_EXPORTS: tuple[tuple[Any, Callable[[Any], dict[str, Any]]], ...] = (
    (PlayerRow, _player),
    (PictureRow, _picture),
    (RoundRow, _round),
    (AnswerRow, _answer),
    (RevisionRow, _mask),
)


def _line(record: dict[str, Any]) -> str:
    return json.dumps(record, allow_nan=False) + "\n"
