"""Masks of objects: how a file is read as one, which belongs to which picture, and how areas compare.

By whoever drew it, a mask is white on black, or transparent around the object, or numbers or colours of classes. What
it was read as is told wherever it was not simply bright and dark.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seewhy.errors import UsageError
from seewhy.images.decoding import MAX_PIXELS, byte_limit
from seewhy.images.image import Image, Pixels
from seewhy.images.isolation import decode_numbers
from seewhy.images.opening import find_images, open_undrawn, read_bytes

Mask: TypeAlias = NDArray[np.bool_]
PathLike = TypeVar("PathLike", str, Path)

VOID, VOID_COLOUR = (255, 65535), (224, 224, 192)  # of borders that belong to no class, as in Pascal VOC
TRIMAP = [1, 2, 3]  # object, background and border, as in the Oxford pets
_MOST_CLASSES = 64  # in one picture; soft edges have more levels
_DARKER, _DARK_8, _DARK = 128, 200, 30_000  # than these are numbers of classes; soft edges reach up to white


class ReadMask(NamedTuple):
    """Where a file says that the object is, bool `(H, W)`, and how it was read; empty where it is bright and dark."""

    area: Mask
    note: str


def open_mask(path: Path, picture: Image) -> Mask:
    """The mask of a picture, bool `(H, W)`; see `read_mask`."""
    return read_mask(path, picture).area


def read_mask(source: str | Path | ArrayLike, picture: Image) -> ReadMask:
    """The mask of a picture and how it was read.

    Where alpha varies and the visible colours do not, or are no greys, alpha is the mask. Numbers or colours of classes
    are the object, but for 0, black, and borders of no class (255, or VOC's colour). All else is brighter than half the
    brightest, by the brightest channel, so that 0 and 1 mean what 0 and 255 do.

    Args:
        source: a file, or an array: of numbers `(H, W)`, read as a file of them is, or a picture.
        picture: whose mask it is.

    Raises:
        BadImage: the file cannot be opened as a picture.
        UsageError: it has not the size of its picture.
    """
    if isinstance(source, str | Path):
        name = PurePath(source).name
        area, note = _of_file(Path(source))
    else:
        name = f"of {picture.name}"
        area, note = _of_array(np.asarray(source), picture.name)
    if area.shape != (picture.height, picture.width):
        height, width = area.shape
        raise UsageError(
            f"the mask {name} is {width} × {height}, its picture {picture.name} is "
            f"{picture.width} × {picture.height}; a mask has the size of its picture"
        )
    if not note and area.all():
        note = "it covers all of the picture"
    return ReadMask(area, f"mask {name}: {note}" if note else "")


def _of_file(path: Path) -> ReadMask:
    drawn = open_undrawn(path)
    return _read(drawn, decode_numbers(read_bytes(path, drawn.name, byte_limit(MAX_PIXELS)), drawn.name, MAX_PIXELS))


def _of_array(array: NDArray[np.generic], name: str) -> ReadMask:
    if array.ndim != 2:
        return _read(open_undrawn(array, name=f"the mask of {name}"), None)
    if array.dtype.kind in "iu" and array.min() >= 0:
        limit = _DARK if array.max() > VOID[0] else _DARKER if VOID[0] in array else _DARK_8
        return _of_numbers(array.astype(np.int64), limit)
    numbers = array.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise UsageError(f"the mask of {name} holds NaN or infinity; give bool, 0 and 1")
    return ReadMask(numbers > numbers.max() / 2, "")


def noted(image: Image, mask: ReadMask) -> Image:
    """The picture with how its mask was read among its notes."""
    return replace(image, notes=(*image.notes, mask.note)) if mask.note else image


def _read(drawn: Image, numbers: NDArray[np.integer] | None) -> ReadMask:
    if drawn.stored is not None and not drawn.composite and np.ptp(drawn.stored[..., -1]):
        return _of_alpha(drawn.stored[..., :-1], drawn.stored[..., -1])
    if numbers is not None:
        return _of_numbers(numbers, _DARK if numbers.itemsize > 1 else VOID[0])
    levels = drawn.pixels[..., 0]
    if bool((drawn.pixels == levels[..., np.newaxis]).all()):
        return _of_numbers(levels, _DARKER if VOID[0] in levels else _DARK_8)
    return _of_colours(drawn.pixels)


def _of_alpha(colours: Pixels, alpha: Pixels) -> ReadMask:
    seen = colours[alpha > 0]
    if not np.ptp(seen, axis=0).any() or (seen != seen[:, :1]).any():
        return ReadMask(alpha > int(alpha.max()) / 2, "read from alpha, what is not transparent is the object")
    light = colours.max(axis=2) * (alpha / 255)
    return ReadMask(light > light.max() / 2, "bright and not transparent is the object")


def _of_numbers(numbers: NDArray[np.integer], limit: int) -> ReadMask:
    """Of grey levels, or of what files number; numbers of classes are below the `limit`."""
    known = np.unique(numbers).tolist()
    if known == TRIMAP:
        return ReadMask(numbers == 1, "read as a trimap, 1 is the object, 2 the background and 3 the border")
    classes = [each for each in known if each and each not in VOID]
    void = np.isin(numbers, VOID)
    several = len(classes) + bool(void.any()) > 1 and 0 < len(classes) <= _MOST_CLASSES
    if known[0] or not several or classes[-1] >= limit:
        return ReadMask(numbers > known[-1] / 2, "")
    words = f"numbers of classes, all but 0 are the object ({_listed(classes)}){_without(void)}"
    return ReadMask(np.isin(numbers, classes), words)


def _of_colours(pixels: Pixels) -> ReadMask:
    packed = pixels.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    known = np.unique(packed)
    void = (pixels == VOID_COLOUR).all(axis=2)
    colours = np.stack([known >> 16, known >> 8 & 255, known & 255], 1)[1:].astype(float)  # but for black
    colours = colours[(colours != VOID_COLOUR).any(axis=1)]
    rays = colours / np.linalg.norm(colours, axis=1, keepdims=True).clip(min=1)
    several = len(colours) and (void.any() or float(np.ptp(rays, axis=0).max()) > 0.05)  # not one colour, softened
    if known[0] or len(known) > _MOST_CLASSES or not several:
        levels = pixels.max(axis=2)
        return ReadMask(levels > levels.max() / 2, "")
    return ReadMask((packed > 0) & ~void, f"colours of classes, all but black are the object{_without(void)}")


def _without(void: Mask) -> str:
    return ", borders of no class are left out" if void.any() else ""


def _listed(classes: Sequence[int]) -> str:
    most = 6
    return ", ".join(map(str, classes[:most])) + (" …" if len(classes) > most else "")


def check_masks(folder: Path) -> None:
    """Refuse what is no folder of masks."""
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}; give the folder that holds the masks")


def match_masks(pictures: Sequence[PathLike], folder: Path) -> dict[PathLike, Path]:
    """The mask of each picture that has one in `folder`, by the pictures' paths; endings do not count.

    A mask fits the picture whose path ends as the mask's path below `folder` goes (`a/x.png` fits `photos/a/x.jpg`),
    the longest such path first; where there is none, it fits the picture of the same stem. Pictures without a mask
    and masks without a picture are no error.

    Raises:
        UsageError: there is no such folder, no mask fits any picture, or it is unclear which mask fits.
    """
    check_masks(folder)
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
