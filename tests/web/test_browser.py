"""The app as people meet it, in a real browser."""

from __future__ import annotations

import zipfile

import pytest

import forge
from planted import picture
from web.browsing import PATIENCE, at_rest, free_port, misshapen, obstacles, server, upload
from web.conftest import TOY
from web.zips import two_classes

pytestmark = pytest.mark.browser

PAGES = ("", "compare", "cases", "network", "studies", "audit", "train")
QUICK_PAGES = ("", "train")  # whose accessibility the quick tests look at; the heavy ones look at all


@pytest.fixture
def page(browser, address):
    context = browser.new_context(viewport={"width": 1280, "height": 900}, base_url=address)
    found = context.new_page()
    found.set_default_timeout(PATIENCE * 1000)
    found.refusals = []  # what the content policy kept from running
    found.on("console", lambda said: "Content Security" in said.text and found.refusals.append(said.text))
    yield found
    context.close()


def opened(page, path):
    page.goto(f"/{path}")
    page.get_by_role("heading", level=1).wait_for()
    at_rest(page)
    page.wait_for_timeout(1000)  # what is drawn fades in
    return page


def test_upload_explain_and_download(page, tmp_path):
    opened(page, "explain")  # its name leads to the first page, too
    assert not page.get_by_role("dialog").count()
    upload(page, "squares.png", forge.encoded(picture().pixels, "PNG"))
    shown = page.get_by_role("img", name="Grad-CAM on squares.png")
    shown.wait_for()
    assert shown.evaluate("image => image.naturalWidth") > 0
    page.get_by_role("heading", name="Why red").wait_for()
    with page.expect_download() as report:
        page.get_by_role("button", name="Report").click()
    report.value.save_as(tmp_path / "report.html")
    assert "squares.png" in (tmp_path / "report.html").read_text("utf-8")
    with page.expect_download() as everything:
        page.get_by_role("button", name="Pictures and raw maps").click()
    everything.value.save_as(tmp_path / "all.zip")
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert "squares/grad-cam/values.npy" in archive.namelist()
    assert not page.refusals


def test_what_was_brought_and_chosen_is_there_on_other_pages_after_a_reload_in_other_windows_and_by_link(
    page, browser, address
):
    opened(page, "")
    squares = forge.encoded(picture().pixels, "JPEG")
    upload(page, "squares.jfif", squares)
    page.get_by_role("img", name="Grad-CAM on squares.jfif").wait_for()
    page.get_by_role("button", name="Remove Layer-wise relevance propagation").click()
    page.get_by_role("img", name="Layer-wise relevance propagation").wait_for(state="detached")
    page.get_by_role("link", name="Compare").click()
    page.get_by_role("img", name="The photo squares.jfif", exact=True).wait_for()
    page.get_by_role("link", name="Explain").click()
    page.get_by_role("img", name="Grad-CAM on squares.jfif").wait_for()
    at_rest(page)
    link = page.url
    page.reload()
    page.get_by_role("img", name="Grad-CAM on squares.jfif").wait_for()
    at_rest(page)
    assert not page.get_by_role("img", name="Layer-wise relevance propagation").count()
    other = page.context.new_page()
    other.goto("/network")
    other.get_by_role("img", name="The photo squares.jfif", exact=True).wait_for()
    stranger = browser.new_page(base_url=address)
    stranger.goto("/")
    stranger.get_by_role("img", name="Grad-CAM on cat").wait_for()
    assert not stranger.get_by_text("squares.jfif").count()  # it is one visitor's, until they give the link
    stranger.goto(link)
    stranger.get_by_role("img", name="Grad-CAM on squares.jfif").wait_for()
    assert not stranger.get_by_role("img", name="Layer-wise relevance propagation").count()


def test_several_photos_are_brought_at_once_and_taken_away_again(page):
    opened(page, "")
    page.get_by_role("radio", name="Upload").click()
    photo = {"mimeType": "image/png", "buffer": forge.encoded(picture().pixels, "PNG")}
    names = ("first one.png", "second.png")
    page.locator("[data-testid=stFileUploaderDropzoneInput]").set_input_files([{"name": e, **photo} for e in names])
    page.get_by_role("img", name="Grad-CAM on second.png").wait_for()
    page.get_by_role("combobox", name="Your photos").click()
    page.get_by_role("option", name="first one.png").click()
    page.get_by_role("img", name="Grad-CAM on first one.png").wait_for()
    at_rest(page)
    page.get_by_role("button", name="Remove", exact=True).click()
    page.get_by_role("img", name="Grad-CAM on second.png").wait_for()
    page.get_by_text("second.png is kept here for a day").wait_for()
    at_rest(page)
    page.get_by_role("button", name="Remove", exact=True).click()
    page.get_by_text("Choose a photo to begin").wait_for()


@pytest.mark.heavy
def test_a_new_start_of_the_server_loses_neither_photo_nor_choices_nor_result(browser, tmp_path):
    port = free_port()
    page = browser.new_page(base_url=f"http://127.0.0.1:{port}")
    page.set_default_timeout(PATIENCE * 1000)
    for begun in (True, False):
        with server(tmp_path, port, models=TOY):
            if begun:
                opened(page, "compare")
                upload(page, "squares.png", forge.encoded(picture().pixels, "PNG"))
                page.get_by_role("img", name="The photo squares.png", exact=True).wait_for()
                page.get_by_role("button", name="Compare", exact=True).click()
            else:
                page.goto("/compare")
            page.get_by_role("heading", name="Is it true to the network?").wait_for()
            assert page.get_by_role("img", name="The photo squares.png", exact=True).count() == 1


def test_compare(page):
    opened(page, "compare")
    page.get_by_role("button", name="Compare", exact=True).click()
    page.get_by_role("heading", name="Is it true to the network?").wait_for()
    page.get_by_role("row", name="Random map").first.wait_for()
    page.get_by_role("img", name="probability by of the pixels").first.wait_for()
    page.get_by_text("1. ").first.wait_for()
    assert not page.refusals
    assert not obstacles(page)
    assert not misshapen(page)


@pytest.mark.heavy
def test_a_slow_job_is_stopped_and_begun_again(page):
    opened(page, "")
    page.get_by_role("combobox", name="Model").click()
    page.get_by_role("option", name="sleepy:classifier").click()
    stop = page.get_by_role("button", name="Stop")
    stop.click()
    page.get_by_text("Stopped.").wait_for()
    page.get_by_role("button", name="Start again").click()
    stop.wait_for()
    stop.click()
    page.get_by_text("Stopped.").wait_for()


@pytest.mark.heavy
def test_a_zip_becomes_a_classifier_of_this_visit_alone_which_is_there_after_a_reload(page, browser, address, tmp_path):
    from playwright.sync_api import expect

    opened(page, "train")
    page.locator("[data-testid=stFileUploaderDropzoneInput]").set_input_files(
        {"name": "pets.zip", "mimeType": "application/zip", "buffer": two_classes()}
    )
    page.get_by_text("1 left out").wait_for()
    page.get_by_role("combobox", name="Model").click()
    page.get_by_role("option", name="efficientnet-lite0").click()
    page.get_by_role("button", name="Train", exact=True).click()
    page.get_by_text("offers “pets” first").wait_for()
    page.get_by_role("heading", name="What it gets wrong, and why").wait_for()
    trained = page.url
    page.get_by_text("by the commonest class").first.wait_for()
    page.get_by_text("How it learned, and from what").click()
    with page.expect_download() as kept:
        page.get_by_role("button", name="The classifier, to keep").click()
    kept.value.save_as(tmp_path / "pets.zip")
    with zipfile.ZipFile(tmp_path / "pets.zip") as archive:
        assert {"pets/card.json", "pets/model.safetensors", "pets/report.html"} <= set(archive.namelist())
    page.get_by_role("link", name="Cases").click()
    expect(page.get_by_role("combobox", name="From")).to_have_value("pets (of this visit)")
    page.get_by_role("heading", name="The model says").wait_for()
    assert not page.refusals
    assert not obstacles(page)
    assert not misshapen(page)
    other = browser.new_page(base_url=address)
    opened(other, "cases")
    other.get_by_text("There is nothing to compare with yet").wait_for()
    other.close()
    page.goto(trained)  # whose address holds what was chosen
    page.get_by_text("Still pets").wait_for()
    page.get_by_text("offers “pets” first").wait_for()
    page.goto("/")
    expect(page.get_by_role("combobox", name="Model")).to_have_value("pets")


NO_PHOTOS = {
    "bomb.png": (forge.one_bit_png(9000), "81,000,000 pixels"),
    "drawing.png": (forge.SVG, "SVG"),
    "renamed.jpg": (forge.zip_of_a_text(), "renamed.jpg"),
    "empty.png": (b"", "holds no bytes"),
}


def test_what_is_no_photo_is_refused_with_its_reason(page):
    opened(page, "")
    for name, (content, words) in NO_PHOTOS.items():
        upload(page, name, content)
        page.locator("[data-testid=stAlert]").filter(has_text=words).first.wait_for()
        assert not page.get_by_role("img", name="Grad-CAM on").is_visible()


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(each, marks=() if each in QUICK_PAGES else pytest.mark.heavy, id=each or "explain")
        for each in PAGES
    ],
)
def test_nothing_stands_in_anybodys_way(page, path):
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert not obstacles(opened(page, path)), scheme
        assert not misshapen(page), path
    assert not page.refusals


def test_on_a_phone_nothing_sticks_out(page):
    page.set_viewport_size({"width": 390, "height": 800})
    for path in PAGES:
        opened(page, path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
