"""The `seewhy` command and its exit codes."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from io import TextIOWrapper
from typing import Annotated, Any, TypeVar

import typer

from seewhy.answers.common import AgentTool, Serving
from seewhy.commands import audit, cases, dossier, explain, explainer, listing, network, people, schema, study, train
from seewhy.commands.console import complain, note, print_json, told
from seewhy.commands.run import FAILED, WRONG_USAGE, version
from seewhy.errors import SeewhyError, UsageError

Command = TypeVar("Command", bound=Callable[..., None])

# Set before PyTorch is loaded: its idle threads would keep a core busy for milliseconds, which OpenVINO wants.
ENVIRONMENT = {"GOMP_SPINCOUNT": "0"}
NEW_OBJECTS = 20_000  # until garbage is looked for: imports make a hundred thousand, and next to none is garbage

app = typer.Typer(
    name="seewhy",
    help="See why an image classifier decided what it did, and how far to believe the explanation.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.callback(invoke_without_command=True)(version)
app.command("predict")(explain.predict)
app.command("explain")(explain.explain)
app.command("compare")(study.compare)
app.command("study")(study.study)
app.command("audit")(audit.audit)
app.command("repair")(audit.repair)
app.command("diff")(audit.diff)
app.command("judge")(dossier.judge)
app.command("dossier")(dossier.dossier)
app.command("verify")(dossier.verify)
app.command("train")(train.train)
app.command("evaluate")(train.evaluate)


Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text.")]


def server(answer: Any) -> Callable[[Command], Command]:
    """A command that goes on after its answer, which is of this type."""

    def mark(body: Command) -> Command:
        body.answer = answer  # type: ignore[attr-defined]
        return body

    return mark


@app.command("app")
@server(Serving)
def app_server(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where to listen.")] = 8501,
    host: Annotated[
        str, typer.Option(help="127.0.0.1 for this machine alone; 0.0.0.0 for everybody who can reach it.")
    ] = "127.0.0.1",
    as_json: Json = False,
) -> None:
    """Start the app in a browser, with the REST interface at `/api/docs`; `SEEWHY_…` variables are its settings."""
    try:
        from seewhy.web.server import serve
        from seewhy.web.settings import openings, settings
    except ModuleNotFoundError as error:
        raise UsageError(f"the app needs {error.name}; install it with: pip install 'seewhy[app]'") from error
    found = openings(settings(), host)
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"

    def tell() -> None:
        if as_json:
            print_json({"address": address, "rest": f"{address}/api", "warnings": found})
            sys.stdout.flush()
            return
        for each in found:
            note(f"warning: {each}")
        note(f"{address} (Ctrl-C to stop), REST interface at {address}/api/docs")

    serve(host, port, tell)


app.command("schema")(schema.schema)


@app.command("mcp")
@server(list[AgentTool])
def mcp_server(
    as_json: Annotated[bool, typer.Option("--json", help="Print the tools as JSON, and serve nothing.")] = False,
) -> None:
    """Serve tools to agents over standard input and output (Model Context Protocol), on this machine."""
    try:
        from seewhy.mcp import serve, told_tools
    except ModuleNotFoundError as error:
        raise UsageError(f"the server needs {error.name}; install it with: pip install 'seewhy[mcp]'") from error
    if as_json:
        print_json(told_tools())
    else:
        serve()


app.add_typer(people.app, name="people")
app.add_typer(cases.app, name="cases")
app.add_typer(cases.prototypes_app, name="prototypes")
app.add_typer(explainer.app, name="explainer")
app.add_typer(network.app, name="network")
app.add_typer(listing.app, name="list")
for added in entry_points(group="seewhy.commands"):  # of other packages, by the name of the entry point
    app.command(added.name)(added.load())


def main() -> None:
    """Run the command line; errors that seewhy raises on purpose are told in one sentence."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    gc.set_threshold(NEW_OBJECTS)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # file names need not be text
    try:
        app()
    except UsageError as error:
        complain(str(error))
        sys.exit(WRONG_USAGE)
    except SeewhyError as error:
        complain(told(error))
        sys.exit(FAILED)
    except KeyboardInterrupt:
        complain("stopped")
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(FAILED)
    except OSError as error:  # a disk that is full, a folder that may not be written
        complain(str(error))
        sys.exit(FAILED)
