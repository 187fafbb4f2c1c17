"""Work on a network that stops between any two of its modules, not only where it reports progress."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache
from typing import Any

from torch.nn.modules.module import register_module_forward_pre_hook

_mine = threading.local()


@contextmanager
def interruptible(check: Callable[[], None]) -> Generator[None]:
    """Call `check` before every module that runs in this thread; what it raises ends the work.

    A slow network may take seconds between two signs of progress, and whoever cancels should not wait for them.
    """
    _install()
    _mine.check = check
    try:
        yield
    finally:
        del _mine.check


@cache
def _install() -> None:
    """Once and for good: PyTorch reads its list of hooks while other threads would change it."""
    register_module_forward_pre_hook(_ask)


def _ask(_module: Any, _inputs: Any) -> None:
    check: Callable[[], None] | None = getattr(_mine, "check", None)
    if check:
        check()
