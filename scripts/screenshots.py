"""Makes screenshots of every page of the app, light and dark, wide and phone-narrow, in `docs/img/app/`.

With the default model, the sample photos, and what `deploy/showcase.py` makes first.
Needs Chromium (`make browser`).
"""

from __future__ import annotations

import os
import runpy
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from seewhy.images import samples
from seewhy.web.parts.page import Page, list_pages

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "docs/img/app"
WIDTHS = {"wide": 1400, "phone": 390}
SCHEMES = ("light", "dark")
TALLEST = 3000
PATIENCE = 600_000  # ms
# What has to be there before a page is worth a picture.
READY = {
    "explain": ".sw-decision",
    "compare": ".report table",
    "cases": ".report figure",
    "network": ".report figure",
    "studies": ".report table",
    "play": "figure img",
    "annotate": ".report table",
    "audit": "h1",
    "train": ".report figure",
}


def main(wanted: list[str]) -> None:
    """Take pictures of the pages with these paths, or of all."""
    OUT.mkdir(parents=True, exist_ok=True)
    pages = [page for page in list_pages() if page.path in (wanted or READY)]
    with TemporaryDirectory() as name:
        variables = _furnish(Path(name))
        with _server(variables) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            for page in pages:
                for scheme in SCHEMES:
                    for width in WIDTHS:
                        _take(browser, address, page, scheme, width, Path(name))
            browser.close()


def _take(browser: Any, address: str, page: Page, scheme: str, width: str, home: Path) -> None:
    view = browser.new_page(viewport={"width": WIDTHS[width], "height": 900}, color_scheme=scheme)
    view.set_default_timeout(PATIENCE)
    view.goto(address if page is list_pages()[0] else f"{address}/{page.path}")
    view.get_by_role("heading", level=1).wait_for()
    if page.path == "compare":
        view.get_by_role("button", name="Compare", exact=True).click()
    if page.path in {"play", "annotate"}:
        view.get_by_label("Your name").fill(f"Ada, {page.title}, {scheme} {width}")
        view.get_by_label("Your name").press("Enter")
    if page.path == "annotate":
        _draw(view)
    if page.path == "train":
        _teach(view, home / "shown/pictures")
    view.locator(f"{READY[page.path]}:visible").last.wait_for()
    view.wait_for_timeout(4000)
    view.evaluate("document.querySelector('[data-testid=stMain]').scrollTo(0, 0)")
    tall = view.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    view.set_viewport_size({"width": WIDTHS[width], "height": min(tall, TALLEST)})
    view.wait_for_timeout(1000)
    picture = Image.open(BytesIO(view.screenshot())).convert("RGB")
    picture.save(OUT / f"{page.path}-{scheme}-{width}.webp", quality=75, method=6)
    print(f"{page.path} {scheme} {width}", flush=True)
    view.close()


def _draw(view: Any) -> None:
    """Mark an eye of the cat, and save it."""
    view.get_by_label("What do you mark?").fill("eye")
    view.get_by_label("What do you mark?").press("Enter")
    view.get_by_label("“eye” on the photo").focus()
    for _ in range(5):
        view.keyboard.press("]")  # a brush as large as the eye
    left, top = view.locator(".annotate").evaluate(
        """root => {
            const box = root.querySelector("canvas").getBoundingClientRect();
            const { x, y } = root.annotator.view.spot({ x: 173, y: 112 });
            return [box.left + x, box.top + y];
        }"""
    )
    view.mouse.click(left, top)
    view.keyboard.press("Control+s")


def _teach(view: Any, pictures: Path) -> None:
    """Upload a zip of pictures, and train."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(pictures.rglob("*.png")):
            archive.write(path, path.relative_to(pictures))
    view.locator("[data-testid=stFileUploaderDropzoneInput]").set_input_files(
        {"name": "samples.zip", "mimeType": "application/zip", "buffer": buffer.getvalue()}
    )
    view.get_by_role("button", name="Train", exact=True).click()


def _furnish(home: Path) -> dict[str, str]:
    """What the image shows strangers, rounds to play of the samples, and the variables that tell the app of it."""
    photos, shown = home / "photos", home / "shown"
    photos.mkdir()
    for name, path in samples().items():
        shutil.copy(path, photos / f"{name}{path.suffix}")
    _seewhy(home, "people", "rounds", str(photos), "--overlap", "9")
    made = runpy.run_path(str(ROOT / "deploy/showcase.py"))
    found = made["make"](shown, made["draw"](shown / "pictures"), "cats")
    folders = {f"SEEWHY_{each.upper()}": str(shown / each) for each in ("cases", "prototypes", "studies")}
    return {"SEEWHY_HOME": str(home), "SEEWHY_MODELS": f"{made['BACKBONE']},{found.model}", **folders}


def _seewhy(home: Path, *arguments: str) -> None:
    environment = {**os.environ, "SEEWHY_HOME": str(home)}
    subprocess.run([sys.executable, "-m", "seewhy", *arguments], env=environment, check=True)


@contextmanager
def _server(variables: dict[str, str]) -> Generator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "seewhy", "app", "--port", str(port)]
    process = subprocess.Popen(command, env={**os.environ, **variables})
    try:
        address = f"http://127.0.0.1:{port}"
        _wait(address)
        yield address
    finally:
        process.terminate()
        process.wait()


def _wait(address: str) -> None:
    for _ in range(300):
        try:
            with urllib.request.urlopen(f"{address}/api/health"):  # noqa: S310 - our own server
                return
        except OSError:
            time.sleep(1)
    raise TimeoutError(f"nothing answers at {address}")


if __name__ == "__main__":
    main(sys.argv[1:])
