"""What a page declares about itself, and the pages that there are."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module

from seewhy.web.settings import Settings

PAGES = "seewhy.web.pages"


def always(_settings: Settings) -> bool:
    """Offered by every installation."""
    return True


@dataclass(frozen=True)
class Page:
    """One entry of the navigation: `show` draws it, `path` is its address, the lowest `order` comes first."""

    title: str
    icon: str
    path: str
    order: int
    show: Callable[[], None]
    offered: Callable[[Settings], bool] = always


@cache
def list_pages() -> tuple[Page, ...]:
    """Every page, in order: the `PAGE` of each module of `seewhy.web.pages`."""
    names = [module.name for module in pkgutil.iter_modules(import_module(PAGES).__path__)]
    found: list[Page] = [import_module(f"{PAGES}.{name}").PAGE for name in names]
    return tuple(sorted(found, key=lambda page: page.order))
