"""Everything that people did, out of the store and back: JSON Lines, masks as COCO, answers as CSV.

JSON Lines hold one record a line, in ASCII, that any program reads. Left out are the secrets of sessions and the rounds
that are being played at this moment.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, TypeAlias

import numpy as np
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError, StatementError
from sqlalchemy.orm import Session

from seewhy.core.files import csv_text
from seewhy.errors import BadImage, Conflict, SeewhyError, UsageError
from seewhy.images import Mask, open_image
from seewhy.people.game import points
from seewhy.people.masks import MaskRevision, decode, drawn, encode, save_mask
from seewhy.people.players import join
from seewhy.people.records import Answer, NewRound, Picture
from seewhy.people.rounds import answer_of, find_round, map_in, put_round
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
    find_player,
    storable,
)

VERSION = 1
Record: TypeAlias = dict[str, Any]

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


def import_lines(store: Store, lines: Iterable[str]) -> Counter[str]:
    """Add what is not there yet, all or nothing; returns how many records of each kind were new.

    Raises:
        UsageError: a line that cannot be read, named by its number.
        Conflict: the store knows the same thing otherwise.
    """
    with store.writing() as session:
        into, number = _Import(session, store), 0
        for number, line in enumerate(lines, start=1):
            if line.strip():
                into.read(number, line)
        if not number:
            raise UsageError("the file is empty; give one that `seewhy people export` wrote")
        return into.new


def export_coco(masks: Sequence[MaskRevision]) -> dict[str, Any]:
    """A COCO data set: a category for each label, an annotation for each player's mask, its last state."""
    images = {each.image_hash: each for each in masks}
    image_ids = {image_hash: number for number, image_hash in enumerate(images, start=1)}
    category_ids = {label: number for number, label in enumerate(sorted({each.label for each in masks}), start=1)}
    return {
        "info": {"description": "Masks that people drew in seewhy"},
        "images": [
            {
                "id": image_ids[each.image_hash],
                "file_name": each.image,
                "height": each.mask.shape[0],
                "width": each.mask.shape[1],
                "sha256": each.image_hash,
            }
            for each in images.values()
        ],
        "categories": [{"id": number, "name": label} for label, number in category_ids.items()],
        "annotations": [
            {
                "id": number,
                "image_id": image_ids[each.image_hash],
                "category_id": category_ids[each.label],
                "segmentation": {"size": list(each.mask.shape), "counts": encode(each.mask)},
                "area": int(each.mask.sum()),
                "bbox": _bounds(each.mask),
                "iscrowd": 0,
                "annotator": each.player,
                "revision": each.revision,
                "simulated": each.simulated,
            }
            for number, each in enumerate(masks, start=1)
        ],
    }


def import_coco(
    store: Store, document: Mapping[str, Any], player: str = "imported", hashes: Mapping[str, str] | None = None
) -> int:
    """Save masks as further revisions, where they differ from the last; returns how many were saved.

    Areas of one class on one picture by one annotator become one mask. Where the file names no annotator it is
    `player`; where it holds no hash of the picture, `hashes` gives it by the name of its file.

    Raises:
        UsageError: the document is no COCO data set, or a picture's hash is not known.
    """
    try:
        areas = _areas(document, player, hashes or {})
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise UsageError(f"this is no COCO data set with masks ({type(error).__name__}: {error})") from error
    last = {(each.player, each.image_hash, each.label): each for each in drawn(store)}
    saved = 0
    for (annotator, simulated, image, image_hash, label), mask in areas.items():
        annotator = join(store, annotator, simulated=simulated)
        before = last.get((annotator, image_hash, label))
        if before is None or not np.array_equal(before.mask, mask):
            base = before.revision if before else 0
            key = sha256(f"coco:{base}:{encode(mask)}".encode()).hexdigest()
            save_mask(store, annotator, image, image_hash, label, mask, base=base, key=key)
            saved += 1
    return saved


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


@dataclass(eq=False)
class _Import:
    """One reading of a file: what its numbers of rounds and pictures mean here."""

    session: Session
    store: Store
    new: Counter[str] = field(default_factory=Counter[str])
    rounds: dict[int, int] = field(default_factory=dict[int, int])
    pictures: dict[int, Picture] = field(default_factory=dict[int, Picture])

    def read(self, number: int, line: str) -> None:
        try:
            self._add(json.loads(line))
            self.session.flush()
        except (KeyError, TypeError, ValueError, AttributeError, IntegrityError, StatementError, BadImage) as error:
            reason = str(error).splitlines()[0]
            raise UsageError(f"line {number} cannot be read ({type(error).__name__}: {reason})") from error
        except SeewhyError as error:
            raise type(error)(f"line {number}: {error}") from error

    def _add(self, record: Record) -> None:
        kind = record["kind"]
        if kind == "seewhy-people":
            if record["version"] != VERSION:
                raise UsageError(f"the file has version {record['version']}, this seewhy reads {VERSION}")
            return
        readers: Mapping[str, Callable[[Record], bool]] = {
            "player": self._player,
            "picture": self._picture,
            "round": self._round,
            "answer": self._answer,
            "mask": self._mask,
        }
        if kind not in readers:
            raise UsageError(f"there are no records of the kind {kind!r}")
        if readers[kind](record):
            self.new[kind] += 1

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
        open_image(picture.content, isolated=True)  # refuses what is no picture
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
        # The player's seat, a free one, or one more.
        usable = (SeatRow.player_id == player.id) | SeatRow.player_id.is_(None)
        wanted = select(SeatRow).where(SeatRow.round_id == number, usable)
        own_first = wanted.order_by(SeatRow.player_id.is_(None), SeatRow.id)
        seat = self.session.scalar(own_first.limit(1)) or SeatRow(round_id=number)
        seat.player_id, seat.stage, seat.expires = player.id, record["stage"], None
        answer = AnswerRow(
            player_id=player.id,
            round_id=number,
            labels=[LabelRow(position=position, text=text) for position, text in enumerate(labels)],
            given=datetime.fromisoformat(record["given"]),
            **{name: record[name] for name in ("key", "guess", "stage", "language")},
        )
        self.session.add_all([seat, answer])
        return True

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


def _player(row: PlayerRow) -> Record:
    return {"kind": "player", "name": row.name, "simulated": row.simulated, "joined": row.joined.isoformat()}


def _picture(row: PictureRow) -> Record:
    names = {"id": row.id, "image": row.image, "image_hash": row.image_hash}
    return {"kind": "picture", **names, "content": b64encode(row.content).decode("ascii")}


def _round(row: RoundRow) -> Record:
    plain = {"id": row.id, **{name: getattr(row, name) for name in _PLAIN}, "options": row.options}
    values = map_in(row.map, (row.rows, row.columns)).tolist()
    return {"kind": "round", "picture": row.picture_id, **plain, "map": values}


def _answer(row: AnswerRow) -> Record:
    return {"kind": "answer", **asdict(answer_of(row)), "key": row.key, "given": row.given.isoformat()}


def _mask(row: RevisionRow) -> Record:
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


_EXPORTS: tuple[tuple[Any, Callable[[Any], Record]], ...] = (
    (PlayerRow, _player),
    (PictureRow, _picture),
    (RoundRow, _round),
    (AnswerRow, _answer),
    (RevisionRow, _mask),
)


def _line(record: Record) -> str:
    return json.dumps(record, allow_nan=False) + "\n"


def _areas(
    document: Mapping[str, Any], player: str, hashes: Mapping[str, str]
) -> dict[tuple[str, bool, str, str, str], Mask]:
    images = {each["id"]: each for each in document["images"]}
    labels = {each["id"]: each["name"] for each in document["categories"]}
    found: defaultdict[tuple[str, bool, str, str, str], list[Mask]] = defaultdict(list)
    for each in document["annotations"]:
        image = images[each["image_id"]]
        name, height, width = str(image["file_name"]), int(image["height"]), int(image["width"])
        image_hash = image.get("sha256") or hashes.get(name)
        if not image_hash:
            raise UsageError(f"the file does not say which picture {name} is; give the folder that holds it")
        whose = (each.get("annotator", player), bool(each.get("simulated", False)))
        mask = _pixels(each["segmentation"], height, width)
        found[*whose, name, image_hash, labels[each["category_id"]]].append(mask)
    return {key: np.logical_or.reduce(masks) for key, masks in found.items()}


def _pixels(segmentation: Any, height: int, width: int) -> Mask:
    """Run lengths, compressed or not, or a list of polygons."""
    if isinstance(segmentation, Mapping):
        if list(segmentation["size"]) != [height, width]:
            raise UsageError(f"a mask has the size {segmentation['size']}, its picture {[height, width]}")
        return decode(segmentation["counts"], height, width)
    from pycocotools import mask as coco

    merged: Any = coco.merge(coco.frPyObjects(segmentation, height, width))
    return np.asarray(coco.decode(merged), dtype=bool)


def _bounds(mask: Mask) -> list[int]:
    """Left, top, width, height; zeros for an empty mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return [0, 0, 0, 0]
    return [int(edge) for edge in (columns[0], rows[0], np.ptp(columns) + 1, np.ptp(rows) + 1)]
