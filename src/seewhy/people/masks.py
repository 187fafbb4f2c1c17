"""What people draw: binary masks in the picture's own pixels, kept without loss, state after state."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session, contains_eager

from seewhy.errors import Conflict, UsageError
from seewhy.images import Mask
from seewhy.people.names import LONGEST_HASH, LONGEST_IMAGE, checked_key, checked_label, checked_text
from seewhy.people.runs import checked_runs, decode, encode
from seewhy.people.store import MaskRow, PlayerRow, RevisionRow, Store, find_player, storable


@dataclass(frozen=True)
class MaskRevision:
    """One state of what one player drew on one picture; later states never replace it."""

    image: str
    image_hash: str
    player: str
    label: str  # what was drawn, such as "cat"
    revision: int  # 1, 2, 3 …
    counts: str  # COCO's compressed run lengths
    height: int
    width: int
    drawn: datetime  # naive UTC
    simulated: bool = False

    @property
    def mask(self) -> Mask:
        """Bool `(H, W)` in the pixels of the upright picture, made anew each time."""
        return decode(self.counts, self.height, self.width)


def save_mask(
    store: Store, player: str, image: str, image_hash: str, label: str, mask: Mask, *, base: int, key: str
) -> MaskRevision:
    """Add a state after revision `base` (0: nothing was drawn yet); sent again with the same key, it counts once.

    Raises:
        UsageError: the mask is not bool `(H, W)`, has no label, or not the size of the revisions before it.
        Conflict: the player has drawn on since `base`, in another window perhaps; or the key stands for another state.
    """
    if mask.dtype != np.bool_ or mask.ndim != 2 or not mask.size:
        raise UsageError(f"a mask is bool (H, W), not {mask.dtype} {mask.shape}")
    shape: tuple[int, int] = mask.shape
    return save_runs(store, player, image, image_hash, label, encode(mask), shape, base=base, key=key)


def save_runs(
    store: Store,
    player: str,
    image: str,
    image_hash: str,
    label: str,
    counts: str,
    shape: tuple[int, int],
    *,
    base: int,
    key: str,
) -> MaskRevision:
    """As `save_mask`, of a mask `(H, W)` as COCO's compressed run lengths.

    Raises:
        UsageError: they do not fill it; and as for `save_mask`.
        Conflict: as for `save_mask`.
    """
    checked_runs(counts, *shape)
    label, key = checked_label(label), checked_key(key)
    image = checked_text(storable(image), "name of a picture", LONGEST_IMAGE)
    checked_text(image_hash, "hash of a picture", LONGEST_HASH)

    def keep(session: Session) -> MaskRevision:
        row = _mask_row(session, player, image, image_hash, label, shape)
        known = session.scalar(select(RevisionRow).filter_by(mask_id=row.id, key=key))
        if known is None:
            last = session.scalar(select(func.max(RevisionRow.revision)).where(RevisionRow.mask_id == row.id)) or 0
            if base != last:
                raise Conflict(
                    f"revision {last} of this mask was saved meanwhile, after revision {base} that this one goes on "
                    "from; load it, then draw again"
                )
            sent = {"key": key, "counts": counts, "drawn": store.clock()}
            known = RevisionRow(mask=row, revision=base + 1, **sent)
            session.add(known)
            session.flush()
        elif known.counts != counts:
            raise Conflict("this key stands for another state of the mask, which is kept; save with a new key")
        return revision_of(known)

    return store.transact(keep)


def drawn(store: Store, player: str | None = None, image_hash: str | None = None) -> list[MaskRevision]:
    """The last state of every mask, of all players or one, on all pictures or one; of those banned by the host none."""
    last = select(func.max(RevisionRow.revision)).where(RevisionRow.mask_id == MaskRow.id).scalar_subquery()
    wanted = (
        select(RevisionRow)
        .join(RevisionRow.mask)
        .join(MaskRow.player)
        .where(RevisionRow.revision == last.correlate(MaskRow), PlayerRow.banned.is_(None))
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
    about = (mask.image, mask.image_hash, player.name, mask.label)
    state = (row.revision, row.counts, mask.height, mask.width, row.drawn)
    return MaskRevision(*about, *state, simulated=player.simulated)


def _mask_row(
    session: Session, player: str, image: str, image_hash: str, label: str, shape: tuple[int, int]
) -> MaskRow:
    who, (height, width) = find_player(session, player), shape
    mine = select(MaskRow).filter_by(player_id=who.id, image_hash=image_hash, label=label)
    row = session.scalar(mine.with_for_update())  # who saves the same mask at the same time waits here
    if row is None:
        row = MaskRow(image=image, image_hash=image_hash, label=label, height=height, width=width, player=who)
        session.add(row)
        session.flush()
    elif (row.height, row.width) != shape:
        raise UsageError(
            f"the mask is {width} × {height}, those before it are {row.width} × {row.height}; masks are drawn in the "
            "picture's own pixels"
        )
    return row
