"""Rounds to play, made by hand, and stores to play them in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
import PIL.Image
from sqlalchemy import select

from seewhy.people.masks import MaskRevision, revision_of
from seewhy.people.records import Answer, NewRound, Picture
from seewhy.people.store import MaskRow, PlayerRow, RevisionRow, Store, open_store
from seewhy.verbs.people import export_people

CLASSES = ("bus", "cat", "dog", "owl")


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1)  # noqa: DTZ001 - as the store keeps times

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


def picture(number: int = 0, size: tuple[int, int] = (24, 32)) -> Picture:
    """A noisy picture of its own."""
    pixels = np.random.default_rng(number).integers(1, 256, (*size, 3), dtype=np.uint8)
    buffer = BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, "PNG")
    return Picture(f"photo-{number}.jpg", f"{number:064x}", buffer.getvalue())


def new_round(number: int = 0, cluster: int = 0, **fields: object) -> NewRound:
    """A round on picture `number`, whose class is that number's."""
    values = np.random.default_rng(1000 * number + cluster).random((3, 4), dtype=np.float32)
    known: dict[str, object] = {
        "picture": picture(number),
        "model": "toy",
        "layer": "features",
        "cluster": cluster,
        "weight": 40.0 / (cluster + 1),
        "map": values,
        "true_class": CLASSES[number % len(CLASSES)],
        "options": CLASSES,
    }
    return NewRound(**(known | fields))


def rounds(count: int, **fields: object) -> Iterator[NewRound]:
    """So many rounds, each on a picture of its own."""
    return (new_round(number, **fields) for number in range(count))


def answer(round: int = 1, player: str = "ann", guess: str | None = "cat", **fields: object) -> Answer:  # noqa: A002
    """An answer to a round whose class is cat."""
    known: dict[str, object] = {
        "image": f"photo-{round}.jpg",
        "image_hash": f"{round:064x}",
        "layer": "features",
        "cluster": 0,
        "true_class": "cat",
        "stage": 0,
        "labels": ("ears",) if guess else (),
    }
    return Answer(round, player, guess=guess, **(known | fields))


def history(store: Store, player: str, image_hash: str, label: str) -> list[MaskRevision]:
    """Every state of one mask, first to last, as the database holds it."""
    wanted = select(RevisionRow).join(RevisionRow.mask).join(MaskRow.player).order_by(RevisionRow.revision)
    with store.reading() as session:
        found = wanted.where(PlayerRow.name == player, MaskRow.image_hash == image_hash, MaskRow.label == label)
        return [revision_of(row) for row in session.scalars(found)]


def export_from(url: str, out: Path) -> None:
    """Write all that a store holds into a folder."""
    with open_store(url) as store:
        export_people(store, out)
