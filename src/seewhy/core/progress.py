"""How long work reports itself, how its caller stops it, and the bar that shows it in a terminal or a notebook."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from html import escape
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


def in_notebook() -> bool:
    """Whether this code runs in the kernel of a notebook, which can show pictures."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return getattr(shell, "kernel", None) is not None


@contextmanager
def progress_bar() -> Generator[Progress]:
    """A bar with the work done, gone when the context ends: HTML in a notebook, else on stderr.

    with seewhy.progress_bar() as progress:
        seewhy.explain(classifier, photos, "lime", progress=progress)
    """
    with _notebook_bar() if in_notebook() else _terminal_bar() as progress:
        yield progress


@contextmanager
def _notebook_bar() -> Generator[Progress]:
    from IPython.display import HTML, display

    shown = display(HTML(bar_html(0, None, "")), display_id=True)

    def report(done: int, total: int | None, message: str) -> None:
        if shown:
            shown.update(HTML(bar_html(done, total, message)))

    try:
        yield report
    finally:
        if shown:
            shown.update(HTML(""))


def bar_html(done: int, total: int | None, message: str) -> str:
    """The bar as HTML; without a total it shows that work goes on, not how far it is."""
    place = f' value="{done}" max="{total}"' if total else ""
    words = f"{message} {done:,}" + (f" of {total:,}" if total else "") if message else ""
    return f"<progress{place}></progress> {escape(words)}"


@contextmanager
def _terminal_bar() -> Generator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    parts = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*parts, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def report(done: int, total: int | None, message: str) -> None:
            bar.update(task, completed=done, total=total, description=message)

        yield report
