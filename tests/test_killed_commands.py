"""A command that is killed at random moments over a finished run leaves the finished one, or the new one, whole."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo
from killing import contents
from seewhy import Explanation
from seewhy.cli import main

pytestmark = pytest.mark.heavy

KILLS = int(os.environ.get("SEEWHY_TEST_KILLS", "25"))
LONGEST = 300  # seconds


def run(place: Path, arguments: Sequence[object], seconds: float | None = None) -> float:
    """Let a command end, or kill it after so many seconds; how long it took. A fork, which has loaded what it needs."""
    start = time.monotonic()
    child = os.fork()
    if not child:
        _command(place, arguments)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in ({0, 1} if seconds is None else {0, 1, -signal.SIGKILL}), (place / "said").read_text("utf-8")
    return time.monotonic() - start


def _command(place: Path, arguments: Sequence[object]) -> None:
    signal.alarm(LONGEST)
    os.chdir(place)
    with Path("said").open("wb") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    sys.argv = ["seewhy", *map(str, arguments)]
    code: Any = 70
    try:
        main()
    except SystemExit as end:
        code = end.code or 0
    except BaseException:  # noqa: BLE001 - it must not go on with the tests
        traceback.print_exc()
    os._exit(code)


def moments(longest: float) -> list[float]:
    """Seconds after the start."""
    chance = random.Random(0)  # noqa: S311
    return [longest * chance.uniform(0.05, 1.0) for _ in range(KILLS)]


def test_explain_over_a_finished_run(tmp_path):
    zoo.photos(1)[0].to_pil().resize((96, 96)).save(tmp_path / "photo.png")
    (one, two), out = ("tabby", "Egyptian cat"), tmp_path / "out"
    asked = ["explain", "photo.png", "--method", "lime,grad-cam", "--set", "samples=160", "--out", "out", "--target"]
    run(tmp_path, [*asked, two])
    longest = run(tmp_path, [*asked, two])  # and the first time it loads more
    new = {method: Explanation.load(out / "photo" / method) for method in ("lime", "grad-cam")}
    shutil.rmtree(out)
    run(tmp_path, [*asked, one])
    before = contents(out)
    shutil.copytree(out, tmp_path / "old")
    for seconds in moments(longest):
        run(tmp_path, [*asked, two], seconds)
        found = Explanation.load(out / "photo/lime")
        left = {name: each for name, each in contents(out).items() if not name.startswith(".seewhy-part")}
        if found.target_label == one:
            assert left == before
            continue
        for method, each in new.items():
            assert np.array_equal(Explanation.load(out / "photo" / method).values, each.values)
        assert left.keys() == before.keys()
        assert two.encode() in left["report.html"]
        shutil.rmtree(out)
        shutil.copytree(tmp_path / "old", out)
