"""A real server in a process of its own, and a browser to visit it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).resolve().parents[1]
PATIENCE = 90  # seconds; a busy machine takes its time


@contextmanager
def server(home: Path, port: int = 0, **settings: object) -> Generator[str]:
    """Run the app with these settings, where no port is given on one that is free; yields its address."""
    port = port or free_port()
    chosen = {"home": home, **settings}
    environment = {
        **os.environ,
        **{f"SEEWHY_{name.upper()}": str(value) for name, value in chosen.items()},
        "PYTHONPATH": str(TESTS),
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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
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
