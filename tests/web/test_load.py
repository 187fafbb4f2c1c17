"""A crowd on a real server: nothing is lost where it is killed again and again, and who floods it starves nobody."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

import forge
from people.samples import rounds
from seewhy.people.rounds import add_rounds, answers
from seewhy.people.store import open_store
from web.browsing import TESTS, free_port, server, wait_for
from web.conftest import TOY

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(1800)]

ANNOTATORS, TASKS, OVERLAP, KILLS = 50, 200, 3, 20
LONGEST = 600  # seconds that a server may take to start on a busy machine, which has to start twenty
FREELY = {"requests_a_minute": 1_000_000, "reads_a_minute": 1_000_000, "connections": 2000}
TRIALS = 4
FLOODERS = 3  # threads of one visitor
BREATH = 0.02  # seconds between two requests of a thread, which shares the processor with the server


def test_a_server_that_is_killed_again_and_again_loses_no_answer_and_doubles_none(tmp_path):
    with open_store(f"sqlite:///{tmp_path / 'people.sqlite'}") as store:
        add_rounds(store, rounds(TASKS, overlap=OVERLAP))
        told: Counter[tuple[str, int]] = Counter()
        port, ended = free_port(), threading.Event()
        with ThreadPoolExecutor(ANNOTATORS + 1) as pool:
            killer = pool.submit(keep_killing, tmp_path, port, told, ended)
            ask = Persistent(f"http://127.0.0.1:{port}/api", killer)
            try:
                for _ in pool.map(lambda number: annotate(ask, number, told), range(ANNOTATORS)):
                    pass
            finally:
                ended.set()
        assert killer.result() == KILLS
        kept = Counter((each.player, each.round) for each in answers(store))
    assert set(kept.values()) == {1}, "none is doubled"
    assert not set(told) - set(kept), "none that was acknowledged is lost"
    assert Counter(Counter(number for _, number in kept).values()) == {OVERLAP: TASKS}


def keep_killing(home: Path, port: int, told: Counter, ended: threading.Event) -> int:
    """Run a server, and kill it whenever some more answers were given; the last one lives on. Gives how many died."""
    each = TASKS * OVERLAP // (KILLS + 1)
    died = 0
    for number in range(KILLS + 1):
        with process(home, port) as running:
            while not ended.is_set() and (number == KILLS or told.total() < (number + 1) * each):
                time.sleep(0.005)
            died += not ended.is_set()
            os.kill(running.pid, signal.SIGKILL)
    return died


@contextmanager
def process(home: Path, port: int) -> Generator[subprocess.Popen[bytes]]:
    settings = {"home": home, "models": TOY, "sign_in": "names", **FREELY}
    environment = {
        **os.environ,
        **{f"SEEWHY_{name.upper()}": str(value) for name, value in settings.items()},
        "PYTHONPATH": os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "OMP_NUM_THREADS": "1",
    }
    with (home / "server.log").open("wb") as log:
        command = [sys.executable, "-m", "seewhy", "app", "--port", str(port)]
        running = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            wait_for(f"http://127.0.0.1:{port}", running, home / "server.log", LONGEST)
            yield running
        finally:
            running.kill()
            running.wait()


@dataclass(frozen=True)
class Persistent:
    """Asks a server until it answers, however often it is away, as long as somebody starts it again."""

    address: str
    killer: Future[int]

    def __call__(self, client: httpx.Client, path: str, **request: Any) -> dict:
        """What a request is answered; whatever gets no answer is sent again, the same."""
        while not self.killer.done():
            with suppress(httpx.TransportError):
                answer = client.post(path, **request)
                if answer.status_code < 500:
                    return answer.raise_for_status().json()
            time.sleep(0.2)
        self.killer.result()  # raises why it ended
        pytest.fail("the server is gone for good")


def annotate(ask: Persistent, number: int, told: Counter) -> None:
    """Answer what there is to answer, each time with the same key."""
    with httpx.Client(base_url=ask.address, timeout=60) as client:
        me = {"X-Player": ask(client, "/players", json={"name": f"annotator {number}"})["token"]}
        while task := ask(client, "/rounds/next", headers=me):
            given = {"key": str(task["round"]), "guess": "cat", "labels": ["ears"]}
            ask(client, f"/rounds/{task['round']}/answer", headers=me, json=given)
            told[f"annotator {number}", task["round"]] += 1


def test_one_who_sends_all_that_can_be_sent_delays_anothers_first_explanation_by_as_much_again_at_most(tmp_path):
    with server(tmp_path) as address:
        first_explanation(f"{address}/api", 0)  # which waits for the model
        alone = [first_explanation(f"{address}/api", number) for number in range(1, TRIALS)]
        ended = threading.Event()
        with ThreadPoolExecutor(FLOODERS) as pool:
            work = [pool.submit(flood, f"{address}/api", number, ended) for number in range(FLOODERS)]
            time.sleep(5)
            beside = []
            for number in range(TRIALS, 2 * TRIALS):
                beside.append(first_explanation(f"{address}/api", number))
                time.sleep(1)
            ended.set()
            sent = sum((each.result() for each in work), Counter())
    print(f"alone {alone}, beside {beside}, sent {sent}")
    assert sent[202] > 30
    assert statistics.median(beside) <= 2 * statistics.median(alone)


def first_explanation(address: str, number: int) -> float:
    """Seconds until somebody who was never here has an explanation of a new photo."""
    source = httpx.HTTPTransport(local_address=f"127.0.1.{number + 1}")
    with httpx.Client(base_url=address, timeout=120, transport=source) as ask:
        photo = upload(ask, number)
        start = time.monotonic()
        asked = {"image": photo, "methods": ["smooth-grad", "lrp"]}
        job = ask.post("/explain", json=asked).raise_for_status().json()["id"]
        while (state := ask.get(f"/jobs/{job}").json()["state"]) in {"waiting", "running"}:
            time.sleep(0.02)
        assert state == "done"
        return time.monotonic() - start


def flood(address: str, number: int, ended: threading.Event) -> Counter[int]:
    """One visitor's share in a flood of everything: how it was answered."""
    answered: Counter[int] = Counter()
    source = httpx.HTTPTransport(local_address="127.0.0.2")
    with httpx.Client(base_url=address, timeout=120, transport=source) as ask:
        photo, seed = upload(ask, 1000 + number), 0
        while not ended.is_set():
            seed += 1
            asked = {"image": photo, "seed": 1000 * number + seed}
            for path, methods in (
                ("explain", ["grad-cam"]),
                ("explain", ["smooth-grad", "integrated-gradients", "lime"]),
                ("compare", ["grad-cam", "eigen-cam", "lime"]),
            ):
                answered[ask.post(f"/{path}", json={**asked, "methods": methods}).status_code] += 1
                time.sleep(BREATH)
            answered[ask.get("/models").status_code] += 1
    return answered


def upload(ask: httpx.Client, number: int) -> str:
    pixels = np.random.default_rng(number).integers(0, 256, (300, 300, 3), np.uint8)
    files = {"file": (f"{number}.png", forge.encoded(pixels, "PNG"), "image/png")}
    return ask.post("/images", files=files).raise_for_status().json()["image"]
