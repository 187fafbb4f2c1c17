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


def within(progress: Progress, place: int, count: int, title: str = "") -> Progress:
    """Progress of the part at `place` of `count` equal ones, as a share of all of them."""

    def tell(done: int, total: int | None, message: str) -> None:
        steps = total or 1
        told = " · ".join(filter(None, (title, message)))
        progress(place * steps + (done if total else 0), count * steps, told)

    return tell


def remarked(progress: Progress, place: int, count: int, what: str) -> Progress:
    """Progress of the item at `place` of `count`, as a remark: the count stays that of the items, called `what`."""

    def tell(done: int, total: int | None, message: str) -> None:
        progress(place, count, f"{what} · {done:,}{f' of {total:,}' if total else ''} {message}")

    return tell
