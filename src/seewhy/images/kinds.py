"""The kinds of file that are read, and those that people take for pictures."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import BytesIO
from typing import NamedTuple

from PIL import BmpImagePlugin, GifImagePlugin, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin
from PIL.ImageFile import ImageFile

from seewhy.errors import BadImage


class Kind(NamedTuple):
    """A format that is read: how its files begin, what they are called, and Pillow's reader for it."""

    name: str
    signature: bytes
    suffixes: tuple[str, ...]
    read: Callable[[BytesIO], ImageFile]


# No other decoder can be reached: each kind names its reader, and Pillow is never asked to guess.
_KINDS = (
    Kind("JPEG", rb"\xff\xd8\xff", (".jpg", ".jpeg", ".jpe", ".jfif"), JpegImagePlugin.jpeg_factory),
    Kind("PNG", rb"\x89PNG\r\n\x1a\n", (".png", ".apng"), PngImagePlugin.PngImageFile),
    Kind("WebP", rb"RIFF.{4}WEBPVP8", (".webp",), WebPImagePlugin.WebPImageFile),
    Kind("GIF", rb"GIF8[79]a", (".gif",), GifImagePlugin.GifImageFile),
    Kind("BMP", rb"BM.{12}[\x0c(48@l|]\0\0\0", (".bmp", ".dib"), BmpImagePlugin.BmpImageFile),
    Kind("TIFF", rb"II[*+]\0|MM\0[*+]", (".tif", ".tiff"), TiffImagePlugin.TiffImageFile),
)

_NOT_READ = (
    (rb"(\xef\xbb\xbf)?\s*<(svg|.*<svg)[\s>:]", "an SVG drawing"),
    (rb"%PDF-", "a PDF document"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "a PostScript drawing"),
    (rb"8BPS", "a Photoshop document"),
    (rb".{4}ftyp", "a HEIC or AVIF picture, or a film"),
    (rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (rb"\0\0\0\x0cJXL |\xff\x0a", "a JPEG XL picture"),
    (rb"\0\0[\x01\x02]\0", "an icon"),
)
_NO_PICTURES = (
    (rb"(\xef\xbb\xbf)?\s*<(?i:!doctype html|html)", "a web page: the download failed. Download the picture itself"),
    (rb"version https://git-lfs", "a Git LFS pointer: run `git lfs pull`"),
    (rb"PK\x03\x04", "a ZIP archive: unpack it first"),
    (rb"\x80[\x02-\x05]", "a Python pickle, which is never opened. Give a picture"),
)


def picture_suffixes() -> frozenset[str]:
    """The endings, in lower case and with their dot, by which files are taken for pictures."""
    return frozenset(suffix for kind in _KINDS for suffix in kind.suffixes)


def kind_of(data: bytes, name: str) -> Kind:
    """What the bytes are, whatever their file is called.

    Raises:
        BadImage: `unsupported` for known kinds of picture that are not read, `not_an_image` for all else.
    """
    for kind in _KINDS:
        if _begins(data, kind.signature):
            return kind
    for signature, what in _NO_PICTURES:
        if _begins(data, signature):
            raise BadImage("not_an_image", f"{name} is {what}.")
    for signature, what in _NOT_READ:
        if _begins(data, signature):
            raise BadImage("unsupported", f"{name} is {what}, which is not read. {_CURE}")
    raise BadImage("not_an_image", f"{name} is not a picture of a known kind. {_CURE}")


_CURE = f"Save it as {', '.join(kind.name for kind in _KINDS[:-1])} or {_KINDS[-1].name}."


def _begins(data: bytes, signature: bytes) -> bool:
    return re.match(signature, data[:4096], re.DOTALL) is not None
