"""Pictures to bytes: the same picture gives the same bytes, with nothing in them but the pixels."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO

import numpy as np
from PIL import Image

from seewhy.draw.colors import Pixels

QUALITY = 85


def png_bytes(picture: Pixels | Image.Image) -> bytes:
    """PNG of an RGB picture, without time stamps, profiles or other notes."""
    buffer = BytesIO()
    Image.fromarray(np.asarray(picture)).save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def data_uri(picture: Pixels | Image.Image) -> str:
    """The same PNG as a `data:` address, to stand inside a page."""
    return "data:image/png;base64," + b64encode(png_bytes(picture)).decode("ascii")


def photo_uri(pixels: Pixels) -> str:
    """RGB uint8 `(h, w, 3)` as the `data:` address of a JPEG: a tenth of a PNG of the same photo."""
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return "data:image/jpeg;base64," + b64encode(buffer.getvalue()).decode("ascii")
