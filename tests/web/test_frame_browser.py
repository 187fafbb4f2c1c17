"""The app in a frame of another site, as a Hugging Face Space is shown."""

from __future__ import annotations

import pytest
from playwright.sync_api import Error

import forge
from planted import picture
from web.browsing import PATIENCE, site, upload

pytestmark = pytest.mark.browser


@pytest.fixture
def page(browser):
    found = browser.new_page(viewport={"width": 1280, "height": 1000})
    found.set_default_timeout(PATIENCE * 1000)
    yield found
    found.close()


def framed(page, site, address):
    page.goto(f"{site}/?{address}")
    return page.frame_locator("iframe")


def test_a_photo_is_uploaded_and_explained(page, friend, address):
    frame = framed(page, friend, address)
    upload(frame, "squares.png", forge.encoded(picture().pixels, "PNG"))
    shown = frame.get_by_role("img", name="Grad-CAM on squares.png")
    shown.wait_for()
    assert shown.evaluate("image => image.naturalWidth") > 0


@pytest.mark.heavy
def test_somebody_plays_though_the_browser_keeps_nothing_for_frames(page, friend, address):
    frame = framed(page, friend, f"{address}/play")
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


def test_without_leave_it_is_shown_to_none(page, friend, guarded):
    address, _ = guarded
    assert refused(page, friend, address)
