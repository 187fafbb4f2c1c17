"""How every command runs: shared options, JSON or a table, saving, failures, the exit code.

A command is a function that asks a verb and returns an `Answer`; `command` gives it the shared options:

    @command("model weights device")
    def predict(run: Run, images: Images) -> Answer[list[PhotoPredictions]]:
        from seewhy.verbs.predict import predict

        with run.progress() as progress:
            return Answer.of(predict(run.load(), images, progress=progress))
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, get_args

import typer

from seewhy.commands.console import SHARED, Answer, Run, complain, note, print_json, print_table

FAILED, WRONG_USAGE, SOME_FAILED, CHANGED = 1, 2, 3, 4


def command(shared: str = "", **defaults: Any) -> Callable[[Callable[..., Answer[Any]]], Callable[..., None]]:
    """Make a function a command for Typer, with `--json` and the options of `SHARED` that `shared` names.

    A parameter `run` of it gets the `Run`. `defaults` are those of shared options that differ here; one whose help
    differs, too, is declared by the function itself and counts in the run as well. With `--model` come `--head`,
    `--output` and `--classes`, where the command has none of its own.

    What it makes has the type of its values as `answer`, and is asked without being told by `ask(run, …)`.
    """

    def decorate(body: Callable[..., Answer[Any]]) -> Callable[..., None]:
        signature = inspect.signature(body, eval_str=True)
        parameters = signature.parameters
        own = [each for each in parameters.values() if each.name != "run"]
        named = {each.name for each in own}
        wanted = {*shared.split(), "json"}
        if "model" in wanted | named:
            wanted |= {"head", "output"} if "classes" in named else {"head", "output", "texts"}
        added = [
            inspect.Parameter(
                each, inspect.Parameter.KEYWORD_ONLY, default=defaults.get(each, default), annotation=annotation
            )
            for each, (annotation, default) in SHARED.items()
            if each in wanted - named
        ]

        def ask(run: Run, **given: Any) -> Answer[Any]:
            asked = {key: value for key, value in given.items() if key in named}
            return body(**asked, **({"run": _told(run, given)} if "run" in parameters else {}))

        def run_command(**given: Any) -> None:
            run = _told(Run(), given)
            with run.drawing():
                tell(run, ask(run, **given))

        run_command.__name__, run_command.__doc__ = body.__name__, body.__doc__
        run_command.__annotations__ = {each.name: each.annotation for each in (*own, *added)}
        run_command.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined]
        run_command.ask = ask  # type: ignore[attr-defined]
        (run_command.answer,) = get_args(signature.return_annotation) or (Any,)  # type: ignore[attr-defined]
        return run_command

    return decorate


def _told(run: Run, given: Mapping[str, Any]) -> Run:
    """The run with what was given of shared options."""
    return replace(run, **{key: value for key, value in given.items() if key in SHARED})


def tell(run: Run, answer: Answer[Any]) -> None:
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
    if answer.code:
        raise typer.Exit(answer.code)


def version(show: bool = typer.Option(False, "--version", help="Print the version and stop.")) -> None:
    """See why an image classifier decided what it did, and how far to believe the explanation."""
    if show:
        from seewhy import __version__

        typer.echo(f"seewhy {__version__}")
        raise typer.Exit
