"""The door for pictures: files, folders, samples, bytes, Pillow pictures, arrays and tensors to an `Image`."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image as Picture

from seewhy.core.names import nearest
from seewhy.core.outcome import Outcome, attempt
from seewhy.errors import BadImage, UnknownName, UsageError
from seewhy.images.decoding import MAX_PIXELS, byte_limit, from_picture
from seewhy.images.image import Image
from seewhy.images.isolation import decode_image
from seewhy.images.kinds import picture_suffixes
from seewhy.images.levels import WHITE, Colour, check_size, from_values, with_channels

if TYPE_CHECKING:
    from torch import Tensor

OnePicture: TypeAlias = str | Path | bytes | Picture | NDArray[Any] | Image  # what opens as one `Image`
Pictures: TypeAlias = "OnePicture | Tensor | list[Any] | tuple[Any, ...]"  # what `open_images` takes

_NAME_LENGTH = 200
BANDS = ".npy"  # beside the PNG of a saved picture
_bands: ContextVar[Sequence[int] | None] = ContextVar("bands", default=None)
_SAMPLE_PREFIX = "sample:"
_SAMPLE_FILES = {"astronaut": "astronaut.png", "cat": "chelsea.png", "coffee": "coffee.png", "rocket": "rocket.jpg"}


def open_image(
    source: OnePicture | Tensor,
    *,
    name: str | None = None,
    max_pixels: int = MAX_PIXELS,
    background: Colour = WHITE,
    bands: Sequence[int] | None = None,
    isolated: bool = False,
) -> Image:
    """Open any picture safely, upright; its `notes` tell what was changed.

    Files are JPEG, PNG, WebP, GIF, BMP, TIFF, `.npy` or DICOM by their content, whatever they are called. EXIF
    orientation is applied, the first frame is taken, alpha is laid over the background, 16 bits become 8, CMYK, LAB
    and palettes become RGB; `seewhy.images.decoding` and `seewhy.images.levels` state the rules. All channels are
    kept for networks that take so many. A file that ends too early is refused, never shown in part.

    Args:
        source: A path, `sample:NAME`, the bytes of a file, a Pillow picture, an array `(H, W)`, `(H, W, C)` or
            `(C, H, W)` (uint8, uint16, bool, or floats in [0, 1]), a tensor of the same kinds, or an `Image`.
        name: What to call it; the file name by default.
        max_pixels: The largest picture decoded, checked before; decoding takes up to 7 bytes a pixel (WebP: 16).
        background: RGB, 0 to 255, shown where the picture is transparent.
        bands: which channels are drawn as red, green and blue, or which one as grey, counted from 1; by default the
            first three of bands, and colours as they are. What networks see does not change.
        isolated: whether a file is decoded in a process of its own, of bounded memory and time; for pictures from
            strangers. Packed TIFFs always are.

    Raises:
        BadImage: The picture cannot be opened; `code` says why, the message also what to do.
        UnknownName: There is no such sample.
        UsageError: `background` is no colour, or `bands` are none of the picture's.
    """
    image = open_undrawn(source, name=name, max_pixels=max_pixels, background=background, isolated=isolated)
    if bands is None and image.stored is not None:
        bands = _bands.get()
    return image if bands is None else image.with_bands(bands)


@contextmanager
def drawing_bands(bands: Sequence[int] | None) -> Generator[None]:
    """Draw pictures of other channels than grey or RGB by these bands, wherever they are opened meanwhile."""
    token = _bands.set(bands)
    try:
        yield
    finally:
        _bands.reset(token)


def open_undrawn(
    source: OnePicture | Tensor,
    *,
    name: str | None = None,
    max_pixels: int = MAX_PIXELS,
    background: Colour = WHITE,
    isolated: bool = False,
) -> Image:
    """What `open_image` does, whatever bands are to be drawn."""
    if len(background) != 3 or not all(0 <= value <= 255 for value in background):
        raise UsageError(f"background is three numbers from 0 to 255 (red, green, blue), not {background}.")
    label = _tidy(name or "")
    match source:
        case str() | Path():
            path = locate(source)
            label = _tidy(name or path.name or str(path))
            data = read_bytes(path, label, byte_limit(max_pixels) + 1)
            return decode_image(data, label, max_pixels, background, isolated=isolated)
        case bytes():
            return decode_image(source, label, max_pixels, background, isolated=isolated)
        case Picture():
            return from_picture(source, label, max_pixels, background)
        case np.ndarray():
            return _from_array(source, label, max_pixels, background)
        case Image():
            check_size(source.width, source.height, max_pixels, source.name)
            return replace(source, name=label) if name else source
        case _ if _is_tensor(source):
            return _from_array(_as_array(source, label), label, max_pixels, background, first=True)
        case _:
            raise BadImage("bad_array", f"{type(source).__name__} is no kind of picture; {_cure(source)}")


def open_images(sources: Pictures) -> tuple[list[Image], bool]:
    """Open one picture or several, and say whether there may be several.

    A list, a tuple, a batch of tensors `(N, C, H, W)` and an array `(N, H, W, C)` are several, also where they hold
    one. Several pictures without names are numbered.

    Raises:
        BadImage: One of them cannot be opened.
    """
    given: Any = sources
    is_batch = (isinstance(given, np.ndarray) or _is_tensor(given)) and given.ndim == 4
    if is_batch or isinstance(given, list | tuple):
        return [_numbered(each, place) for place, each in enumerate(given, start=1)], True
    return [open_image(given)], False


def save_image(image: Image, path: Path) -> None:
    """Write what is shown as a PNG at `path`, and beside it as `.npy` all channels of a picture that has others."""
    image.to_pil().save(path, "PNG", compress_level=1)
    if image.stored is not None and image.tells_more:
        np.save(path.with_suffix(BANDS), image.stored, allow_pickle=False)


def reopen_image(
    path: Path, name: str, notes: tuple[str, ...] = (), *, composite: bool = False, max_pixels: int = MAX_PIXELS
) -> Image:
    """Read back what `save_image` wrote.

    Raises:
        BadImage: one of the files cannot be opened.
    """
    bands = path.with_suffix(BANDS)
    whole = open_undrawn(bands, max_pixels=max_pixels) if bands.is_file() else None
    shown = open_undrawn(path, name=name, max_pixels=max_pixels)
    stored = None if whole is None else whole.pixels if whole.stored is None else whole.stored
    return Image(shown.pixels, shown.name, notes, stored, composite)


def samples() -> dict[str, Path]:
    """The photos that come with scikit-image, by the names that `sample:NAME` knows."""
    spec = find_spec("skimage")
    folders = (spec.submodule_search_locations or []) if spec else []
    found = {name: Path(folder, "data", file) for folder in folders for name, file in _SAMPLE_FILES.items()}
    return {name: path for name, path in found.items() if path.is_file()}


def locate(source: str | Path) -> Path:
    """The path that `source` stands for; only a string can be `sample:NAME`."""
    if not isinstance(source, str) or not source.startswith(_SAMPLE_PREFIX):
        return Path(source)
    name, known = source.removeprefix(_SAMPLE_PREFIX), samples()
    if name not in known:
        near = nearest(name, known, 3, 0.6) or known
        raise UnknownName(f"there is no sample {name!r}; try {', '.join(_SAMPLE_PREFIX + each for each in near)}.")
    return known[name]


def find_images(paths: Sequence[str | Path]) -> list[Path]:
    """The picture files that `paths` name, in order; opening tells whether they are pictures indeed.

    Files stay as they are given, also where they do not exist. A folder gives the files below it that end like
    pictures, sorted, without hidden ones; linked folders are not followed.

    Raises:
        UsageError: Where a folder holds no picture.
        UnknownName: Where there is no such sample.
    """
    return [found for path in map(locate, paths) for found in (_below(path) if _is_folder(path) else [path])]


def open_each(sources: Sequence[Path]) -> tuple[dict[Path, Image], list[Outcome[Any]]]:
    """The pictures that can be opened, by their paths, and what is wrong with the others."""
    outcomes = [(source, attempt(source, partial(open_image, source))) for source in sources]
    opened = {source: each.value for source, each in outcomes if each.value}
    return opened, [each for _, each in outcomes if each.error]


def _numbered(source: Any, place: int) -> Image:
    nameless = isinstance(source, bytes | Picture | np.ndarray) or _is_tensor(source)
    return open_image(source, name=f"picture {place}" if nameless else None)


def _cure(source: Any) -> str:
    if isinstance(source, list | tuple):
        return "a picture stands where several were given, so do not nest lists"
    if isinstance(source, Iterator):
        return "give list(...) of it"
    return "give a path, bytes, a Pillow picture, an array, a tensor or an Image"


def _is_tensor(source: Any) -> bool:
    torch = sys.modules.get("torch")  # who has a tensor has imported it
    return torch is not None and isinstance(source, torch.Tensor)


def _as_array(tensor: Tensor, name: str) -> NDArray[Any]:
    if tensor.is_complex() or str(tensor.layout) != "torch.strided":
        raise BadImage("bad_array", f"{name} is a {tensor.dtype} tensor of {tensor.layout}; give tensor.to_dense().")
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.is_floating_point() else tensor).numpy()


def read_bytes(path: Path, name: str, most: int) -> bytes:
    """The first `most` bytes of a file; refused where it is none."""
    try:
        # Asked before opening: a named pipe would wait for its writer, a device might never end.
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise BadImage(
                "not_a_file",
                f"{name} is a folder, not a file. Name the picture itself; seewhy.images.find_images([folder]) "
                "lists those of a folder.",
            )
        if not stat.S_ISREG(mode):
            raise BadImage("not_a_file", f"{name} is a device, not a file. Name the picture itself.")
        with path.open("rb") as file:
            return file.read(most)
    except FileNotFoundError:
        raise BadImage("not_found", f"{name}: there is no file {str(path)!r}. Check the path.") from None
    except (OSError, ValueError) as error:
        raise BadImage("not_found", f"{name} cannot be read ({error}). Check the path and its permissions.") from error


def _from_array(array: NDArray[Any], name: str, max_pixels: int, background: Colour, *, first: bool = False) -> Image:
    values = with_channels(array, name, first=first)
    check_size(values.shape[1], values.shape[0], max_pixels, name)
    return from_values(values, name, background)


def _tidy(name: str) -> str:
    """A name that can be printed: file names may hold line breaks, control codes and broken letters."""
    return "".join(letter for letter in name if letter.isprintable())[:_NAME_LENGTH] or "picture"


def _below(folder: Path) -> list[Path]:
    found: list[Path] = []
    endings = picture_suffixes()
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        shown = (Path(root, name) for name in sorted(files) if not name.startswith("."))
        found += [path for path in shown if path.suffix.lower() in endings]
    if not found:
        raise UsageError(f"the folder {folder} holds no pictures. Looked for: {' '.join(sorted(endings))}")
    return found


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name too long, a folder above that may not be entered: opening will report it
        return False
