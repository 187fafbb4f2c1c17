"""`seewhy app`: everything in a browser, and the REST interface beside it."""

from __future__ import annotations

from typing import Annotated

import typer

from seewhy.cli.console import note
from seewhy.errors import UsageError


def app_server(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where to listen.")] = 8501,
    host: Annotated[
        str, typer.Option(help="127.0.0.1 for this machine alone; 0.0.0.0 for everybody who can reach it.")
    ] = "127.0.0.1",
) -> None:
    """Start the app in a browser, with the REST interface at `/api/docs`; `SEEWHY_…` variables are its settings."""
    try:
        from seewhy.web.server import serve
    except ModuleNotFoundError as error:
        raise UsageError(f"the app needs {error.name}; install it with: pip install 'seewhy[app]'") from error
    note(f"http://{host}:{port} (Ctrl-C to stop), REST interface at http://{host}:{port}/api/docs")
    serve(host, port)
