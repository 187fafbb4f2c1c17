"""What becomes of a drawing, in a real browser: reloads, other windows, uploads, and a server that goes away."""

from __future__ import annotations

import re
from functools import partial

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import text

import forge
from seewhy.people.masks import drawn
from seewhy.people.store import open_store
from web.browsing import canvas_of, draw, free_port, mask_of, server, settled, upload, visitors
from web.conftest import TOY

pytestmark = pytest.mark.browser

KEPT = 1500  # milliseconds after which a drawing is kept
UNANSWERED = 12_000  # after which the page has said that no answer came
ODD = "a *b* $c$ <i>/ü"


@pytest.fixture
def visit(browser, address):
    """Open Annotate under a name."""
    with visitors(browser, address) as come:
        yield partial(come, "annotate")


def save(page):
    page.get_by_role("button", name="Save", exact=True).click()


def on_photo(page, name, label="object"):
    page.get_by_label(f"“{label}” on the photo {name}", exact=False).wait_for()


def another(page):
    """The same person in another window."""
    found = page.context.new_page()
    found.goto("/annotate")
    settled(found)
    return found


def test_a_drawing_survives_a_reload_is_saved_without_loss_and_held_against_explanations(store, visit):
    page = visit("painter")
    draw(page, (150, 100), (300, 100), (300, 200))
    page.get_by_role("button", name="Region").click()
    draw(page, (60, 60))
    page.get_by_role("button", name="Polygon").click()
    for corner in ((20, 200), (120, 200), (70, 280), (10, 10)):
        draw(page, corner)
    page.keyboard.press("Control+z")  # the last corner alone
    page.keyboard.press("+")
    page.keyboard.press("0")
    page.keyboard.press("Enter")
    assert mask_of(page)[240, 70]
    assert not mask_of(page)[140, 30]
    before = mask_of(page)
    page.wait_for_timeout(KEPT)
    page.reload()
    settled(page)
    page.get_by_text("Your drawing is back").wait_for()
    assert np.array_equal(mask_of(page), before)
    save(page)
    page.get_by_role("row", name="Grad-CAM").wait_for()
    page.get_by_text("saved, revision 1").wait_for()
    (kept,) = drawn(store, "painter")
    assert np.array_equal(kept.mask, before)

    other = another(page)
    draw(other, (200, 150), (220, 150))
    save(other)
    other.get_by_text("saved, revision 2").wait_for()
    draw(page, (100, 100), (120, 100))
    save(page)
    page.get_by_text("meanwhile, in another window").wait_for()
    page.get_by_role("button", name="Save this one after it").click()
    page.get_by_text("saved, revision 3").wait_for()
    other.get_by_role("button", name="Clear all").click()  # whatever runs the page
    other.get_by_text("saved, revision 3").wait_for()
    assert np.array_equal(mask_of(other), mask_of(page))
    assert np.array_equal(drawn(store, "painter")[0].mask, mask_of(page))


@pytest.mark.heavy
def test_no_window_loses_what_another_one_draws(visit):
    page = visit("windows")
    other = another(page)
    draw(page, (100, 100), (140, 100))
    draw(other, (200, 200), (240, 200))
    theirs = mask_of(other)
    other.wait_for_timeout(KEPT)
    save(page)
    page.get_by_text("saved, revision 1").wait_for()
    other.reload()
    settled(other)
    other.get_by_text("Your drawing is back").wait_for()
    assert np.array_equal(mask_of(other), theirs)
    third = another(page)  # nothing was drawn in it
    draw(page, (100, 150), (140, 150))
    save(page)
    page.get_by_text("saved, revision 2").wait_for()
    third.get_by_role("radio", name="Rocket").click()
    on_photo(third, "rocket")
    third.get_by_role("radio", name="Cat").click()
    on_photo(third, "cat")
    third.get_by_text("Your drawing is back").wait_for()  # the draft is there still
    assert np.array_equal(mask_of(third), theirs)


@pytest.mark.heavy
def test_each_photo_and_label_keeps_its_own_drawing(visit):
    page = visit("collector")
    draw(page, (100, 100), (140, 100))
    cat = mask_of(page)
    page.get_by_role("radio", name="Coffee").click()
    on_photo(page, "coffee")
    page.get_by_text("Your drawing of “object” on cat is kept in this browser").wait_for()
    assert not mask_of(page).any()
    draw(page, (300, 200), (340, 260))
    coffee = mask_of(page)
    page.get_by_label("What do you mark?").fill("cup")
    page.get_by_label("What do you mark?").press("Enter")
    on_photo(page, "coffee", "cup")
    assert not mask_of(page).any()
    page.reload()  # the page knows what was chosen
    settled(page)
    on_photo(page, "coffee", "cup")
    page.get_by_label("What do you mark?").fill("object")
    page.get_by_label("What do you mark?").press("Enter")
    on_photo(page, "coffee")
    assert np.array_equal(mask_of(page), coffee)
    page.get_by_role("radio", name="Cat").click()
    on_photo(page, "cat")
    assert np.array_equal(mask_of(page), cat)


def test_a_stroke_right_after_a_new_name_is_not_drawn_on_the_old_ones_drawing(visit):
    page = visit("hasty")
    draw(page, (100, 100), (140, 100))
    cat = mask_of(page)
    page.get_by_label("What do you mark?").fill("ear")  # without Enter
    draw(page, (200, 200), (240, 200))
    page.get_by_text("Your drawing of “object” on cat is kept").or_(page.get_by_text("One moment")).first.wait_for()
    on_photo(page, "cat", "ear")
    assert not mask_of(page).any()
    draw(page, (200, 200), (240, 200))
    assert mask_of(page).any()
    page.get_by_label("What do you mark?").fill("object")
    page.get_by_label("What do you mark?").press("Enter")
    on_photo(page, "cat")
    assert np.array_equal(mask_of(page), cat)


@pytest.mark.heavy
def test_a_drawing_on_an_upload_is_back_when_the_photo_is(store, visit):
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera was held upright
    photo = forge.encoded(forge.scene(480, 320), "JPEG", exif=turned)
    page = visit("uploader")
    upload(page, "portrait.jpg", photo)
    page.get_by_label("What do you mark?").fill(ODD)
    page.get_by_label("What do you mark?").press("Enter")
    on_photo(page, "portrait.jpg", ODD)
    page.get_by_text("Turned upright").wait_for()
    draw(page, (300, 30), (300, 60))
    before = mask_of(page)
    assert before.shape == (480, 320)
    assert before[30:61, 300].all()
    page.wait_for_timeout(KEPT)
    page.reload()
    page.get_by_text("Your drawing is back").wait_for()  # so is the photo
    assert np.array_equal(mask_of(page), before)
    save(page)
    page.get_by_role("heading", name=ODD).wait_for()
    with page.expect_download() as mask:
        page.get_by_role("button", name="Mask as PNG").click()
    assert re.fullmatch(r"portrait-a--b---c---i--ü-1\.png", mask.value.suggested_filename)
    assert np.array_equal(np.asarray(Image.open(mask.value.path())) > 0, before)
    page.get_by_role("button", name="Clear", exact=True).click()
    save(page)
    page.get_by_text("Nothing is marked in what you saved.").wait_for()
    (kept,) = drawn(store, "uploader")
    assert (kept.label, kept.revision, kept.mask.any()) == (ODD, 2, False)


@pytest.mark.heavy
def test_photos_of_any_size_are_drawn_on(visit):
    page = visit("sizes")
    for width, height, left, right in ((4000, 3000, 1000, 3000), (1, 1000, -5, 6), (40, 30, 10, 30)):
        name = f"{width}.png"
        upload(page, name, forge.encoded(np.full((height, width, 3), 90, np.uint8), "PNG"))
        on_photo(page, name)
        check_a_rectangle(page, width, height, left, right)


def check_a_rectangle(page, width, height, left, right):
    """Drawn as a polygon, from column `left` to `right`."""
    page.get_by_role("button", name="Polygon").click()
    top, bottom = height / 4, height * 3 / 4
    for corner in ((left, top), (right, top), (right, bottom), (left, bottom)):
        draw(page, corner)
    page.keyboard.press("Enter")
    found = mask_of(page)
    assert found.shape == (height, width)
    near = max(1, canvas_of(page).evaluate("root => 2 / root.annotator.view.zoom"))  # pixels that the mouse cannot tell
    columns, rows = np.flatnonzero(found.any(axis=0)), np.flatnonzero(found.any(axis=1))
    assert (rows[0], rows[-1] + 1) == pytest.approx((top, bottom), abs=near)
    assert (columns[0], columns[-1] + 1) == pytest.approx((max(left, 0), min(right, width)), abs=near)
    assert found[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].mean() > 0.98


@pytest.mark.heavy
def test_whoever_cannot_save_is_told_why(store, visit):
    page = visit("renamed")
    draw(page, (100, 100), (140, 100))
    rename = text("UPDATE players SET name = :new WHERE name = :old")
    with store.engine.begin() as database:
        database.execute(rename, {"old": "renamed", "new": "somebody else"})
    save(page)
    page.get_by_text("It could not be saved; below is why.").wait_for()
    page.get_by_role("alert").filter(has_text="renamed").wait_for()
    with store.engine.begin() as database:
        database.execute(rename, {"old": "somebody else", "new": "renamed"})
    save(page)
    page.get_by_text("saved, revision 1").wait_for()


def saved_in_the_end(page):
    """Save again and again, as people are asked to; a server that has just come back may not have heard."""
    from playwright.sync_api import TimeoutError as NoAnswer

    for _ in range(6):
        save(page)
        try:
            page.get_by_text("saved, revision 1").wait_for(timeout=UNANSWERED)
        except NoAnswer:
            continue
        return
    pytest.fail(f"it was never saved: {canvas_of(page).locator('.state').inner_text()}")


@pytest.mark.heavy
def test_a_server_that_goes_away_takes_no_drawing_with_it(browser, tmp_path):
    port = free_port()
    with visitors(browser, f"http://127.0.0.1:{port}") as come:
        with server(tmp_path, port, models=TOY):
            page = come("annotate", "steadfast")
            draw(page, (100, 100), (140, 100))
        draw(page, (200, 200), (240, 200))
        before = mask_of(page)
        save(page)
        page.get_by_text("The server does not answer. Your drawing is kept in this browser").wait_for()
        with server(tmp_path, port, models=TOY):
            page.get_by_role("dialog").wait_for(state="detached")
            saved_in_the_end(page)
        assert np.array_equal(mask_of(page), before)
    with open_store(f"sqlite:///{tmp_path / 'people.sqlite'}") as store:
        assert np.array_equal(drawn(store, "steadfast")[0].mask, before)
