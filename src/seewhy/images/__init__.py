"""The only door for pictures: untrusted bytes in, a checked upright RGB `Image` out."""

from __future__ import annotations

from seewhy.images.folder import Entry, Folder
from seewhy.images.image import Box, Image
from seewhy.images.levels import from_values
from seewhy.images.masks import Mask, ReadMask, check_masks, iou, match_masks, noted, open_mask, read_mask, top_area
from seewhy.images.opening import (
    OnePicture,
    Pictures,
    find_images,
    open_image,
    open_images,
    reopen_image,
    samples,
    save_image,
)

__all__ = [
    "Box",
    "Entry",
    "Folder",
    "Image",
    "Mask",
    "OnePicture",
    "Pictures",
    "ReadMask",
    "check_masks",
    "find_images",
    "from_values",
    "iou",
    "match_masks",
    "noted",
    "open_image",
    "open_images",
    "open_mask",
    "read_mask",
    "reopen_image",
    "samples",
    "save_image",
    "top_area",
]
