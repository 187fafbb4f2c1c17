"""Processes that are killed at a moment of their writing."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

LONGEST = 60  # seconds
CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.link", "os.symlink", "shutil.rmtree"}


def moments(save: Callable[[Path], Any], folder: Path) -> int:
    """How often `save` opens, makes, moves or deletes a file in `folder`."""
    return _in_child(save, folder, None, halved=False)


def killed(save: Callable[[Path], Any], folder: Path, moment: int, *, halved: bool) -> None:
    """Let `save` write to `folder` in a process that is killed just before its change number `moment`.

    Where `halved`, the file that was written last before has lost the second half of what it holds by then.
    """
    _in_child(save, folder, moment, halved=halved)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below, by its path."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def _in_child(save: Callable[[Path], Any], folder: Path, moment: int | None, *, halved: bool) -> int:
    """The changes that were made, those of the child that was killed included."""
    come, go = os.pipe()
    child = os.fork()
    if not child:
        _save_and_end(save, folder, moment, go, halved=halved)
    os.close(go)
    with os.fdopen(come, "rb") as file:
        made = len(file.read())
    _, status = os.waitpid(child, 0)
    expected = 0 if moment is None else -signal.SIGKILL
    assert os.waitstatus_to_exitcode(status) == expected, "the process ended otherwise than it should"
    return made


def _save_and_end(save: Callable[[Path], Any], folder: Path, moment: int | None, go: int, *, halved: bool) -> None:
    signal.alarm(LONGEST)
    made, last = [0], [""]

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            changes = isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR))
        else:
            path, changes = arguments[0] if arguments else "", event in CHANGES
        if not changes or not str(path).startswith(str(folder)):
            return
        made[0] += 1
        os.write(go, b".")
        if made[0] == moment:
            made[0] += 1  # what follows is no change of its own
            if halved and Path(last[0]).is_file():
                os.truncate(last[0], Path(last[0]).stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        last[0] = str(path) if event == "open" else ""

    sys.addaudithook(watch)
    try:
        save(folder)
    except BaseException:  # noqa: BLE001 - it must not go on with the tests
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
