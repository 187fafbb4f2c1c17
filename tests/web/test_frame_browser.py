"""The app in a frame of another site, as a Hugging Face Space is shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from playwright.sync_api import Error

import forge
from people.samples import new_round
from planted import picture
from seewhy.people.rounds import add_rounds
from seewhy.people.store import open_store
from web.browsing import PATIENCE, server, upload
from web.conftest import TOY

pytestmark = pytest.mark.browser

SANDBOX = "allow-forms allow-modals allow-popups allow-popups-to-escape-sandbox allow-same-origin allow-scripts"


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
def site() -> Iterator[str]:
    """Another site than the app's: to a browser, localhost is not 127.0.0.1."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as found:
        Thread(target=found.serve_forever, daemon=True).start()
        yield f"http://localhost:{found.server_port}"
        found.shutdown()


@pytest.fixture(scope="module")
def allowed() -> Iterator[str]:
    with site() as found:
        yield found


@pytest.fixture(scope="module")
def address(allowed, tmp_path_factory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("home")
    with open_store(f"sqlite:///{home / 'people.sqlite'}") as store:
        add_rounds(store, [new_round(number) for number in range(2)])
    with server(home, models=TOY, embedded_in=allowed) as found:
        yield found


@pytest.fixture
def page(browser):
    found = browser.new_page(viewport={"width": 1280, "height": 1000})
    found.set_default_timeout(PATIENCE * 1000)
    yield found
    found.close()


def framed(page, site, address):
    page.goto(f"{site}/?{address}")
    return page.frame_locator("iframe")


def test_a_photo_is_uploaded_and_explained(page, allowed, address):
    frame = framed(page, allowed, address)
    upload(frame, "squares.png", forge.encoded(picture().pixels, "PNG"))
    shown = frame.get_by_role("img", name="Grad-CAM on squares.png")
    shown.wait_for()
    assert shown.evaluate("image => image.naturalWidth") > 0


@pytest.mark.heavy
def test_somebody_plays_though_the_browser_keeps_nothing_for_frames(page, allowed, address):
    frame = framed(page, allowed, f"{address}/play")
    with pytest.raises(Error, match="localStorage"):
        page.frames[-1].evaluate("localStorage.length")
    frame.get_by_label("Your name").fill("framed")
    frame.get_by_label("Your name").press("Enter")
    frame.get_by_role("button", name="Give up").click()
    frame.get_by_text("You gave up.").wait_for()
    frame.get_by_role("row", name="framed (you)").wait_for()
    frame.get_by_role("button", name="Next photo").click()
    frame.get_by_role("button", name="Guess").wait_for()


def refused(page, site, address):
    with page.expect_console_message(lambda said: "frame-ancestors" in said.text):
        frame = framed(page, site, address)
    return frame.locator("#root").count() == 0


def test_to_other_sites_it_is_not_shown(page, address):
    with site() as strange:
        assert refused(page, strange, address)


def test_without_leave_it_is_shown_to_none(page, allowed, tmp_path):
    with server(tmp_path, models=TOY) as address:
        assert refused(page, allowed, address)
