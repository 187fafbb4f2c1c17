"""What the commands print with: tables on stdout, progress and complaints on stderr."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from seewhy.core.progress import Progress

FAILED, SOME_FAILED = 1, 3
NARROWEST = 7  # of a column


def _stderr() -> Console:
    return Console(stderr=True, soft_wrap=True, highlight=False, emoji=False)


def complain(message: str) -> None:
    """One sentence of trouble on stderr."""
    _stderr().print(f"[bold red]seewhy:[/bold red] {_escape(message)}")


def note(message: str) -> None:
    """One sentence of news on stderr."""
    _stderr().print(_escape(message), style="dim")


def print_json(value: Any) -> None:
    """One JSON document on stdout; NaN is refused."""
    print(json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on stdout; into a pipe it is tab-separated, for other programs."""
    console = Console(emoji=False)
    if not console.is_terminal:
        for row in rows:
            print("\t".join(row))
        return
    table = Table(
        *columns, title=_escape(title) or None, title_justify="left", box=None, header_style="bold", pad_edge=False
    )
    for row in rows:
        table.add_row(*map(_escape, row))
    console.print(table)


@contextmanager
def waiting(message: str) -> Generator[None]:
    """A spinner on stderr while something of unknown length goes on."""
    with _stderr().status(_escape(message)):
        yield


@contextmanager
def progress_bar() -> Generator[Progress]:
    """A bar with time left on stderr, gone when done."""
    with progress_table(()) as (progress, _):
        yield progress


@contextmanager
def progress_table(columns: Sequence[str]) -> Generator[tuple[Progress, Callable[[Sequence[str]], None]]]:
    """A bar with time left on stderr, gone when done, and above it a table that grows by a row at a time, and stays."""
    widths = [max(len(column), NARROWEST) for column in columns]

    def add(cells: Sequence[str]) -> None:
        line = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        bar.console.print(_escape(line.rstrip()))

    parts = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*parts, console=_stderr(), transient=True) as bar:
        task = bar.add_task("", total=None)
        if columns:
            add(columns)

        def report(done: int, total: int | None, message: str) -> None:
            bar.update(task, completed=done, total=total, description=message)

        yield report, add


def finish(failures: Sequence[tuple[str, Exception]], asked: int) -> None:
    """List what failed, and leave with the exit code that says how much of it."""
    import typer

    for source, error in failures:
        complain(str(error) if source in str(error) else f"{source}: {error}")
    if failures:
        raise typer.Exit(FAILED if len(failures) == asked else SOME_FAILED)


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)
