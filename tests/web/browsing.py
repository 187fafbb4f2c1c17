"""A real server in a process of its own, and a browser to visit it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from seewhy.people.runs import decode
from seewhy.people.store import Store

TESTS = Path(__file__).resolve().parents[1]
SERIOUS = {"serious", "critical"}
SANDBOX = "allow-forms allow-modals allow-popups allow-popups-to-escape-sandbox allow-same-origin allow-scripts"
PATIENCE = 90  # seconds; a busy machine takes its time


@contextmanager
def server(home: Path, port: int = 0, **settings: object) -> Generator[str]:
    """Run the app with these settings, where no port is given on one that is free; yields its address."""
    port = port or free_port()
    chosen = {"home": home, **settings}
    environment = {
        **os.environ,
        **{f"SEEWHY_{name.upper()}": str(value) for name, value in chosen.items()},
        "PYTHONPATH": os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "seewhy", "app", "--port", str(port)]
    with (home / "server.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for(address, process, home / "server.log")
            yield address
        finally:
            process.terminate()
            process.wait(PATIENCE)


class Site(BaseHTTPRequestHandler):
    """Shows the address that its own ends in, in a frame like a Space's."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        frame = f'<iframe src="{self.path[2:]}" sandbox="{SANDBOX}" width="1250" height="960"></iframe>'
        self.wfile.write(frame.encode())

    def log_message(self, *_said):
        pass


@contextmanager
def site() -> Generator[str]:
    """Another site than the app's: to a browser, localhost is not 127.0.0.1."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as found:
        Thread(target=found.serve_forever, daemon=True).start()
        yield f"http://localhost:{found.server_port}"
        found.shutdown()


def home_of(store: Store) -> Path:
    """The folder of a store of files."""
    return Path(str(store.engine.url.database)).parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(address: str, process: subprocess.Popen[bytes], log: Path, patience: float = PATIENCE) -> None:
    """Wait until the server of a process answers; the test fails where the process ends, or takes too long."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{address}/api/health", timeout=5):  # noqa: S310 - our own server
                return
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.3)
    pytest.fail(f"the server did not start:\n{log.read_text()[-2000:]}")


def upload(page: Any, name: str, content: bytes) -> None:
    """Hand in a photo, on a page or in a frame of it."""
    page.get_by_role("radio", name="Upload").click()
    page.locator("[data-testid=stFileUploaderDropzoneInput]").set_input_files(
        {"name": name, "mimeType": "image/png", "buffer": content}
    )


@contextmanager
def visitors(browser: Any, address: str) -> Generator[Callable[..., Any]]:
    """Open a page in a browser of its own, under a name."""
    contexts: list[Any] = []

    def come(path: str, name: str, **options: Any) -> Any:
        chosen = {"viewport": {"width": 1280, "height": 1000}, **options}
        contexts.append(browser.new_context(base_url=address, **chosen))
        contexts[-1].set_default_timeout(PATIENCE * 1000)
        page = contexts[-1].new_page()
        page.goto(f"/{path}")
        page.get_by_label("Your name").fill(name)
        page.get_by_label("Your name").press("Enter")
        settled(page)
        return page

    yield come
    for context in contexts:
        context.close()


def settled(page: Any) -> None:
    """Wait until a page knows who is here, and is drawn."""
    page.get_by_role("button", name="Guess").or_(page.locator("canvas[role=application]")).wait_for()
    at_rest(page)


def at_rest(page: Any) -> None:
    """Wait until the page is drawn to its end; until then, what it showed before is there, too."""
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()


def canvas_of(page: Any) -> Any:
    """What is drawn on, with its tools."""
    return page.locator(".annotate")


def mask_of(page: Any) -> np.ndarray:
    """What is marked, bool `(H, W)`."""
    counts, height, width = canvas_of(page).evaluate(
        "({ annotator: { mask } }) => [mask.counts, mask.height, mask.width]"
    )
    return decode(counts, height, width)


def spot(page: Any, x: float, y: float) -> tuple[float, float]:
    """Where on the page a point of the photo is seen."""
    left, top = canvas_of(page).evaluate(
        """(root, point) => {
            const box = root.querySelector("canvas").getBoundingClientRect();
            const { x, y } = root.annotator.view.spot(point);
            return [box.left + x, box.top + y];
        }""",
        {"x": x, "y": y},
    )
    return left, top


def draw(page: Any, *points: tuple[float, float]) -> None:
    """Along these points of the photo, by the mouse."""
    for number, point in enumerate(points):
        page.mouse.move(*spot(page, *point))
        if not number:
            page.mouse.down()
    page.mouse.up()


def obstacles(page: Any) -> list[str]:
    """What stands in the way of some people, by axe."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in found if each["impact"] in SERIOUS]


def misshapen(page: Any) -> list[str]:
    """Pictures, also of reports, that are drawn wider or higher than they are; bars of colours are meant to be."""
    ask = """() => [document, ...[...document.querySelectorAll("*")].map((each) => each.shadowRoot).filter(Boolean)]
        .flatMap((root) => [...root.querySelectorAll("img")])
        .filter((each) => getComputedStyle(each).objectFit === "fill" && each.clientHeight > 10)
        .filter((each) => {
            const [shown, own] = [each.clientWidth / each.clientHeight, each.naturalWidth / each.naturalHeight];
            return Math.abs(shown / own - 1) > 0.03;
        })
        .map((each) => `${each.alt}: ${each.clientWidth} × ${each.clientHeight}`)"""
    return [found for frame in page.frames for found in frame.evaluate(ask)]


@contextmanager
def chromium() -> Generator[Any]:
    """A browser; the test is skipped where there is none."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("needs Chromium: `make browser`")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()
