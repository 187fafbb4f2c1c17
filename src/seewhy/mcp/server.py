"""The server of the Model Context Protocol: tools over the same jobs as pages and routes, with progress."""

from __future__ import annotations

import asyncio
from typing import Any

import mcp_types as types
from mcp.server import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

from seewhy import __version__
from seewhy.errors import SeewhyError
from seewhy.mcp.tools import hand_in, listed, refused, result_of, tools
from seewhy.web.services.hub import Services, services
from seewhy.web.services.jobs import Job
from seewhy.web.services.storage import close_store

GLANCE = 0.05  # seconds between two looks at a job
ABOUT = (
    "seewhy shows why an image classifier decided what it did. First `predict`, then `explain` the class in question, "
    "by two methods or more. A picture proves nothing: `compare` holds methods against maps drawn by chance, and says "
    "which to believe, if any. Say what `notes` say. All work is done on this machine."
)


def serve() -> None:
    """Serve tools over standard input and output until the client goes."""
    asyncio.run(_serve(services()))


async def _serve(at: Services) -> None:
    server = make_server(at)
    at.start()
    try:
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())
    finally:
        at.close()
        close_store()


def make_server(at: Services) -> Server[Any]:
    """The server over these services."""

    async def list_tools(
        _context: ServerRequestContext[Any], _params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=tools())

    async def call_tool(
        context: ServerRequestContext[Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        given = params.arguments or {}
        try:
            if params.name == "list":
                return await asyncio.to_thread(listed, at, str(given.get("what")))
            job, folder = await asyncio.to_thread(hand_in, at, params.name, given)
            await _followed(context, job)
            return await asyncio.to_thread(result_of, job, folder)
        except SeewhyError as error:
            return refused(error)

    return Server("seewhy", version=__version__, instructions=ABOUT, on_list_tools=list_tools, on_call_tool=call_tool)


async def _followed(context: ServerRequestContext[Any], job: Job[Any]) -> None:
    """Wait until a job is over, and tell its progress; where the client gives up, it is stopped."""
    told: tuple[int, int | None, str] | None = None
    try:
        while not job.wait(0):
            if job.told != told:
                told = job.told
                done, total, words = told
                await context.session.report_progress(done, total, words or job.about)
            await asyncio.sleep(GLANCE)
    except BaseException:
        job.cancel()
        raise
