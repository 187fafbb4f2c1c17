"""The only door for pictures: untrusted bytes in, a checked upright RGB `Image` out."""

from __future__ import annotations

from seewhy.images.finding import find_images, samples
from seewhy.images.folder import Entry, Folder
from seewhy.images.image import Image
from seewhy.images.opening import OnePicture, Pictures, open_image, open_images

__all__ = [
    "Entry",
    "Folder",
    "Image",
    "OnePicture",
    "Pictures",
    "find_images",
    "open_image",
    "open_images",
    "samples",
]
