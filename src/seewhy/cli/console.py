"""What a command has: its `Run`, its `Answer`, and the terminal: data on stdout, progress and chatter on stderr."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table as TextTable

from seewhy.cli.options import DEFAULT_MODEL
from seewhy.core.files import json_text
from seewhy.core.outcome import Outcome
from seewhy.core.progress import Progress

if TYPE_CHECKING:
    from seewhy.models import Classifier
    from seewhy.verbs import Result
    from seewhy.verbs.result import PhotoResults

NARROWEST = 7  # of a column


@dataclass(frozen=True)
class Run:
    """One call of a command: what its shared options say, and what commands do with them."""

    model: str | None = DEFAULT_MODEL
    weights: Path | None = None
    out: Path = Path()
    seed: int = 0
    device: str = "auto"
    json: bool = False

    def load(self) -> Classifier:
        """The classifier that `--model` names."""
        from seewhy.models import load

        with waiting(f"loading {self.model}"):
            return load(self.model or DEFAULT_MODEL, self.weights, self.device)

    def progress(self) -> AbstractContextManager[Progress]:
        """A bar on stderr."""
        return progress_bar()


@dataclass(frozen=True)
class Table:
    """A table for people; into a pipe go its rows alone."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""


@dataclass(frozen=True)
class Answer:
    """What a command found: `values` for `--json`, tables for people, and what is to be said beside them.

    A `result` is saved to `--out` with its report; a command that writes as it goes gives the `report` it wrote. Of
    `asked` things the `failures` went wrong; the exit code says whether that is some, all or none of them.
    """

    values: Any
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()
    result: Result | None = None
    report: Path | None = None
    failures: Sequence[Outcome[Any]] = ()
    asked: int = 0

    @classmethod
    def of(cls, result: Result, **changes: Any) -> Answer:
        """A result, told by its own rows and saved."""
        rows = result.rows()
        table = Table(list(rows[0]) if rows else [], [[cell_text(each) for each in row.values()] for row in rows])
        return replace(cls(result.to_dict(), [table], result=result), **changes)

    @classmethod
    def of_photos(cls, result: PhotoResults[Any], notes: Sequence[str] = ()) -> Answer:
        """What was found about several photos, in JSON a list; saved unless all of them failed."""
        answer = cls.of(result, notes=notes, failures=result.failures, asked=len(result.found) + len(result.failures))
        values = [result.values(each) for each in result.found]
        return replace(answer, values=values, result=result if result.found else None)


def cell_text(value: Any) -> str:
    """A plain value as the cell of a table."""
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)


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
    print(json_text(value))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on stdout; into a pipe it is tab-separated, for other programs."""
    console = Console(emoji=False)
    if not console.is_terminal:
        for row in rows:
            print("\t".join(row))
        return
    table = TextTable(
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


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)
