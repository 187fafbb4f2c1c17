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
from seewhy.cli import main

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
    """Run `seewhy` with these arguments, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])  # `py:` models add the folder
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # Typer sets its own

    def run(*arguments: str | Path) -> Run:
        monkeypatch.setattr(sys, "argv", ["seewhy", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main()
        told = capsys.readouterr()
        return Run(int(stopped.value.code or 0), told.out, told.err)

    return run


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
