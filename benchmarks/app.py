"""The app: how long until the first explanation, until the same again, in company, and an answer where many play."""

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
from io import BytesIO
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import torch
from benchmarks._timing import machine, write_section
from PIL import Image
from playwright.sync_api import sync_playwright

from seewhy.images import samples

STARTS, PLAYERS, EACH, LOOKING = 5, 20, 10, 1.0
COMPANY, GLANCE = 9, 0.05  # who come while one more compares; seconds between two looks at a job
EXPLAINED = "Method, cost and checks"  # stands below every explanation, in what opens there

ABOUT = f"""\
## The app

By the clock, in a browser on the same machine, each time in a home of its own, so that nothing is known beforehand.
Median of {STARTS} (smallest to largest).

- *first*: from the command `seewhy app` to an explanation of the sample photo by two methods. **Wanted: 20 s.**
- *again*: from the reload of the page to the same explanation. **Wanted: 1 s.**
- *company*: ten visitors over REST, each with a photo of their own and an address of their own. One compares. The nine
  others come one after the other, each when the one before has been answered: how long each waits for the first
  explanation (Grad-CAM, after the prediction), over what the same nine waited with nobody else there.
  **Wanted: at most 2.**
- *rush*: the same, but all nine come in one moment; alone they wait for each other as well.
- *answer*: {PLAYERS} players at once over REST, who look for {LOOKING:g} s at each of {EACH} rounds: the 95th
  percentile of the waits for what an answer scored. **Wanted: 300 ms, and every answer kept.**

The server has all cores, which it shares with the browser or the players.
"""


def main(device: torch.device, _budget: float) -> None:
    """Measure, and write the section `app` of the results; the number of rounds is fixed."""
    firsts, agains = zip(*(_visit() for _ in range(STARTS)), strict=True)
    company = [_company() for _ in range(STARTS)]
    waits = [_crowd() for _ in range(STARTS)]
    lasts = [1000 * statistics.quantiles(each, n=20)[-1] for each in waits]
    rows = [
        f"| first | {_spread(firsts)} s |",
        f"| again | {_spread(agains)} s |",
        *(f"| {name} | {_spread([each[name] for each in company])} times as long |" for name in ("company", "rush")),
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


def _company() -> dict[str, float]:
    """How many times as long the first explanation takes where somebody compares, in turn and all at once."""
    with TemporaryDirectory() as home, _server(Path(home), SEEWHY_PROXIES="127.0.0.1") as address:
        api, photos = f"{address}/api", iter(_photos(4 * COMPANY + 2))
        _first(api, 0, next(photos))  # until the model is loaded
        waits: dict[str, list[float]] = {}
        for comparing in (False, True):
            with _visitor(api, 1) as host:
                job = _ask(host, "compare", next(photos)) if comparing else None
                for name, at_once in (("company", 1), ("rush", COMPANY)):
                    with ThreadPoolExecutor(at_once) as pool:
                        asked = [(api, 2 + number, next(photos)) for number in range(COMPANY)]
                        found = list(pool.map(_first, *zip(*asked, strict=True)))
                    waits.setdefault(name, []).append(statistics.median(found))
                if job:
                    still = host.get(f"/jobs/{job}").json()["state"]
                    print(f"company: {waits} (alone, beside a comparison that is {still})", flush=True)
                    host.delete(f"/jobs/{job}")
    return {name: beside / alone for name, (alone, beside) in waits.items()}


def _first(api: str, number: int, photo: bytes) -> float:
    """Seconds until a visitor with a photo of their own has the first explanation."""
    with _visitor(api, number) as visitor:
        start = time.perf_counter()
        for question in ("predict", "explain"):
            job = _ask(visitor, question, photo)
            while (state := visitor.get(f"/jobs/{job}").json()["state"]) in {"waiting", "running"}:
                time.sleep(GLANCE)
            if state != "done":
                raise RuntimeError(f"{question} is {state}")
        return time.perf_counter() - start


def _ask(visitor: httpx.Client, question: str, photo: bytes) -> str:
    image = visitor.post("/images", files={"file": ("photo.png", photo)}).raise_for_status().json()["image"]
    return visitor.post(f"/{question}", json={"image": image}).raise_for_status().json()["id"]


def _visitor(api: str, number: int) -> httpx.Client:
    """Somebody with an address of their own."""
    return httpx.Client(base_url=api, headers={"X-Forwarded-For": f"192.0.2.{number}"}, timeout=600)


def _photos(count: int) -> list[bytes]:
    """So many photos, no two alike: pieces of the samples."""
    found: list[bytes] = []
    wholes = [Image.open(path).convert("RGB") for path in samples().values()]
    for number in range(count):
        whole, cut = wholes[number % len(wholes)], 1 + number // len(wholes)
        buffer = BytesIO()
        whole.crop((cut, cut, whole.width, whole.height)).save(buffer, "PNG")
        found.append(buffer.getvalue())
    return found


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


def _environment(home: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "SEEWHY_HOME": str(home), "SEEWHY_REQUESTS_A_MINUTE": "100000", **more}


@contextmanager
def _server(home: Path, **more: str) -> Generator[str]:
    """Run the app with its defaults but for some variables, until it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{probe.getsockname()[1]}"
    command = [sys.executable, "-m", "seewhy", "app", "--port", address.rpartition(":")[2]]
    process = subprocess.Popen(
        command, env=_environment(home, **more), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
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
