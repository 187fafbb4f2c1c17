"""Pictures by class, out of what people upload: a zip, or a folder's files."""

from __future__ import annotations

import io
import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

import numpy as np
from PIL.Image import Resampling

from seewhy.core.text import shown
from seewhy.errors import BadImage, SeewhyError, UsageError
from seewhy.images.decoding import MAX_PIXELS
from seewhy.images.image import Image
from seewhy.images.levels import check_size
from seewhy.images.opening import BANDS, open_image, save_image

MOST_FILES, MOST_BYTES = 5000, 1 << 30
UNSAFE = re.compile(r"[^\w .()+-]+")
LONGEST = 60  # letters of a name
DIGITS = 8  # of a picture's hash in its name
HIDDEN = ("__MACOSX", ".")
ENTRY = b"PK\x01\x02"  # what each entry of a zip's directory begins with
MOST_ENTRIES = 4 * MOST_FILES  # folders and hidden files among them
PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others unpack kilobytes to gigabytes in one step
LOOSE = "pictures"  # folder of pictures that lie in none
REASON = 200  # letters of what a library says


@dataclass(frozen=True)
class Unpacked:
    """Where the pictures lie, how many of each class, and what was wrong with others."""

    folder: Path
    counts: dict[str, int]
    failures: tuple[tuple[str, SeewhyError], ...]


def members(data: bytes, most: int) -> Iterator[tuple[str, bytes]]:
    """The files of a zip by their paths, each cut off one byte past `most`; without folders and hidden files.

    What unpacks to too much is refused: sizes are counted while unpacking, whatever the zip says.

    Raises:
        UsageError: it is no zip, is damaged, has a password, is packed otherwise than by deflate, or holds too much.
    """
    if data.count(ENTRY) > MOST_ENTRIES:  # before a directory is made of them
        raise UsageError(f"the zip lists more than {MOST_ENTRIES} files; take fewer pictures")
    left = MOST_BYTES
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            seen = (each for each in archive.infolist() if not each.is_dir() and not is_hidden(each.filename))
            for entry in islice(seen, MOST_FILES + 1):
                content = _content(archive, entry, most)
                left -= len(content)
                _check_left(left)
                yield entry.filename, content
    except SeewhyError:
        raise
    except Exception as error:  # zipfile and the libraries below it raise whatever they like
        reason = shown(f"{error}" or type(error).__name__, REASON)
        raise UsageError(f"the zip cannot be read ({reason}); pack it again, without a password") from error


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int) -> bytes:
    if entry.compress_type not in PACKINGS:
        raise UsageError("the zip is packed in an unusual way; pack it again as an ordinary zip")
    with archive.open(entry) as file:
        return file.read(most + 1)


def _check_left(left: int) -> None:
    if left < 0:
        raise UsageError(f"the zip unpacks to more than {MOST_BYTES >> 20} MB; take fewer pictures")


def unpack(
    files: Iterable[tuple[str, bytes]], folder: Path, max_bytes: int, max_pixels: int, *, classes: int = 2
) -> Unpacked:
    """Check every picture, and keep it as `folder/CLASS/NAME.png`; its class is the folder that it lay in.

    Classes and pictures are named as people named them, without what no name holds; a second picture of a name bears
    the hash of its pixels, cut short, and the same picture counts once in a class. What is no picture is listed. A
    picture without a folder is none of a class, and is taken only where fewer than two `classes` are needed.
    """
    kept: set[tuple[str, str]] = set()
    failures: list[tuple[str, SeewhyError]] = []
    seen = ((name, content) for name, content in files if not is_hidden(name))
    for number, (name, content) in enumerate(seen):
        if number >= MOST_FILES:
            raise UsageError(f"there are more than {MOST_FILES} files; take fewer pictures")
        path = _path(name)
        if len(path.parts) < 2 and classes > 1:
            continue
        label = safe_name(path.parts[-2]) if len(path.parts) > 1 else LOOSE
        try:
            image = open_upload(content, path.name, max_bytes, max_pixels)
        except BadImage as error:
            failures.append((name, error))
            continue
        if (label, image.sha256) not in kept:
            target = folder / label / f"{safe_name(path.stem)}.png"
            if target.exists():  # another picture of this name
                target = target.with_name(f"{target.stem} {image.sha256[:DIGITS]}.png")
            target.parent.mkdir(parents=True, exist_ok=True)
            if image.stored is not None and image.tells_more:
                np.save(target.with_suffix(BANDS), image.stored, allow_pickle=False)
            else:
                save_image(image, target)
            kept.add((label, image.sha256))
    counts = Counter(label for label, _ in kept)
    if len(counts) < classes:
        few = "there are pictures of fewer than two classes; put those of each class into a folder of its own"
        none = "there is no picture that can be read; give a zip or a folder of JPEG or PNG files"
        raise UsageError(few if classes > 1 else none)
    return Unpacked(folder, dict(sorted(counts.items())), tuple(failures))


def open_upload(content: bytes, name: str, max_bytes: int, max_pixels: int) -> Image:
    """The photo in these bytes, under this name; decoded in a process of its own, since it comes from strangers.

    A photo of more than `max_pixels` is made smaller, which is noted; one of more than `MAX_PIXELS` is refused.

    Raises:
        BadImage: it is no photo, or too large.
    """
    if len(content) > max_bytes:
        raise BadImage("too_large", f"{name} has more than {max_bytes >> 20} MB. Make it smaller.")
    image = open_image(content, name=name, max_pixels=max(max_pixels, MAX_PIXELS), isolated=True)
    return image if image.width * image.height <= max_pixels else _smaller(image, max_pixels)


def _smaller(image: Image, most: int) -> Image:
    """The photo with at most so many pixels."""
    share = (most / (image.width * image.height)) ** 0.5
    size = max(1, int(image.width * share)), max(1, int(image.height * share))
    if image.stored is not None:
        check_size(image.width, image.height, most, image.name)  # bands and alpha are not ours to blend
    pixels = np.asarray(image.to_pil().resize(size, Resampling.LANCZOS, reducing_gap=3.0))
    note = f"made smaller on arrival, from {image.width:,} × {image.height:,} to {size[0]:,} × {size[1]:,} pixels"
    return Image(pixels, image.name, (*image.notes, note))


def is_hidden(name: str) -> bool:
    """Whether a file or a folder on the way to it is one that people do not see."""
    return any(part.startswith(HIDDEN) for part in _path(name).parts)


def safe_name(name: str) -> str:
    """The name without what a path could not hold, or could mean something else by."""
    return UNSAFE.sub(" ", name).strip(" .")[:LONGEST].strip() or "unnamed"


def _path(name: str) -> PurePosixPath:
    return PurePosixPath(name.replace("\\", "/"))
