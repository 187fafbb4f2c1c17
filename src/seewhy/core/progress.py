"""How long work reports itself, and how its caller stops it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called with work done and work in all; raise `seewhy.errors.Cancelled` inside to stop the work."""

    def __call__(self, done: int, total: int | None, message: str) -> None:
        """Report `done` of `total` units (`None`: not known yet) and what they are."""
        ...


def silent(done: int, total: int | None, message: str) -> None:
    """Report to nobody."""
