"""Makes picture files of every kind, byte by byte where no encoder would write them. Uses nothing of seewhy."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable

import numpy as np
import PIL.Image

WHITE = np.array([255, 255, 255])


def scene(width: int = 48, height: int = 32) -> np.ndarray:
    """A smooth RGB picture without any symmetry, with a bright corner that tells which side is up."""
    y, x = np.mgrid[0:height, 0:width]
    rgb = np.stack([x * 200 // width, y * 200 // height, (x + 2 * y) * 60 // (width + height)], axis=-1)
    rgb[: height // 4, : width // 4] = (250, 240, 20)
    return rgb.astype(np.uint8)


def rough(width: int = 96, height: int = 64) -> np.ndarray:
    """A picture that does not compress, so that a cut falls among its pixels."""
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


SCENE = scene()
GREY = SCENE[..., 0]
ALPHA = np.tile(np.linspace(0, 255, SCENE.shape[1]).astype(np.uint8), (SCENE.shape[0], 1))


def grey_as_rgb(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., np.newaxis], 3, axis=2)


def over(rgb: np.ndarray, alpha: np.ndarray, background: np.ndarray = WHITE) -> np.ndarray:
    """Alpha compositing as the textbook has it."""
    share = alpha[..., np.newaxis] / 255
    return np.rint(rgb * share + background * (1 - share)).astype(np.uint8)


def encoded(pixels: np.ndarray | PIL.Image.Image, kind: str, **options: object) -> bytes:
    picture = pixels if isinstance(pixels, PIL.Image.Image) else PIL.Image.fromarray(pixels)
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


# --- PNG, chunk by chunk -------------------------------------------------------------------------------------------

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(rows: np.ndarray, bits: int, colour: int, *extra: bytes, size: tuple[int, int] | None = None) -> bytes:
    """A PNG of packed rows `(H, bytes)`; `size` may lie about them, and `extra` chunks come before the pixels."""
    width, height = size or (rows.shape[1], rows.shape[0])
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    lines = b"".join(b"\0" + row.tobytes() for row in rows)
    body = chunk(b"IDAT", zlib.compress(lines, 9))
    return PNG_MAGIC + header + b"".join(extra) + body + chunk(b"IEND", b"")


def png16(pixels: np.ndarray, colour: int) -> bytes:
    rows = pixels.astype(">u2").reshape(len(pixels), -1)
    return png(rows, 16, colour, size=(pixels.shape[1], pixels.shape[0]))


def tiny_png(*extra: bytes) -> bytes:
    return png(np.zeros((4, 4), np.uint8), 8, 0, *extra)


# --- TIFF, entry by entry ------------------------------------------------------------------------------------------

SHORT, LONG = 3, 4


def tiff(entries: dict[int, tuple[int, int, int]], body: bytes, order: str = "<") -> bytes:
    """A TIFF of one page: tag -> (kind, count, value); a value of -n stands for byte n of what follows the tags."""
    start = 8 + 2 + 12 * len(entries) + 4
    table = b""
    for tag, (kind, count, value) in sorted(entries.items()):
        inline = value if value >= 0 else start - value - 1
        short = struct.pack(order + "HH", inline, 0) if kind == SHORT and count == 1 else None
        table += struct.pack(order + "HHI", tag, kind, count) + (short or struct.pack(order + "I", inline))
    magic = b"II*\0" if order == "<" else b"MM\0*"
    head = magic + struct.pack(order + "I", 8) + struct.pack(order + "H", len(entries))
    return head + table + bytes(4) + body


def grey_tags(width: int, height: int, bits: int = 8, channels: int = 1) -> dict[int, tuple[int, int, int]]:
    return {
        256: (LONG, 1, width),
        257: (LONG, 1, height),
        258: (SHORT, 1, bits),
        259: (SHORT, 1, 1),
        262: (SHORT, 1, 1),
        273: (LONG, 1, -1),
        277: (SHORT, 1, channels),
        278: (LONG, 1, height),
        279: (LONG, 1, width * height * channels * bits // 8),
    }


def tiff_of_pages(count: int, *, endless: bool = False) -> bytes:
    """One-pixel pages in a row that share their pixel; the last may lead back to the first."""
    page = tiff({**grey_tags(1, 1), 273: (LONG, 1, 8)}, b"")[8:-4]
    size = len(page) + 4
    offsets = [8 + size * number for number in range(1, count)] + [8 if endless else 0]
    return b"II*\0" + struct.pack("<I", 8) + b"".join(page + struct.pack("<I", offset) for offset in offsets)


def tiff_of_channels(channels: int) -> bytes:
    pixels = np.zeros((4, 5, channels), np.uint8)
    return tiff(grey_tags(5, 4, channels=channels), pixels.tobytes())


def tiff_rgb_and_two() -> bytes:
    """Five channels of which Pillow would show three."""
    bits = struct.pack("<5H", 8, 8, 8, 8, 8)
    extras = {258: (SHORT, 5, -1), 262: (SHORT, 1, 2), 273: (LONG, 1, -11), 338: (SHORT, 2, 0)}
    return tiff({**grey_tags(5, 4, channels=5), **extras}, bits + bytes(5 * 4 * 5))


def tiff_with_long_exif(length: int) -> bytes:
    """One pixel, and an Exif directory with so many rational numbers."""
    inside = struct.pack("<HHHII", 1, 33434, 5, length, 8) + bytes(4 + 8)
    page = grey_tags(1, 1)
    return tiff({**page, 34665: (LONG, 1, -2)}, b"\0" + inside + bytes(8 * length))


# --- EXIF ----------------------------------------------------------------------------------------------------------

TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    # What has to be done to the upright picture so that a camera would store it with this orientation.
    1: lambda upright: upright,
    2: np.fliplr,
    3: lambda upright: np.rot90(upright, 2),
    4: np.flipud,
    5: lambda upright: np.transpose(upright, (1, 0, 2)),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: np.rot90(np.transpose(upright, (1, 0, 2)), 2),
    8: lambda upright: np.rot90(upright, -1),
}


def exif(orientation: int) -> bytes:
    tags = PIL.Image.Exif()
    tags[274] = orientation
    return tags.tobytes()


def stored(orientation: int) -> PIL.Image.Image:
    return PIL.Image.fromarray(np.ascontiguousarray(TURNS[orientation](SCENE)))


# --- JPEG ----------------------------------------------------------------------------------------------------------


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def jpeg_with(*segments: bytes) -> bytes:
    plain = encoded(SCENE, "JPEG", quality=95)
    return plain[:2] + b"".join(segments) + plain[2:]


def jpeg_of_size(width: int, height: int) -> bytes:
    """A JPEG whose header lies about its size."""
    jpeg = encoded(SCENE, "JPEG")
    at = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:at] + struct.pack(">HH", height, width) + jpeg[at + 4 :]


def without_adobe_mark(jpeg: bytes) -> bytes:
    start = jpeg.index(b"\xff\xee")
    return jpeg[:start] + jpeg[start + 2 + struct.unpack_from(">H", jpeg, start + 2)[0] :]


def inks() -> PIL.Image.Image:
    """Magenta and black ink, differently much everywhere."""
    amounts = np.zeros((*GREY.shape, 4), np.uint8)
    amounts[..., 1], amounts[..., 3] = GREY, ALPHA // 4
    return PIL.Image.frombytes("CMYK", (GREY.shape[1], GREY.shape[0]), amounts.tobytes())


def inks_in_rgb() -> np.ndarray:
    left = 1 - np.stack([np.zeros_like(GREY), GREY, np.zeros_like(GREY)], axis=-1) / 255
    return np.rint(255 * left * (1 - ALPHA[..., np.newaxis] // 4 / 255)).astype(np.uint8)


def many_scans(count: int) -> bytes:
    """A progressive JPEG whose last scan, valid in itself, comes again and again."""
    jpeg = encoded(np.zeros((64, 64, 3), np.uint8), "JPEG", progressive=True)
    last = jpeg.rindex(b"\xff\xda")
    return jpeg[:last] + jpeg[last:-2] * count + jpeg[-2:]


# --- Others --------------------------------------------------------------------------------------------------------


def animated(kind: str, **options: object) -> bytes:
    """The scene and two more frames."""
    first, *rest = (PIL.Image.fromarray(np.roll(SCENE, shift, axis=1)) for shift in range(3))
    return encoded(first, kind, save_all=True, append_images=rest, **options)


def gif_of_frames(count: int) -> bytes:
    frame = b"\x2c" + struct.pack("<HHHH", 0, 0, 1, 1) + b"\0\x02\x02\x44\x01\0"
    palette = bytes([10, 20, 30, 40, 50, 60])
    return b"GIF89a" + struct.pack("<HH", 1, 1) + b"\x80\0\0" + palette + frame * count + b";"


def palette_scene() -> tuple[PIL.Image.Image, np.ndarray]:
    """Four colours in quarters, and the same in RGB."""
    colours = np.array([[200, 10, 10], [10, 200, 10], [10, 10, 200], [90, 90, 90]], np.uint8)
    indices = np.kron(np.array([[0, 1], [2, 3]], np.uint8), np.ones((5, 7), np.uint8))
    picture = PIL.Image.fromarray(indices)
    picture.putpalette(colours.tobytes())
    return picture, colours[indices]


def zip_of_a_text() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("picture.txt", "no picture")
    return file.getvalue()


def one_bit_png(side: int) -> bytes:
    return png(np.zeros((side, side // 8), np.uint8), 1, 0, size=(side, side))


def png_of_scene(*extra: bytes) -> bytes:
    return png(SCENE.reshape(len(SCENE), -1), 8, 2, *extra, size=(SCENE.shape[1], SCENE.shape[0]))


def levels(values: np.ndarray, black: float, white: float) -> np.ndarray:
    return grey_as_rgb(np.rint((values - black) / (white - black) * 255).astype(np.uint8))


SVG = b"""<?xml version="1.0"?>
<!DOCTYPE svg [<!ENTITY secret SYSTEM "file:///etc/passwd">]>
<svg xmlns="http://www.w3.org/2000/svg"><text>&secret;</text></svg>"""


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 16]) + data[at + 1 :]


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    """A WebP of these chunks, kinds and contents."""
    body = b"".join(
        kind + struct.pack("<I", len(content)) + content + bytes(len(content) % 2) for kind, content in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def webp_with(*chunks: tuple[bytes, bytes]) -> bytes:
    """The scene, with these chunks before its pixels."""
    height, width = SCENE.shape[:2]
    canvas = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    kind, content = b"VP8L", encoded(SCENE, "WEBP", lossless=True)[20:]
    return riff((b"VP8X", canvas), *chunks, (kind, content))


def gif_with(blocks: bytes) -> bytes:
    """One pixel, with these blocks before its frame."""
    gif = gif_of_frames(1)
    return gif[:19] + blocks + gif[19:]


def tga(kind: int = 2) -> bytes:
    return bytes([0, 0, kind, *bytes(9)]) + struct.pack("<HHBB", 4, 4, 24, 0) + bytes(48)
