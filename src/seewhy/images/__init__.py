"""The only door for pictures: untrusted bytes in, a checked upright RGB `Image` out."""

from __future__ import annotations

from seewhy.images.folder import Entry, Folder
from seewhy.images.image import Box, Image
from seewhy.images.levels import from_values
from seewhy.images.opening import (
    Mask,
    OnePicture,
    Pictures,
    find_images,
    iou,
    match_masks,
    open_image,
    open_images,
    open_mask,
    reopen_image,
    samples,
    save_image,
    top_area,
)

__all__ = [
    "Box",
    "Entry",
    "Folder",
    "Image",
    "Mask",
    "OnePicture",
    "Pictures",
    "find_images",
    "from_values",
    "iou",
    "match_masks",
    "open_image",
    "open_images",
    "open_mask",
    "reopen_image",
    "samples",
    "save_image",
    "top_area",
]
