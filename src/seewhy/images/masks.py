"""Masks of objects: opened, matched to their pictures, and compared as areas."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from seewhy.errors import UsageError
from seewhy.images.image import Image
from seewhy.images.opening import find_images, open_image

Mask: TypeAlias = NDArray[np.bool_]
PathLike = TypeVar("PathLike", str, Path)


def open_mask(path: Path, picture: Image) -> Mask:
    """The mask of a picture, bool `(H, W)`: true where the file is brighter than half the brightest of it.

    Brightness is that of the brightest channel, so that 0 and 1 mean what 0 and 255 do.

    Raises:
        BadImage: the file cannot be opened as a picture.
        UsageError: it has not the size of its picture.
    """
    drawn = open_image(path)
    if drawn.pixels.shape != picture.pixels.shape:
        raise UsageError(
            f"the mask {path} is {drawn.width} × {drawn.height}, its picture {picture.name} is "
            f"{picture.width} × {picture.height}; a mask has the size of its picture"
        )
    levels = drawn.pixels.max(axis=2)
    return levels > levels.max() / 2


def match_masks(pictures: Sequence[PathLike], folder: Path) -> dict[PathLike, Path]:
    """The mask of each picture that has one in `folder`, by the pictures' paths; endings do not count.

    A mask fits the picture whose path ends as the mask's path below `folder` goes (`a/x.png` fits `photos/a/x.jpg`),
    the longest such path first; where there is none, it fits the picture of the same stem. Pictures without a mask
    and masks without a picture are no error.

    Raises:
        UsageError: there is no such folder, no mask fits any picture, or it is unclear which mask fits.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}; give the folder that holds the masks")
    by_path: defaultdict[tuple[str, ...], list[Path]] = defaultdict(list)
    by_stem: defaultdict[str, list[Path]] = defaultdict(list)
    for mask in find_images([folder]):
        by_path[_parts(mask.relative_to(folder))].append(mask)
        by_stem[mask.stem].append(mask)
    fitting: dict[PathLike, list[Path]] = {}
    for picture in pictures:
        parts = _parts(picture)
        tails = (parts[start:] for start in range(len(parts)))
        fitting[picture] = next((by_path[tail] for tail in tails if tail in by_path), by_stem[PurePath(picture).stem])
    found = {picture: masks[0] for picture, masks in fitting.items() if masks}
    if not found and pictures:
        name = PurePath(pictures[0])
        raise UsageError(
            f"no mask in {folder} is named like a picture; the mask of {name.name} would be called {name.stem}.png"
        )
    taken = Counter(found.values())
    if unclear := [picture for picture, mask in found.items() if len(fitting[picture]) > 1 or taken[mask] > 1]:
        raise UsageError(
            f"it is unclear which mask in {folder} fits {unclear[0]}: several pictures or masks share that name; "
            "give the masks the same sub-folders as the pictures, and keep one of each"
        )
    return found


def iou(one: Mask, other: Mask) -> float:
    """Intersection over union of two areas of one shape, from 0 to 1; 1 for two empty areas, since they are equal.

    >>> iou(np.array([True, True, False]), np.array([False, True, True]))
    0.3333333333333333
    """
    union = np.count_nonzero(one | other)
    return float(np.count_nonzero(one & other) / union) if union else 1.0


def top_area(values: NDArray[np.floating], share: float, ties: NDArray[np.integer] | None = None) -> Mask:
    """Where a map is highest: exactly `round(share · size)` of its values, as a bool area of the map's shape.

    Args:
        values: the map, of any shape and finite.
        share: of all values, from 0 to 1.
        ties: of the map's shape; of equal values, those with the larger number here come first. None: in reading
            order.

    >>> top_area(np.array([0.5, 2.0, 0.5, 1.0]), 0.75)
    array([ True,  True, False,  True])
    """
    order = -np.arange(values.size) if ties is None else ties.ravel()
    area = np.zeros(values.size, np.bool_)
    area[np.lexsort((order, values.ravel()))[values.size - round(share * values.size) :]] = True
    return area.reshape(values.shape)


def _parts(path: str | PurePath) -> tuple[str, ...]:
    return PurePath(path).with_suffix("").parts
