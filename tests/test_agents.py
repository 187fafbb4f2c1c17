"""An agent's conversation with `seewhy mcp`, over standard input and output, by the official client."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from answering import against
from cases.squares import folder_of, square
from seewhy.web.rest.jobs import QUESTIONS

pytest.importorskip("mcp")

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from seewhy.mcp.server import _followed

TESTS = Path(__file__).parent
TOY = "py:planted:classifier"
Talk = Callable[[ClientSession], Awaitable[None]]


def talk(place: Path, conversation: Talk) -> None:
    """Hold a conversation with a server that works in `place`."""
    environment = {
        **os.environ,
        "SEEWHY_HOME": str(place / "home"),
        "SEEWHY_MODELS": TOY,
        "PYTHONPATH": os.pathsep.join([str(TESTS.parent / "src"), str(TESTS)]),
        "OMP_NUM_THREADS": "1",
    }
    server = StdioServerParameters(command=sys.executable, args=["-m", "seewhy", "mcp"], env=environment, cwd=place)

    async def run() -> None:
        async with stdio_client(server) as (read, write), ClientSession(read, write) as session:
            await session.initialize()
            await conversation(session)

    asyncio.run(asyncio.wait_for(run(), 60))


def text_of(found: Any) -> str:
    return " ".join(each.text for each in found.content if each.type == "text")


def test_a_conversation(tmp_path: Path):
    photo = tmp_path / "asked.png"
    square("red", 50).to_pil().save(photo)
    folder_of(tmp_path / "squares", each=4)
    told: list[str] = []

    async def heard(_done: float, _total: float | None, words: str | None) -> None:
        told.append(words or "")

    async def asked(session: ClientSession, name: str, **given: Any) -> Any:

        found = await session.call_tool(name, given, progress_callback=heard)
        assert not found.is_error, text_of(found)
        if name in QUESTIONS:
            assert not against(QUESTIONS[name].answer, found.structured_content)
            assert json.loads(found.content[0].text) == found.structured_content
        return found

    async def refused(session: ClientSession, name: str, **given: Any) -> str:
        found = await session.call_tool(name, given)
        assert found.is_error
        return text_of(found)

    async def conversation(session: ClientSession) -> None:
        tools = {each.name: each for each in (await session.list_tools()).tools}
        assert set(tools) == {"list", *QUESTIONS}
        assert all(each.description and each.input_schema["type"] == "object" for each in tools.values())
        assert "photo on this machine" in tools["explain"].input_schema["properties"]["image"]["description"]
        assert (await asked(session, "list", what="models")).structured_content == {"models": [TOY]}

        found = await asked(session, "predict", image=str(photo))
        assert found.structured_content["predictions"][0]["name"] == "red"
        found = await asked(session, "explain", image="asked.png", methods=["grad-cam", "gradient"], out="why/red")
        assert [each.type for each in found.content].count("image") == 2
        assert (tmp_path / "why/red/report.html").is_file()
        found = await asked(session, "compare", image=str(photo), methods=["grad-cam", "gradient"], metrics=["road"])
        assert found.structured_content["verdict"]
        built = await asked(session, "build-cases", pictures="squares")
        job = text_of(built).rpartition(": ")[2].split()[0]
        found = await asked(session, "twins", image=str(photo), cases=job, top=2)
        assert len(found.structured_content["twins"]) == 2
        assert any(told), "nothing was heard of how far it is"

        assert "none.png" in await refused(session, "predict", image="none.png")
        assert "below the working folder" in await refused(session, "predict", image=str(photo), out="../out")
        assert "there is no model" in await refused(session, "predict", image=str(photo), model="py:os:getcwd")
        assert "methd" in await refused(session, "explain", image=str(photo), methd="lrp")
        assert "there is no tool" in await refused(session, "nothing")
        assert "there is no list" in await refused(session, "list", what="secrets")
        assert await refused(session, "twins", image=str(photo), cases="x" * 5000)

    talk(tmp_path, conversation)


def test_where_a_client_gives_a_call_up_its_job_is_stopped():
    class Endless:
        told, about, stopped = (0, None, ""), "looking", False

        def wait(self, _seconds: float) -> bool:
            return False

        def cancel(self) -> None:
            self.stopped = True

    class Session:
        async def report_progress(self, *_: object) -> None:
            pass

    async def give_up() -> None:
        task = asyncio.create_task(_followed(SimpleNamespace(session=Session()), job))  # type: ignore[arg-type]
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    job = Endless()
    asyncio.run(give_up())
    assert job.stopped
