"""Commands and code that agents and programs are told of do what they say."""

from __future__ import annotations

import re
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from cases.squares import folder_of, square
from seewhy.cli import main
from seewhy.web.rest.api import make_api
from seewhy.web.services.hub import Services
from web.browsing import free_port
from web.conftest import TOY, main_module, start  # noqa: F401 - fixtures

ROOT = Path(__file__).resolve().parents[1]
TOLD = ("llms.txt", "docs/llms.txt", "skills/explain-a-prediction/SKILL.md", "docs/agents.md")
SERVERS = {"seewhy mcp", "seewhy app"}


def blocks(path: str, language: str) -> list[str]:
    """The code of a page, without what stands before it in a list."""
    found = re.findall(
        rf"^( *)```{language}\n(.*?)\n *```$", (ROOT / path).read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    return ["\n".join(line.removeprefix(indent) for line in text.splitlines()) for indent, text in found]


def commands(path: str) -> list[str]:
    return [line for block in blocks(path, "sh") for line in block.splitlines()]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a photo and a folder of photos, named as the pages name them."""
    folder = tmp_path_factory.mktemp("place")
    folder_of(folder / "photos", each=4)
    square("red", 50).to_pil().save(folder / "photo.jpg")
    return folder


def test_each_command_that_agents_are_told_of_runs(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    found = dict.fromkeys(command for path in TOLD for command in commands(path))
    assert len(found) > 10
    for command in found:
        words = shlex.split(re.sub("CLASS", "red", command).replace("OTHER", "green"))
        asks_model = words[1] in {"predict", "explain", "compare", "network", "audit", "cases"}
        more = ["--help"] if command in SERVERS else ["--model", TOY] if asks_model else []
        monkeypatch.setattr(sys, "argv", [*words, *more])
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code, f"{command}: {capsys.readouterr().err}"


def test_the_file_for_agents_is_in_the_repository_and_on_the_site():
    first, second = ((ROOT / path).read_text("utf-8") for path in TOLD[:2])
    assert first == second
    for link in re.findall(r"\]\(([^)]+)\)", first):
        place = ROOT / link.partition("blob/main/")[2] if link.startswith("https") else ROOT / "docs" / link
        assert place.is_file(), link


@pytest.fixture
def address(start: Callable[..., Services]) -> Iterator[str]:  # noqa: F811 - the fixture
    """Where an app answers at a socket of its own."""
    start()
    app, port = Starlette(routes=[Mount("/api", app=make_api())]), free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", ws="none"))
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(server.run)
        while not server.started and not running.done():
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
        server.should_exit = True


@pytest.mark.parametrize("path", ["docs/app.md", "docs/agents.md"])
def test_what_programs_are_told_runs_against_a_server(path, address, place, monkeypatch):
    monkeypatch.chdir(place)
    (code,) = blocks(path, "python")
    for told, real in {"http://127.0.0.1:8501": address, "Client()": f'Client("{address}")'}.items():
        code = code.replace(told, real)
    known: dict[str, Any] = {}
    exec(compile(code, path, "exec"), known)  # noqa: S102 - our own page
    report = known["report"] if path == "docs/app.md" else Path("why/report.html").read_bytes()
    assert b"<html" in report
