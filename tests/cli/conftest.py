"""The command line as a shell sees it, and pictures to give it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import zoo
from answering import KNOWN, against, command_of
from seewhy.cli import main
from seewhy.commands import run

TERMINAL = ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS")


@dataclass(frozen=True)
class Run:
    """What came of a command."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[list[str]]:
        """A table as it goes into a pipe."""
        return [line.split("\t") for line in self.out.splitlines()]

    @property
    def json(self) -> Any:
        """Strict JSON: NaN and infinity are no part of it."""
        return json.loads(self.out, parse_constant=pytest.fail)


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine that runs the tests says of its terminal."""
    for name in TERMINAL:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def seewhy(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Run]:
    """Run `seewhy` with these arguments, in a folder of its own; what it answers has to fit its schema."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])  # `py:` models add the folder
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # Typer sets its own

    tell, told = run.tell, list[Any]()
    monkeypatch.setattr(run, "tell", lambda given, answer: (told.append(answer.values), tell(given, answer)))

    def call(*arguments: str | Path) -> Run:
        monkeypatch.setattr(sys, "argv", ["seewhy", *map(str, arguments)])
        told.clear()
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main()
        said = capsys.readouterr()
        for values in told:
            assert not against(KNOWN[command_of(sys.argv[1:])], values)
        return Run(int(stopped.value.code or 0), said.out, said.err)

    return call


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of two pictures, `a.png` and `b.png`."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, image in zip("ab", zoo.photos(2), strict=True):
        image.to_pil().save(folder / f"{name}.png")
    return folder


@pytest.fixture
def broken(photos: Path) -> Path:
    """A file beside them that is called a picture and is none."""
    path = photos / "broken.png"
    path.write_bytes(b"no picture at all")
    return path
