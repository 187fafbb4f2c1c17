"""Pictures by class, out of what people upload: a zip, or a folder's files."""

from __future__ import annotations

import io
import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from seewhy.errors import BadImage, SeewhyError, UsageError
from seewhy.images.image import Image
from seewhy.images.opening import BANDS, open_image, save_image

MOST_FILES, MOST_BYTES = 5000, 1 << 30
UNSAFE = re.compile(r"[^\w .()+-]+")
LONGEST = 60  # letters of a name
DIGITS = 8  # of a picture's hash in its name
HIDDEN = ("__MACOSX", ".")


@dataclass(frozen=True)
class Unpacked:
    """Where the pictures lie, how many of each class, and what was wrong with others."""

    folder: Path
    counts: dict[str, int]
    failures: tuple[tuple[str, SeewhyError], ...]


def members(data: bytes, most: int) -> Iterator[tuple[str, bytes]]:
    """The files of a zip by their paths, each cut off one byte past `most`.

    What unpacks to too much is refused: sizes are counted while unpacking, whatever the zip says.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            left = MOST_BYTES
            for entry in archive.infolist()[: MOST_FILES + 1]:
                if entry.is_dir():
                    continue
                with archive.open(entry) as file:
                    content = file.read(most + 1)
                left -= len(content)
                if left < 0:
                    raise UsageError(f"the zip unpacks to more than {MOST_BYTES >> 20} MB; take fewer pictures")
                yield entry.filename, content
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError, ValueError) as error:
        raise UsageError(f"the zip cannot be read ({error}); pack it again, without a password") from error


def unpack(files: Iterable[tuple[str, bytes]], folder: Path, max_bytes: int, max_pixels: int) -> Unpacked:
    """Check every picture, and keep it as `folder/CLASS/NAME HASH.png`; its class is the folder that it lay in.

    Classes and pictures are named as people named them, without what no name holds; the hash is of the pixels, cut
    short, and the same picture counts once in a class. What is no picture is listed.
    """
    kept: set[tuple[str, str]] = set()
    failures: list[tuple[str, SeewhyError]] = []
    for number, (name, content) in enumerate(files):
        if number >= MOST_FILES:
            raise UsageError(f"there are more than {MOST_FILES} files; take fewer pictures")
        path = PurePosixPath(name.replace("\\", "/"))
        if len(path.parts) < 2 or any(part.startswith(HIDDEN) for part in path.parts):
            continue
        label = safe_name(path.parts[-2])
        try:
            image = open_upload(content, path.name, max_bytes, max_pixels)
        except BadImage as error:
            failures.append((name, error))
            continue
        if (label, image.sha256) not in kept:
            target = folder / label / f"{safe_name(path.stem)} {image.sha256[:DIGITS]}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            if image.stored is not None and image.tells_more:
                np.save(target.with_suffix(BANDS), image.stored, allow_pickle=False)
            else:
                save_image(image, target)
            kept.add((label, image.sha256))
    counts = Counter(label for label, _ in kept)
    if len(counts) < 2:
        raise UsageError(
            "there are pictures of fewer than two classes; put those of each class into a folder of its own"
        )
    return Unpacked(folder, dict(sorted(counts.items())), tuple(failures))


def open_upload(content: bytes, name: str, max_bytes: int, max_pixels: int) -> Image:
    """The photo in these bytes, under this name.

    Raises:
        BadImage: it is no photo, or too large.
    """
    if len(content) > max_bytes:
        raise BadImage("too_large", f"{name} has more than {max_bytes >> 20} MB. Make it smaller.")
    return open_image(content, name=name, max_pixels=max_pixels)


def safe_name(name: str) -> str:
    """The name without what a path could not hold, or could mean something else by."""
    return UNSAFE.sub(" ", name).strip(" .")[:LONGEST].strip() or "unnamed"
