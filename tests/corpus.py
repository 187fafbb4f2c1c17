"""Every odd, broken and hostile picture that `open_image` must survive.

A case says what opening it gives: the code of a `BadImage`, or the pixels. Expected pixels are worked out with NumPy
from the scene that the file was made of.
"""

from __future__ import annotations

import pickle
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import PIL.Image
import PIL.ImageChops

import forge
from forge import ALPHA, GREY, LONG, SCENE, SHORT, chunk, encoded, grey_as_rgb, grey_tags, levels, over, segment, tiff

__all__ = ["BOMBS", "ORDINARY", "SEEDS", "Case"]


@dataclass(frozen=True)
class Case:
    """One file: what it is called, its bytes, and what must come of it."""

    name: str
    make: Callable[[], bytes]
    code: str = ""
    pixels: np.ndarray | None = None
    tolerance: float = 0  # of the mean absolute difference, for lossy formats
    note: str = ""

    def __str__(self) -> str:
        return self.name


def always(data: bytes) -> Callable[[], bytes]:
    return lambda: data


def plain() -> Iterator[Case]:
    for suffix, kind in {"png": "PNG", "bmp": "BMP", "tif": "TIFF", "tiff": "TIFF"}.items():
        yield Case(f"plain.{suffix}", partial(encoded, SCENE, kind), pixels=SCENE)
    for suffix in ("jpg", "jpeg", "jfif"):
        yield Case(f"plain.{suffix}", partial(encoded, SCENE, "JPEG", quality=95), pixels=SCENE, tolerance=3)
    yield Case("progressive.jpg", partial(encoded, SCENE, "JPEG", progressive=True), pixels=SCENE, tolerance=4)
    yield Case("plain.webp", partial(encoded, SCENE, "WEBP", lossless=True), pixels=SCENE)
    yield Case("lossy.webp", partial(encoded, SCENE, "WEBP", quality=90), pixels=SCENE, tolerance=4)
    yield Case("big.tif", partial(encoded, SCENE, "TIFF", big_tiff=True), pixels=SCENE)
    for packing in ("tiff_lzw", "tiff_deflate", "packbits"):
        yield Case(f"{packing}.tif", partial(encoded, SCENE, "TIFF", compression=packing), pixels=SCENE)
    yield Case("no-suffix", partial(encoded, SCENE, "PNG"), pixels=SCENE)
    yield Case("misnamed.jpg", partial(encoded, SCENE, "PNG"), pixels=SCENE, note="a PNG file, although named .jpg")


def palettes() -> Iterator[Case]:
    bits = GREY > 100
    quarters, in_rgb = forge.palette_scene()
    hole = np.where((in_rgb == in_rgb[0, -1]).all(-1), 0, 255)
    veil = np.kron(np.array([[0, 90], [180, 255]]), np.ones((5, 7)))
    white = "transparency shown on white"
    yield Case("grey.png", partial(encoded, GREY, "PNG"), pixels=grey_as_rgb(GREY))
    yield Case("one-bit.png", partial(encoded, bits, "PNG"), pixels=grey_as_rgb(bits * 255))
    for suffix, kind in {"png": "PNG", "gif": "GIF"}.items():
        clear = partial(encoded, quarters, kind, transparency=1)
        yield Case(f"palette.{suffix}", partial(encoded, quarters, kind), pixels=in_rgb)
        yield Case(f"palette-with-hole.{suffix}", clear, pixels=over(in_rgb, hole), note=white)
    veiled = partial(encoded, quarters, "PNG", transparency=bytes([0, 90, 180, 255]))
    yield Case("palette-veiled.png", veiled, pixels=over(in_rgb, veil), note=white)


def alphas() -> Iterator[Case]:
    white = "transparency shown on white"
    rgba, opaque = np.dstack([SCENE, ALPHA]), np.dstack([SCENE, np.full_like(ALPHA, 255)])
    for suffix, kind in {"png": "PNG", "tif": "TIFF", "webp": "WEBP"}.items():
        options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
        yield Case(f"alpha.{suffix}", partial(encoded, rgba, kind, **options), pixels=over(SCENE, ALPHA), note=white)
    yield Case("opaque-alpha.png", partial(encoded, opaque, "PNG"), pixels=SCENE)
    grey_alpha = partial(encoded, np.dstack([GREY, ALPHA]), "PNG")
    yield Case("grey-alpha.png", grey_alpha, pixels=over(grey_as_rgb(GREY), ALPHA), note=white)
    tags = {**grey_tags(2, 1, channels=2), 258: (SHORT, 2, 8 | 8 << 16), 338: (SHORT, 1, 1)}
    multiplied = partial(tiff, tags, bytes([50, 100, 200, 255]))
    expected = over(grey_as_rgb(np.array([[127, 200]])), np.array([[100, 255]]))
    yield Case("premultiplied.tif", multiplied, pixels=expected, tolerance=0.6, note=white)
    corner = SCENE[0, 0]
    cleared = np.where((corner == SCENE).all(-1, keepdims=True), 255, SCENE)
    yield Case(
        "clear-colour.png",
        partial(encoded, SCENE, "PNG", transparency=tuple(corner.tolist())),
        pixels=cleared,
        note=white,
    )


def colours() -> Iterator[Case]:
    inks, in_rgb = forge.inks(), forge.inks_in_rgb()
    yield Case("cmyk.tif", partial(encoded, inks, "TIFF"), pixels=in_rgb, tolerance=1)
    yield Case("cmyk-adobe.jpg", partial(encoded, inks, "JPEG", quality=98), pixels=in_rgb, tolerance=4)
    unmarked = forge.without_adobe_mark(encoded(PIL.ImageChops.invert(inks), "JPEG", quality=98))
    yield Case("cmyk-unmarked.jpg", always(unmarked), pixels=in_rgb, tolerance=4)
    ycbcr = PIL.Image.fromarray(SCENE).convert("YCbCr")
    yield Case("ycbcr.tif", partial(encoded, ycbcr, "TIFF"), pixels=SCENE, tolerance=1.5)
    # In 8-bit L*a*b* a and b are signed: white, and the red of sRGB (L* 53.2, a* 80.1, b* 67.2).
    lab = PIL.Image.frombytes("LAB", (2, 1), bytes([255, 0, 0, 136, 80, 67]))
    yield Case("lab.tif", partial(encoded, lab, "TIFF"), pixels=np.array([[[255] * 3, [255, 0, 0]]]), tolerance=4)


def depths() -> Iterator[Case]:
    deep = np.linspace(0, 65535, 24).astype(np.uint16).reshape(2, 12)
    rgb, shallow, white = np.stack([deep, deep[::-1], deep[:, ::-1]], axis=-1), deep >> 8, "shown on white"
    big_endian = partial(tiff, grey_tags(12, 2, bits=16), deep.astype(">u2").tobytes(), order=">")
    yield Case("16-bit.png", partial(forge.png16, deep, 0), pixels=grey_as_rgb(shallow))
    yield Case("16-bit.tif", partial(encoded, deep, "TIFF"), pixels=grey_as_rgb(shallow))
    yield Case("16-bit-big-endian.tif", big_endian, pixels=grey_as_rgb(shallow))
    yield Case("16-bit-rgb.png", partial(forge.png16, rgb, 2), pixels=rgb >> 8)
    rgba, grey_alpha = np.dstack([rgb, deep]), np.dstack([deep, deep[:, ::-1]])
    yield Case("16-bit-rgba.png", partial(forge.png16, rgba, 6), pixels=over(rgb >> 8, shallow), note=white)
    composed = over(grey_as_rgb(shallow), shallow[:, ::-1])
    yield Case("16-bit-grey-alpha.png", partial(forge.png16, grey_alpha, 4), pixels=composed, note=white)
    black = np.zeros((4, 5, 3), np.uint8)
    yield Case("five-grey-channels.tif", partial(forge.tiff_of_channels, 5), pixels=black)
    yield Case("thirty-channels.tif", partial(forge.tiff_of_channels, 30), pixels=black)
    yield Case("rgb-and-two-channels.tif", forge.tiff_rgb_and_two, pixels=black)


def ranges() -> Iterator[Case]:
    """Numbers of 32 bits: the values, and what must have become black and white."""
    ramp = np.linspace(0, 1, 20).reshape(4, 5)
    for values, black, white in [
        (ramp, 0, 1),
        (ramp * 200, 0, 255),
        (ramp * 5e4, 0, 65535),
        (ramp * 20 - 3, -3, 17),
        (ramp * 3e38 - 1e38, -1e38, 2e38),
    ]:
        name, note = f"float-{values.max():g}.tif", f"values from {black:g} to {white:g} shown as black to white"
        make = partial(encoded, values.astype(np.float32), "TIFF")
        yield Case(name, make, pixels=levels(values, black, white), tolerance=0.1, note=note)
    for top, black, white in [(190, 0, 255), (57_000, 0, 65535), (1_000_000, 0, 1_000_000), (95, -95, 95)]:
        values = np.rint(ramp * (top - min(black, 0)) + min(black, 0)).astype(np.int32)
        make = partial(encoded, values, "TIFF")
        yield Case(f"int-{top}.tif", make, pixels=levels(values, black, white), note=f"from {black:g} to {white:g} ")
    flat, black = np.full((4, 5), -5, np.float32), np.zeros((4, 5, 3), np.uint8)
    yield Case("float-flat.tif", partial(encoded, flat, "TIFF"), pixels=black, note="from -5 to -5")
    for value in (np.nan, np.inf, -np.inf):
        spoilt = np.where(ramp == ramp[2, 3], value, ramp).astype(np.float32)
        yield Case(f"float-{value}.tif", partial(encoded, spoilt, "TIFF"), code="nonfinite")


def orientations() -> Iterator[Case]:
    for turn in forge.TURNS:
        stored, exif, note = forge.stored(turn), forge.exif(turn), "turned upright" if turn > 1 else ""
        lossless = partial(encoded, stored, "WEBP", lossless=True, exif=exif)
        lossy = partial(encoded, stored, "JPEG", quality=95, exif=exif)
        yield Case(f"exif-{turn}.png", partial(encoded, stored, "PNG", exif=exif), pixels=SCENE, note=note)
        yield Case(f"exif-{turn}.webp", lossless, pixels=SCENE, note=note)
        yield Case(f"exif-{turn}.jpg", lossy, pixels=SCENE, tolerance=3, note=note)
        yield Case(f"exif-{turn}.tif", partial(encoded, stored, "TIFF", tiffinfo={274: turn}), pixels=SCENE)
    for turn in (0, 9, 65535):
        make = partial(encoded, SCENE, "PNG", exif=forge.exif(turn))
        yield Case(f"exif-{turn}.png", make, pixels=SCENE, note=f"({turn}) was ignored")
    broken = partial(forge.jpeg_with, segment(0xE1, b"Exif\0\0no TIFF at all"))
    yield Case("exif-broken.jpg", broken, pixels=SCENE, tolerance=3, note="(unreadable) was ignored")
    for name, body in {"broken": b"MM\0", "too-long": bytes(2 << 20)}.items():
        make = partial(forge.png_of_scene, chunk(b"eXIf", body))
        yield Case(f"exif-{name}.png", make, pixels=SCENE, note="(unreadable) was ignored")
    late = encoded(SCENE, "PNG")[:-12] + chunk(b"eXIf", forge.exif(3)[6:]) + chunk(b"IEND", b"")
    yield Case("exif-after-pixels.png", always(late), pixels=np.rot90(SCENE, 2), note="turned upright")


def animations() -> Iterator[Case]:
    note = "first of 3 frames"
    yield Case("animated.png", partial(forge.animated, "PNG"), pixels=SCENE, note=note)
    yield Case("animated.webp", partial(forge.animated, "WEBP", lossless=True), pixels=SCENE, note=note)
    yield Case("animated.gif", partial(forge.animated, "GIF"), pixels=SCENE, tolerance=6, note=note)
    yield Case("pages.tif", partial(forge.animated, "TIFF"), pixels=SCENE, note=note)
    pixel = np.array([[[10, 20, 30]]])
    yield Case("2000-frames.gif", partial(forge.gif_of_frames, 2000), pixels=pixel, note="first of 2000 frames")
    yield Case("10-000-frames.gif", partial(forge.gif_of_frames, 10_000), pixels=pixel, note="only the first frame")


def sizes() -> Iterator[Case]:
    for width, height in [(1, 1), (1, 10_000), (10_000, 1)]:
        pixels = forge.scene(max(width, 4), max(height, 4))[:height, :width]
        for suffix, kind in {"png": "PNG", "bmp": "BMP", "tif": "TIFF"}.items():
            yield Case(f"{width}x{height}.{suffix}", partial(encoded, pixels, kind), pixels=pixels)
    bmp = encoded(SCENE, "BMP")
    yield Case("0x32.bmp", always(bmp[:18] + bytes(4) + bmp[22:]), code="too_small")
    for width, height in [(0, 5), (5, 0)]:
        make = partial(forge.png, np.zeros((height, width), np.uint8), 8, 0, size=(width, height))
        yield Case(f"{width}x{height}.png", make, code="too_small")
    yield Case("0x0.gif", always(b"GIF89a" + bytes(7) + b"\x2c" + bytes(9) + b"\x02\0;"), code="too_small")


def truncated() -> Iterator[Case]:
    kinds = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP", "bmp": "BMP", "gif": "GIF", "tif": "TIFF", "lzw.tif": "TIFF"}
    for suffix, kind in kinds.items():
        whole = encoded(forge.rough(), kind, **({"compression": "tiff_lzw"} if suffix == "lzw.tif" else {}))
        for share in (1, 25, 50, 99):
            yield Case(f"cut-at-{share}.{suffix}", always(whole[: len(whole) * share // 100]), code="truncated")
    png = encoded(forge.rough(), "PNG")
    yield Case("flipped-bit.png", always(forge.flipped(png, len(png) // 2)), code="truncated")


def strangers() -> Iterator[Case]:
    for name, data in {
        "one-byte.png": b"\x89",
        "seven-bytes.png": forge.PNG_MAGIC[:7],
        "text.jpg": b"This is no picture.\n" * 50,
        "noise.jpg": np.random.default_rng(1).bytes(5000),
        "zip.png": forge.zip_of_a_text(),
        "pickle.png": pickle.dumps({"no": "picture"}),
        "page.jpg": b"\n<!DOCTYPE html><html><svg></svg>404</html>",
        "pointer.png": b"version https://git-lfs.github.com/spec/v1\n",
        "archive.gz": b"\x1f\x8b\x08" + bytes(20),
        "archive.tar": b"a.png" + bytes(252) + b"ustar" + bytes(20),
        "error.png": b'{"error": "not found"}',
        "strict.jpg": b'<?xml version="1.0"?>\n<!DOCTYPE html><html><svg/></html>',
        "head.jpg": b"<!-- made by hand -->\n<HEAD><title>404</title></HEAD>",
        "sound.webp": b"RIFF\0\0\0\0WAVEfmt " + bytes(100),
        "cars.bmp": b"BMW makes cars, and this is a text about them.",
    }.items():
        yield Case(name, always(data), code="not_an_image")
    for name, data in {
        "entity.svg": forge.SVG,
        "bare.svg": b"<svg ></svg>",
        "shut.svg": b"<svg/>",
        "prefixed.svg": b'<?xml version="1.0"?><s:svg xmlns:s="http://www.w3.org/2000/svg"/>',
        "plain.tga": forge.tga(),
        "packed.tga": forge.tga(10),
        "footed.tga": forge.tga(1) + bytes(8) + b"TRUEVISION-XFILE.\0",
        "arrow.cur": b"\0\0\2\0\1\0" + bytes(16),
        "film.mp4": b"\0\0\0\x18ftypisom" + bytes(40),
        "drawing.xcf": b"gimp xcf v011" + bytes(40),
        "light.exr": b"v/1\1" + bytes(40),
        "light.hdr": b"#?RADIANCE\n",
        "old.pcx": b"\x0a\5\1\x08" + bytes(124),
        "tile.dds": b"DDS " + bytes(124),
        "quick.qoi": b"qoif" + bytes(20),
        "stars.fits": b"SIMPLE  =                    T",
        "raw.cr3": b"\0\0\0\x18ftypcrx " + bytes(40),
        "paper.pdf": b"%PDF-1.7\n%%EOF",
        "layers.psd": b"8BPS\0\x01" + bytes(40),
        "figure.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n(secret) run",
        "new.jxl": b"\xff\x0a" + bytes(40),
        "real.jp2": encoded(SCENE, "JPEG2000"),
        "real.ico": encoded(SCENE, "ICO"),
        "real.ppm": encoded(SCENE, "PPM"),
    }.items():
        yield Case(name, always(data), code="unsupported")
    yield Case("empty.png", always(b""), code="empty")


def lying_headers() -> Iterator[Case]:
    """Files of a few bytes that claim to hold gigapixels."""
    vast = 100_000
    bmp = b"BM" + bytes(12) + struct.pack("<IiiHHI", 40, vast, vast, 1, 24, 0) + bytes(20)
    narrow, wide = struct.pack("<HH", 16383, 4), struct.pack("<HH", 16383, 16383)
    for name, data in {
        "vast.png": forge.png(np.zeros((1, 1), np.uint8), 8, 2, size=(vast, vast)),
        "vast.gif": b"GIF89a\xff\xff\xff\xff" + forge.gif_of_frames(1)[10:],
        "vast.tif": tiff({**grey_tags(vast, vast), 279: (LONG, 1, 1)}, b""),
        "vast.bmp": bmp,
        "vast.webp": encoded(PIL.Image.new("RGB", (16383, 4)), "WEBP").replace(narrow, wide),
        "vast.jpg": forge.jpeg_of_size(65500, 65500),
    }.items():
        yield Case(name, always(data), code="too_large")


def bombs() -> Iterator[Case]:
    """Files that would keep Pillow busy for long or make it fill the memory; most are small."""
    text, megabyte = zlib.compress(bytes(50 << 20), 9), zlib.compress(bytes(1 << 20), 9)
    tiny, with_segments = forge.tiny_png, forge.jpeg_with
    strips, side = 1_000_000, 30_000
    untiled = {tag: entry for tag, entry in grey_tags(16, 16).items() if tag not in (273, 278, 279)}
    tile = {259: (SHORT, 1, 8), 322: (LONG, 1, side), 323: (LONG, 1, side), 324: (LONG, 1, -1), 325: (LONG, 1, 1000)}
    for name, make in {
        "81-megapixels.png": partial(forge.one_bit_png, 9000),
        "text.png": partial(tiny, chunk(b"zTXt", b"note\0\0" + text)),
        "international-text.png": partial(tiny, chunk(b"iTXt", b"note\0\x01\0\0\0" + text)),
        "many-texts.png": partial(tiny, chunk(b"zTXt", b"note\0\0" + megabyte) * 100),
        "profile.png": partial(tiny, chunk(b"iCCP", b"icc\0\0" + text)),
        "many-profiles.png": partial(tiny, chunk(b"iCCP", b"icc\0\0" + megabyte) * 4000),
        "many-chunks.png": partial(tiny, chunk(b"abCd", b"") * 800_000),
        "many-scans.jpg": partial(forge.many_scans, 200),
        "many-exifs.jpg": partial(with_segments, segment(0xE1, b"Exif\0\0" + bytes(65_000)) * 200),
        "many-segments.jpg": partial(with_segments, segment(0xFE, b"") * 20_000),
        "junk.jpg": partial(with_segments, segment(0xFE, b"") + bytes(30 << 20)),
        "many-strips.tif": partial(tiff, {**grey_tags(1, strips), 273: (SHORT, strips, -1)}, bytes(2 * strips)),
        "many-strips-in-exif.tif": partial(forge.tiff_with_long_exif, 1_000_000),
        "chunks-after-pixels.png": lambda: tiny()[:-12] + chunk(b"abCd", b"") * 800_000,
        "empty-pixels.png": partial(tiny, chunk(b"IDAT", b"") * 800_000),
        "many-chunks.webp": lambda: forge.webp_with(*[(b"abCD", b"")] * 500_000),
        "many-extensions.gif": lambda: forge.gif_with(b"!\xfe\x01a\0" * 1_500_000),
        "many-controls.gif": lambda: forge.gif_with(b"!\xf9\x04\0\0\0\0\0" * 900_000),
        "empty-extensions.gif": lambda: forge.gif_with(b"!\x01\0" * 2_500_000),
        "comment-in-letters.gif": lambda: forge.gif_with(b"!\xfe" + b"\x01a" * 3_700_000 + b"\0"),
        "nothing-between.gif": lambda: forge.gif_with(bytes(7_500_000)),
        "vast-tile.tif": partial(tiff, {**untiled, **tile}, bytes(1000)),
    }.items():
        yield Case(name, make, code="too_large")


ORDINARY = [
    case
    for group in (
        plain, palettes, alphas, colours, depths, ranges, orientations, animations, sizes, truncated, strangers,
        lying_headers,
    )
    for case in group()
]  # fmt: skip
BOMBS = list(bombs())
SEEDS = [case for case in ORDINARY if case.pixels is not None and case.pixels.size < 10_000]
