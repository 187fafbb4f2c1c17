"""What a file is, by its bytes: the kinds that are read, and the names of those that are not."""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

from seewhy.errors import BadImage

_HEAD = 4096  # bytes in which a kind shows; TGA alone has its mark at the end


class Kind(NamedTuple):
    """A format that is read: what it is called, how its files begin, and how their names end."""

    name: str
    signature: bytes
    suffixes: tuple[str, ...]


KINDS = (
    Kind("JPEG", rb"\xff\xd8\xff", (".jpg", ".jpeg", ".jpe", ".jfif")),
    Kind("PNG", rb"\x89PNG\r\n\x1a\n", (".png", ".apng")),
    Kind("WebP", rb"RIFF.{4}WEBPVP8", (".webp",)),
    Kind("GIF", rb"GIF8[79]a", (".gif",)),
    Kind("BMP", rb"BM.{12}[\x0c(48@l|]\0\0\0", (".bmp", ".dib")),
    Kind("TIFF", rb"II[*+]\0|MM\0[*+]", (".tif", ".tiff")),
    Kind("NumPy", rb"\x93NUMPY", (".npy",)),
    Kind("DICOM", rb".{128}DICM", (".dcm", ".dicom")),
    Kind("AVIF", rb".{4}ftypavi", (".avif",)),
    Kind("HEIC", rb".{4}ftyp(hei|hev|mif|msf)", (".heic", ".heif")),
)
OPTIONAL = {"AVIF": "Pillow with AVIF", "HEIC": "pillow-heif"}  # what reads them, where it is installed

_TGA = rb".[\0\x01][\x01-\x03\x09-\x0b].{13}[\x08\x0f\x10\x18 ][\0-\x3f]"
_TGA_END = b"TRUEVISION-XFILE.\0"
_OTHER_PICTURES = (
    (rb"(\xef\xbb\xbf)?\s*<(svg|.*<([a-z]+:)?svg)[\s>:/]", "an SVG drawing"),
    (rb"(\xef\xbb\xbf)?\s*%PDF-", "a PDF document"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "a PostScript drawing"),
    (rb"8BPS", "a Photoshop document"),
    (rb"gimp xcf", "a GIMP document"),
    (rb".{4}ftypcrx|FUJIFILMCCD-RAW|IIRO|IIRS|IIU\0", "a camera's raw picture"),
    (rb".{4}ftyp|\x1aE\xdf\xa3|RIFF.{4}AVI ", "a film"),
    (rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (rb"\0\0\0\x0cJXL |\xff\x0a", "a JPEG XL picture"),
    (rb"II\xbc\x01", "a JPEG XR picture"),
    (rb"\x8aMNG|\x8bJNG", "a film of the PNG family"),
    (rb"\0\0\x01\0[\x01-\xff]\0|icns", "an icon"),
    (rb"\0\0\x02\0[\x01-\xff]\0", "a cursor"),
    (rb"P[1-7]\s", "a PNM picture"),
    (rb"\x0a[\0\x02-\x05]\x01[\x01\x02\x04\x08].{8}", "a PCX picture"),
    (rb"v/1\x01", "an OpenEXR picture"),
    (rb"#\?(RADIANCE|RGBE)", "a Radiance picture"),
    (rb"DDS ", "a DDS texture"),
    (rb"qoif", "a QOI picture"),
    (rb"AT&TFORM", "a DjVu document"),
    (rb"SIMPLE  =", "a FITS picture"),
    (rb"\xd7\xcd\xc6\x9a|\x01\0\0\0.{36} EMF", "a Windows metafile"),
    (rb".{344}(n\+1|ni1)\0", "a NIfTI volume"),
    (_TGA, "a TGA picture"),
)
_NO_PICTURES = (
    (
        rb"(\xef\xbb\xbf)?\s*(<(\?xml|!--).*?>\s*)*<(?i:!doctype html|html|head|body)\b",
        "a web page: the download failed. Download the picture itself",
    ),
    (rb"version https://git-lfs", "a Git LFS pointer: run `git lfs pull`"),
    (rb"PK(\x03\x04|\x05\x06)", "a ZIP archive: unpack it first"),
    (rb"\x1f\x8b|7z\xbc\xaf|Rar!|BZh|\xfd7zXZ|(\x28\xb5|.{256}.ustar)", "an archive: unpack it first"),
    (rb"\x89HDF\r\n", "an HDF5 file. Save one picture of it"),
    (rb"\x80[\x02-\x05]", "a Python pickle, which is never opened. Give a picture"),
)
_ALWAYS = [kind.name for kind in KINDS if kind.name not in OPTIONAL]
_CURE = f"Save it as {', '.join(_ALWAYS[:-1])} or {_ALWAYS[-1]}."
_CANVAS = {"PNG": (">II", 16), "GIF": ("<HH", 6), "BMP": ("<ii", 18)}  # where a header says how large it is


def picture_suffixes() -> frozenset[str]:
    """The endings, in lower case and with their dot, by which files are taken for pictures."""
    return frozenset(suffix for kind in KINDS for suffix in kind.suffixes)


def kind_of(data: bytes, name: str) -> Kind:
    """What the bytes are, whatever their file is called.

    Raises:
        BadImage: they are of no kind that is read; `unsupported` where they are a picture of another.
    """

    def begins(signature: bytes) -> bool:
        return re.match(signature, data[:_HEAD], re.DOTALL) is not None

    for kind in KINDS:
        if begins(kind.signature):
            return kind
    for signature, what in _NO_PICTURES:
        if begins(signature):
            raise BadImage("not_an_image", f"{name} is {what}.")
    for signature, what in _OTHER_PICTURES:
        if begins(signature) or (signature is _TGA and data.endswith(_TGA_END)):
            raise BadImage("unsupported", f"{name} is {what}, which is not read. {_CURE}")
    raise BadImage("not_an_image", f"{name} is {_unknown(data)}. {_CURE}")


def has_no_canvas(data: bytes, kind: Kind) -> bool:
    """Whether the header says zero rows or columns, which Pillow takes for a broken file."""
    form, offset = _CANVAS.get(kind.name, ("", 0))
    return len(data) >= offset + struct.calcsize(form) and 0 in struct.unpack_from(form, data, offset)


def _unknown(data: bytes) -> str:
    """What is told of bytes without a signature."""
    head = data[:_HEAD].decode("utf-8", "ignore")  # a letter may be cut in two
    is_text = len(head.encode()) > min(len(data), _HEAD) - 4 and all(
        each.isprintable() or each.isspace() for each in head
    )
    return "a text and no picture" if is_text else "not a picture of a known kind"
