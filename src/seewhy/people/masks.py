"""What people draw: binary masks in the picture's own pixels, kept without loss, state after state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session, contains_eager

from seewhy.errors import Conflict, UsageError
from seewhy.images import Mask
from seewhy.people.store import MaskRow, PlayerRow, RevisionRow, Store, find_player, storable


@dataclass(frozen=True, eq=False)
class MaskRevision:
    """One state of what one player drew on one picture; later states never replace it."""

    image: str
    image_hash: str
    player: str
    label: str  # what was drawn, such as "cat"
    revision: int  # 1, 2, 3 …
    mask: Mask  # bool `(H, W)` in the pixels of the upright picture
    drawn: datetime  # naive UTC
    simulated: bool = False


def encode(mask: Mask) -> str:
    """Bool `(H, W)` as COCO's compressed run lengths."""
    from pycocotools import mask as coco

    found: Any = coco.encode(np.asfortranarray(mask, dtype=np.uint8))
    return found["counts"].decode("ascii")


def runs(mask: Mask) -> list[int]:
    """Bool `(H, W)` as COCO's run lengths, not compressed: column by column, unmarked first.

    >>> runs(np.array([[False, True], [True, True]]))
    [1, 3]
    """
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths: list[int] = np.diff(np.r_[0, edges, flat.size]).tolist()
    return [0, *lengths] if flat[0] else lengths


def decode(counts: str | Sequence[int], height: int, width: int) -> Mask:
    """Bool `(height, width)` from COCO's run lengths, compressed or as a list.

    Raises:
        UsageError: they do not describe a mask of this size.
    """
    lengths = _lengths(counts) if isinstance(counts, str) else list(counts)
    if any(length < 0 for length in lengths) or sum(lengths) != height * width:
        raise UsageError(f"the run lengths of a mask do not fill its {width} × {height} pixels; export it again")
    inside = np.arange(len(lengths)) % 2 == 1
    return np.repeat(inside, lengths).reshape(width, height).T


def save_mask(
    store: Store, player: str, image: str, image_hash: str, label: str, mask: Mask, *, base: int, key: str
) -> MaskRevision:
    """Add a state after revision `base` (0: nothing was drawn yet); sent again with the same key, it counts once.

    Raises:
        UsageError: the mask is not bool `(H, W)`, has no label, or not the size of the revisions before it.
        Conflict: the player has drawn on since `base`, in another window perhaps; or the key stands for another state.
    """
    label = storable(label).strip()
    if mask.dtype != np.bool_ or mask.ndim != 2 or not mask.size:
        raise UsageError(f"a mask is bool (H, W), not {mask.dtype} {mask.shape}")
    if not label or not key:
        raise UsageError("a mask has a label that says what was drawn, and a key by which it is known when sent again")
    counts = encode(mask)

    def keep(session: Session) -> MaskRevision:
        row = _mask_row(session, player, image, image_hash, label, mask.shape)
        known = session.scalar(select(RevisionRow).filter_by(mask_id=row.id, key=storable(key)))
        if known is None:
            last = session.scalar(select(func.max(RevisionRow.revision)).where(RevisionRow.mask_id == row.id)) or 0
            if base != last:
                raise Conflict(
                    f"revision {last} of this mask was saved meanwhile, after revision {base} that this one goes on "
                    "from; load it, then draw again"
                )
            sent = {"key": storable(key), "counts": counts, "drawn": store.clock()}
            known = RevisionRow(mask=row, revision=base + 1, **sent)
            session.add(known)
            session.flush()
        elif known.counts != counts:
            raise Conflict("this key stands for another state of the mask, which is kept; save with a new key")
        return revision_of(known)

    return store.transact(keep)


def drawn(store: Store, player: str | None = None, image_hash: str | None = None) -> list[MaskRevision]:
    """The last state of every mask, of all players or one, on all pictures or one."""
    last = select(func.max(RevisionRow.revision)).where(RevisionRow.mask_id == MaskRow.id).scalar_subquery()
    wanted = (
        select(RevisionRow)
        .join(RevisionRow.mask)
        .join(MaskRow.player)
        .where(RevisionRow.revision == last.correlate(MaskRow))
        .options(contains_eager(RevisionRow.mask).contains_eager(MaskRow.player))
        .order_by(RevisionRow.mask_id)
    )
    if player is not None:
        wanted = wanted.where(PlayerRow.name == storable(player))
    if image_hash is not None:
        wanted = wanted.where(MaskRow.image_hash == image_hash)
    with store.reading() as session:
        return [revision_of(row) for row in session.scalars(wanted)]


def revision_of(row: RevisionRow) -> MaskRevision:
    """The row as a plain record."""
    mask, player = row.mask, row.mask.player
    pixels = decode(row.counts, mask.height, mask.width)
    about = (mask.image, mask.image_hash, player.name, mask.label)
    return MaskRevision(*about, row.revision, pixels, row.drawn, simulated=player.simulated)


def _mask_row(
    session: Session, player: str, image: str, image_hash: str, label: str, shape: tuple[int, ...]
) -> MaskRow:
    who, (height, width) = find_player(session, player), shape
    mine = select(MaskRow).filter_by(player_id=who.id, image_hash=image_hash, label=label)
    row = session.scalar(mine.with_for_update())  # who saves the same mask at the same time waits here
    if row is None:
        row = MaskRow(image=storable(image), image_hash=image_hash, label=label, height=height, width=width, player=who)
        session.add(row)
        session.flush()
    elif (row.height, row.width) != shape:
        raise UsageError(
            f"the mask is {width} × {height}, those before it are {row.width} × {row.height}; masks are drawn in the "
            "picture's own pixels"
        )
    return row


def _lengths(counts: str) -> list[int]:
    """COCO's run lengths from their text: six bits a character, from the third on as differences two back."""
    found: list[int] = []
    value = shift = 0
    for character in counts:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 60:
            raise UsageError("the run lengths of a mask hold signs that COCO does not use; export it again")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        found.append(value + found[-2] if len(found) > 2 else value)
        value = shift = 0
    if shift:
        raise UsageError("the run lengths of a mask end in the middle; export it again")
    return found
