"""How every command runs: shared options, loading, progress, JSON or a table, saving, failures, the exit code.

A command is a function that asks a verb and returns an `Answer`; `command` gives it the shared options:

    @command("model weights device")
    def predict(run: Run, images: options.Images) -> Answer:
        from seewhy.verbs import predict

        with run.progress() as progress:
            return Answer.of(predict(run.load(), images, progress=progress))
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from seewhy.cli.console import complain, note, print_json, print_table, progress_bar, waiting
from seewhy.cli.options import DEFAULT_MODEL, SHARED
from seewhy.core.outcome import Outcome

if TYPE_CHECKING:
    from seewhy.core.progress import Progress
    from seewhy.models import Classifier
    from seewhy.verbs import Result
    from seewhy.verbs.result import PhotoResults

FAILED, WRONG_USAGE, SOME_FAILED = 1, 2, 3


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


def command(shared: str = "", **defaults: Any) -> Callable[[Callable[..., Answer]], Callable[..., None]]:
    """Make a function a command for Typer, with `--json` and the options of `SHARED` that `shared` names.

    A parameter `run` of it gets the `Run`. `defaults` are those of shared options that differ here; one whose help
    differs, too, is declared by the function itself and counts in the run as well.
    """

    def decorate(body: Callable[..., Answer]) -> Callable[..., None]:
        parameters = inspect.signature(body, eval_str=True).parameters
        own = [each for each in parameters.values() if each.name != "run"]
        named = {each.name for each in own}
        added = [
            inspect.Parameter(
                each, inspect.Parameter.KEYWORD_ONLY, default=defaults.get(each, default), annotation=annotation
            )
            for each, (annotation, default) in SHARED.items()
            if each in {*shared.split(), "json"} - named
        ]

        def run_command(**given: Any) -> None:
            common = {key: value for key, value in given.items() if key in SHARED}
            run = Run(**common)
            asked = {key: value for key, value in given.items() if key in named}
            tell(run, body(**asked, **({"run": run} if "run" in parameters else {})))

        run_command.__name__, run_command.__doc__ = body.__name__, body.__doc__
        run_command.__annotations__ = {each.name: each.annotation for each in (*own, *added)}
        run_command.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined]
        return run_command

    return decorate


def tell(run: Run, answer: Answer) -> None:
    """Print an answer, save what it found, and leave with the exit code that says how much failed."""
    if run.json:
        print_json(answer.values)
    else:
        for table in answer.tables:
            print_table(table.title, table.columns, table.rows)
    report = answer.report
    if answer.result:
        report = answer.result.save(run.out) / "report.html"
    for each in answer.notes:
        note(each)
    if report:
        note(f"report: {report}")
    for failure in answer.failures:
        words = str(failure.error)
        complain(words if failure.source in words else f"{failure.source}: {words}")
    if answer.failures:
        raise typer.Exit(FAILED if len(answer.failures) >= answer.asked else SOME_FAILED)
