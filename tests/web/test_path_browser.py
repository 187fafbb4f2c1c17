"""A newcomer's path through the app without help, in a real browser, with every click counted."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

import forge
from seewhy.images import open_image
from seewhy.models import DEFAULT_MODEL
from web.browsing import PATIENCE, at_rest, canvas_of, draw, mask_of, server
from web.zips import four_classes

pytestmark = [pytest.mark.browser, pytest.mark.heavy, pytest.mark.timeout(1800)]

MOST = 25  # clicks


class Newcomer:
    """Somebody at a page who finds what to click by its words alone; choosing a file and drawing count, too."""

    def __init__(self, page: Any) -> None:
        self.page, self.clicks = page, 0

    def click(self, role: str, name: str, *, exact: bool = True) -> None:
        self.page.get_by_role(role, name=name, exact=exact).click()
        self.clicks += 1
        at_rest(self.page)

    def give(self, name: str, kind: str, content: bytes) -> None:
        given = {"name": name, "mimeType": kind, "buffer": content}
        self.page.locator("[data-testid=stFileUploaderDropzoneInput]").first.set_input_files(given)
        self.clicks += 2  # to open the window, and to choose

    def say(self, label: str, words: str) -> None:
        field = self.page.get_by_label(label)
        field.fill(words)
        field.press("Enter")
        self.clicks += 1
        at_rest(self.page)

    def draw(self, *points: tuple[float, float]) -> None:
        draw(self.page, *points)
        self.clicks += 1

    def reads(self, words: str) -> None:
        self.page.get_by_text(words).first.wait_for()

    def sees(self, words: str) -> None:
        self.page.get_by_role("img", name=words).first.wait_for()


@pytest.fixture
def address(tmp_path):
    with server(tmp_path, models=DEFAULT_MODEL) as found:
        yield found


def test_a_newcomer_comes_to_every_end_within_few_clicks(browser, address):
    page = browser.new_page(base_url=address, viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(4 * PATIENCE * 1000)
    me = Newcomer(page)

    page.goto("/")
    me.sees("Grad-CAM on cat")  # before any click

    me.click("radio", "Upload")
    me.give("mine.png", "image/png", forge.encoded(open_image("sample:coffee").pixels, "PNG"))
    me.sees("Grad-CAM on mine.png")
    me.reads("It says ")

    me.click("link", "Compare")
    me.sees("The photo mine.png")
    me.click("button", "Compare")
    me.reads("Is it true to the network?")

    me.click("link", "Annotate")
    me.say("Your name", "newcomer")
    canvas_of(page).wait_for()
    me.draw((180, 120), (320, 240))
    assert mask_of(page).any()
    me.click("button", "Save")
    me.reads("Do explanations point at your")
    me.reads("By chance")

    me.click("link", "Train")
    me.give("squares.zip", "application/zip", four_classes())
    me.click("button", "Train")
    me.reads("offers “squares” first")
    page.get_by_role("heading", name="What it gets wrong, and why").first.wait_for()
    page.get_by_role("heading", level=3).filter(
        has_text="taken for"
    ).first.wait_for()  # a mistake, with what speaks for it

    me.click("link", "Explain")
    expect(page.get_by_role("combobox", name="Model")).to_have_value("squares", timeout=PATIENCE * 1000)
    me.sees("Grad-CAM on mine.png")
    me.click("combobox", "Model")
    me.click("option", "efficientnet-lite0", exact=False)
    me.reads("It says ")
    me.sees("Grad-CAM on mine.png")
    me.click("button", "Share")
    link = page.locator("[data-testid=stPopoverBody] code").inner_text()

    friend = browser.new_page()
    friend.set_default_timeout(PATIENCE * 1000)
    friend.goto(link)
    friend.get_by_role("img", name="Grad-CAM on mine.png").wait_for()

    print(f"{me.clicks} clicks")
    assert me.clicks <= MOST
