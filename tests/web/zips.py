"""Zips as people upload them."""

from __future__ import annotations

import io
import zipfile

import numpy as np

import forge


def packed(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def two_classes(each: int = 6) -> bytes:
    """Reddish noise is a cat, bluish noise a dog; and something that is no picture."""
    noise = np.random.default_rng(0).integers(0, 120, (2 * each, 64, 64, 3), np.uint8)
    noise[:each, ..., 0] += 130
    noise[each:, ..., 2] += 130
    files = {f"mine/{'cat' if n < each else 'dog'}/{n}.png": forge.encoded(noise[n], "PNG") for n in range(2 * each)}
    return packed({**files, "mine/cat/notes.txt": b"no picture"})


def with_a_mark(count: int = 40) -> bytes:
    """Squares of three colours; half of the photos bear a red mark at the bottom left, whatever their square."""
    random = np.random.default_rng(0)
    files = {}
    for number in range(count):
        pixels = random.integers(90, 130, (64, 64, 3), np.uint8)
        pixels[20:34, 10 + number % 20 : 26 + number % 20, number % 3] = 230
        if number % 2:
            pixels[48:60, 4:30] = (240, 30, 30)
        files[f"photos/{number}.png"] = forge.encoded(pixels, "PNG")
    return packed(files)


def four_classes(each: int = 8) -> bytes:
    """Squares of four colours on noise; one in four of each class is another's, so that some are taken for it."""
    random = np.random.default_rng(0)
    colours = {"red": (220, 60, 60), "green": (60, 200, 60), "blue": (60, 60, 220), "yellow": (220, 210, 60)}
    files = {}
    for place, name in enumerate(colours):
        for number in range(each):
            pixels = random.integers(60, 160, (96, 96, 3), np.uint8)
            shown = [*colours.values()][place if number % 4 else (place + 1) % len(colours)]
            pixels[24:72, 10 + number : 70 + number] = shown
            files[f"squares/{name}/{number}.png"] = forge.encoded(pixels, "PNG")
    return packed(files)
