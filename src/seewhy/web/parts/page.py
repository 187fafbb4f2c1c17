"""What a page declares about itself, the pages that there are, and the small pieces that they are made of."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib import import_module
from pathlib import PurePath
from typing import Any, TypeVar

import streamlit as st

from seewhy.core.text import visible
from seewhy.images import Image
from seewhy.web.settings import Settings

T = TypeVar("T")

PAGES = "seewhy.web.pages"
SIGNS = re.compile(r"[!-/:-@\[-`{-~]")  # of ASCII, which Markdown may read as its own


@dataclass(frozen=True)
class Page:
    """One entry of the navigation: `show` draws it, `path` is its address, the lowest `order` comes first.

    `offered` says whether an installation with these settings shows it.
    """

    title: str
    icon: str
    path: str
    order: int
    show: Callable[[], None]
    offered: Callable[[Settings], bool] = lambda _: True


@cache
def list_pages() -> tuple[Page, ...]:
    """Every page, in order: the `PAGE` of each module of `seewhy.web.pages`."""
    names = [module.name for module in pkgutil.iter_modules(import_module(PAGES).__path__)]
    found: list[Page] = [import_module(f"{PAGES}.{name}").PAGE for name in names]
    return tuple(sorted(found, key=lambda page: page.order))


def heading(title: str, lead: str) -> None:
    """What the page is about."""
    st.title(title, anchor=False)
    st.html(f'<p class="sw-lead">{escape(lead)}</p>')


def limits(sentences: Sequence[str]) -> None:
    """What the page cannot tell."""
    items = "".join(f"<li>{escape(each)}</li>" for each in sentences)
    st.html(f'<ul class="sw-limits">{items}</ul>')


def columns_of(many: Sequence[T], count: int = 2) -> Iterator[tuple[Any, T]]:
    """Each of them with the column of the page that it goes in, so many side by side."""
    for start in range(0, len(many), count):
        yield from zip(st.columns(count, gap="medium"), many[start : start + count], strict=False)


def plain(words: str) -> str:
    """As Markdown that says just this, whatever signs are in it, and shows what cannot be seen."""
    return SIGNS.sub(r"\\\g<0>", visible(words))


def file_stem(about: Image | str, *more: str) -> str:
    """What to call files about a photo, or about what has this name, and about `more` than it."""
    name = about if isinstance(about, str) else PurePath(about.name).stem
    parts = ("".join(letter if letter.isalnum() else "-" for letter in each).strip("-")[:60] for each in (name, *more))
    return "-".join(filter(None, parts)) or "photo"
