"""The `seewhy` command and its exit codes."""

from __future__ import annotations

import sys
from io import TextIOWrapper

import typer

from seewhy.cli import (
    app_server,
    cases,
    compare,
    evaluate,
    explain,
    listing,
    network,
    people,
    predict,
    prototypes,
    study,
    train,
)
from seewhy.cli.console import complain
from seewhy.errors import SeewhyError, UsageError

FAILED, WRONG_USAGE, SOME_FAILED = 1, 2, 3

app = typer.Typer(
    name="seewhy",
    help="See why an image classifier decided what it did, and how far to believe the explanation.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.command("predict")(predict.predict)
app.command("explain")(explain.explain)
app.command("compare")(compare.compare)
app.command("study")(study.study)
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("app")(app_server.app_server)
app.add_typer(people.app, name="people")
app.add_typer(cases.app, name="cases")
app.add_typer(prototypes.app, name="prototypes")
app.add_typer(network.app, name="network")
app.add_typer(listing.app, name="list")


@app.callback(invoke_without_command=True)
def version(show: bool = typer.Option(False, "--version", help="Print the version and stop.")) -> None:
    """See why an image classifier decided what it did, and how far to believe the explanation."""
    if show:
        from seewhy import __version__

        typer.echo(f"seewhy {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line; errors that seewhy raises on purpose are told in one sentence."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # file names need not be text
    try:
        app()
    except UsageError as error:
        complain(str(error))
        sys.exit(WRONG_USAGE)
    except SeewhyError as error:
        complain(str(error))
        sys.exit(FAILED)
    except KeyboardInterrupt:
        complain("stopped")
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(FAILED)
    except OSError as error:  # a disk that is full, a folder that may not be written
        complain(str(error))
        sys.exit(FAILED)
