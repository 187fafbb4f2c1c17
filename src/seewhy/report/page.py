"""Templates and pictures to pages: one file, which asks the network for nothing and runs no script."""

from __future__ import annotations

import os
import pickle
import platform
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from seewhy import __version__
from seewhy.core.files import whole_file, write_whole
from seewhy.draw import fit, percent, photo, photo_uri
from seewhy.images import Image
from seewhy.methods import Explanation
from seewhy.report.words import counted, listed, number

PAGE = "report.html"
LARGE, SMALL = 640, 240


def render(template: str, **fields: Any) -> str:
    """The page that `template` makes of `fields`; text in them is escaped, a field that is missing is an error.

    Every template extends `base.html`, which wants `title` and `lead`.
    """
    return _environment().get_template(template).render(fields, versions=_versions())


def write_page(path: Path, template: str, **fields: Any) -> Path:
    """Render to `path`, whole or not at all, and return it; the same fields give the same bytes.

    Fields may be generators: the page is written part by part, so that a long one need not fit into memory.
    """
    with whole_file(path) as file:
        for part in _environment().get_template(template).generate(fields, versions=_versions()):
            file.write(part.encode("utf-8", errors="replace"))  # a file name may hold what UTF-8 cannot say
    return path


def save_page(folder: Path, page: str) -> Path:
    """Write a page as `folder/report.html`, whole or not at all; returns its path."""
    write_whole(folder / PAGE, page.encode("utf-8", errors="replace"))  # a file name may hold what UTF-8 cannot say
    return folder / PAGE


def render_macro(template: str, macro: str, *arguments: Any) -> Markup:
    """What a macro of a template makes of its arguments: a part of a page."""
    return getattr(_environment().get_template(template).module, macro)(*arguments)


@dataclass
class Sections:
    """Sections of a page that wait in a temporary file, as fields of its template: memory holds one at a time.

    They can be gone through again and again until the file is closed.
    """

    file: IO[bytes] = field(default_factory=TemporaryFile)
    count: int = 0

    def add(self, **fields: Any) -> None:
        """Add a section: plain values, `Markup` and `Picture`."""
        self.file.seek(0, os.SEEK_END)
        pickle.dump(fields, self.file)
        self.count += 1

    def __iter__(self) -> Iterator[dict[str, Any]]:
        self.file.seek(0)
        for _ in range(self.count):
            yield pickle.load(self.file)  # noqa: S301 - nobody else writes to it


@dataclass(frozen=True)
class Picture:
    """A picture as a `data:` address, its size in pixels, and what it shows, in words."""

    uri: str
    width: int
    height: int
    alt: str


def embed(pixels: np.ndarray, alt: str) -> Picture:
    """RGB uint8 `(H, W, 3)` as JPEG: a tenth of a PNG of the same photo."""
    return Picture(photo_uri(pixels), pixels.shape[1], pixels.shape[0], alt)


def drawing(svg: str) -> Markup:
    """A chart of `seewhy.draw`, which escapes what it is given, as it stands."""
    return Markup(svg)  # noqa: S704 - see above


def embed_photo(explanation: Explanation) -> tuple[Picture, bool]:
    """The photo, with a frame round what the model saw; and whether it saw the whole of it."""
    shown, whole, alt = framed_photo(explanation)
    return embed(shown, alt), whole


def framed_photo(explanation: Explanation) -> tuple[np.ndarray, bool, str]:
    """RGB uint8 `(H, W, 3)` of `embed_photo`, whether the model saw the whole of it, and what it shows in words."""
    image = explanation.image
    shown = photo(image.pixels, explanation.view, longest=LARGE)
    whole = np.array_equal(shown, fit(image.pixels, LARGE))
    framed = "" if whole else ", with a frame round the part that the model saw"
    return shown, whole, f"The photo {image.name}{framed}"


def thumbnail(image: Image) -> Picture:
    """The photo as an item of a list that names it; it stays silent beside its name."""
    return embed(fit(image.pixels, SMALL), "")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("seewhy.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters: dict[str, Any] = {"counted": counted, "listed": listed, "number": number, "percent": percent}
    environment.filters.update(filters)
    environment.globals["css"] = _css
    return environment


def _versions() -> dict[str, str]:
    return {"seewhy": __version__, "Python": platform.python_version(), "PyTorch": version("torch")}


@cache
def _css(name: str) -> Markup:
    """A style sheet among the templates."""
    return Markup(files("seewhy.report").joinpath("templates", name).read_text("utf-8"))  # noqa: S704 - our own
