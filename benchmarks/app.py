"""The app: how long until the first explanation, until the same again, and until an answer where many play."""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import torch
from benchmarks._timing import machine, write_section
from playwright.sync_api import sync_playwright

from seewhy.images import samples

STARTS, PLAYERS, EACH, LOOKING = 5, 20, 10, 1.0
EXPLAINED = "How to read this"  # stands below every explanation, in what opens there

ABOUT = f"""\
## The app

By the clock, in a browser on the same machine, each time in a home of its own, so that nothing is known beforehand.
Median of {STARTS} (smallest to largest).

- *first*: from the command `seewhy app` to an explanation of the sample photo by two methods. **Wanted: 20 s.**
- *again*: from the reload of the page to the same explanation. **Wanted: 1 s.**
- *answer*: {PLAYERS} players at once over REST, who look for {LOOKING:g} s at each of {EACH} rounds: the 95th
  percentile of the waits for what an answer scored. **Wanted: 300 ms, and every answer kept.**

The server has all cores, which it shares with the browser or the players.
"""


def main(device: torch.device, _budget: float) -> None:
    """Measure, and write the section `app` of the results; the number of rounds is fixed."""
    firsts, agains = zip(*(_visit() for _ in range(STARTS)), strict=True)
    waits = [_crowd() for _ in range(STARTS)]
    lasts = [1000 * statistics.quantiles(each, n=20)[-1] for each in waits]
    rows = [
        f"| first | {_spread(firsts)} s |",
        f"| again | {_spread(agains)} s |",
        f"| answer | {_spread(lasts, 0)} ms, {min(map(len, waits))} of {PLAYERS * EACH} kept |",
    ]
    write_section("app", "\n".join([ABOUT, machine(device), "", "| what | how long |\n|---|--:|", *rows]))


def _spread(values: Any, digits: int = 1) -> str:
    low, middle, high = (f"{each:.{digits}f}" for each in (min(values), statistics.median(values), max(values)))
    return f"{middle} ({low} to {high})"


def _visit() -> tuple[float, float]:
    """Seconds until the first explanation, and until the same one again."""
    with TemporaryDirectory() as home, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(120_000)
        start = time.perf_counter()
        with _server(Path(home)) as address:
            page.goto(address)
            page.get_by_text(EXPLAINED).nth(1).wait_for()
            first = time.perf_counter() - start
            start = time.perf_counter()
            page.reload()
            page.get_by_text(EXPLAINED).nth(1).wait_for()
            again = time.perf_counter() - start
        browser.close()
    return first, again


def _crowd() -> list[float]:
    """Seconds that each answer took whose score came back."""
    with TemporaryDirectory() as home:
        photos = Path(home) / "photos"
        photos.mkdir()
        for name, path in samples().items():
            shutil.copy(path, photos / f"{name}{path.suffix}")
        command = [sys.executable, "-m", "seewhy", "people", "rounds", str(photos), "--overlap", str(PLAYERS)]
        subprocess.run(command, env=_environment(Path(home)), check=True, capture_output=True)
        with _server(Path(home)) as address, ThreadPoolExecutor(PLAYERS) as pool:
            return list(chain(*pool.map(lambda player: _play(f"{address}/api", player), range(PLAYERS))))


def _play(address: str, player: int) -> list[float]:
    waits: list[float] = []
    with httpx.Client(base_url=address, timeout=60) as ask:
        me = {"X-Player": ask.post("/players", json={"name": f"player {player}"}).json()["token"]}
        for _ in range(EACH):
            number = ask.post("/rounds/next", headers=me).json()["round"]
            ask.get(f"/rounds/{number}/picture.png", headers=me).raise_for_status()
            time.sleep(LOOKING)
            end = {"key": str(number), "guess": "missile", "labels": ["ears"]}
            start = time.perf_counter()
            ask.post(f"/rounds/{number}/answer", headers=me, json=end).raise_for_status()
            waits.append(time.perf_counter() - start)
    return waits


def _environment(home: Path) -> dict[str, str]:
    return {**os.environ, "SEEWHY_HOME": str(home), "SEEWHY_REQUESTS_A_MINUTE": "100000"}


@contextmanager
def _server(home: Path) -> Generator[str]:
    """Run the app with its defaults, until it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{probe.getsockname()[1]}"
    command = [sys.executable, "-m", "seewhy", "app", "--port", address.rpartition(":")[2]]
    process = subprocess.Popen(command, env=_environment(home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            try:
                httpx.get(f"{address}/api/health")
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait()
