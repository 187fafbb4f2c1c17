"""Play and Annotate as people meet them, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from matplotlib.path import Path as Outline
from scipy.ndimage import binary_dilation, binary_erosion

from app.browsing import PATIENCE, server
from app.conftest import TOY
from people.samples import CLASSES, new_round
from seewhy.images import open_image
from seewhy.people.masks import decode, drawn
from seewhy.people.rounds import add_rounds, answers
from seewhy.people.store import Store, open_store

pytestmark = pytest.mark.browser

SERIOUS = {"serious", "critical"}
ANYWHERE = np.ones((3, 3), bool)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Iterator[Store]:
    home = tmp_path_factory.mktemp("home")
    with open_store(f"sqlite:///{home / 'people.sqlite'}") as found:
        add_rounds(found, [new_round(number, overlap=9) for number in range(6)])
        yield found


@pytest.fixture(scope="module")
def address(store) -> Iterator[str]:
    with server(Path(store.engine.url.database).parent, models=TOY) as found:
        yield found


@pytest.fixture
def visit(browser, address):
    """Open a page of a visitor of its own, under a name."""
    contexts = []

    def come(path, name, **options):
        contexts.append(
            browser.new_context(base_url=address, **{"viewport": {"width": 1280, "height": 1000}, **options})
        )
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


def settled(page):
    page.get_by_role("button", name="Guess").or_(page.locator("canvas[role=application]")).wait_for()
    page.wait_for_function("localStorage.getItem('seewhy-player')")
    page.locator("[data-testid=stStatusWidget]").wait_for(state="detached")


def true_class(store, page) -> str:
    number = (
        page.locator("[class*=st-key-play-words-]").get_attribute("class").split("st-key-play-words-")[1].split()[0]
    )
    return CLASSES[int(number) - 1 & 3]


def guess(page, choice, words):
    page.get_by_role("radio", name=choice, exact=True).click()
    page.get_by_role("radio", name=choice, exact=True, checked=True).wait_for()
    typed = page.get_by_role("textbox", name="What gave it away?")
    typed.fill(words)
    typed.press("Enter")


def test_a_game_is_won_and_the_next_given_up_and_nothing_tells_before(store, visit):
    page = visit("play", "ann")
    page.get_by_role("button", name="Show more").click()
    page.get_by_text("You see 4.5 %").wait_for()
    assert page.get_by_text("The whole photo").count() == 0
    assert page.locator("img[alt*='The whole']").count() == 0
    guess(page, true_class(store, page), "ears, whiskers")
    page.get_by_text("Right! 50 points.").wait_for()
    page.get_by_role("button", name="Next photo").click()
    page.get_by_role("button", name="Give up").click()
    page.get_by_text("You gave up.").wait_for()
    page.get_by_role("row", name="ann (you)").wait_for()
    page.reload()  # the browser knows who plays, and the third round begins
    settled(page)
    assert [(each.won, each.guess is None, each.labels) for each in answers(store, "ann")] == [
        (True, False, ("ears", "whiskers")),
        (False, True, ()),
    ]


def test_two_play_at_once_and_neither_sees_the_others_round(store, visit):
    bob, eve = visit("play", "bob"), visit("play", "eve")
    guess(bob, true_class(store, bob), "wheels")
    guess(eve, true_class(store, eve), "feathers")
    for page in (bob, eve):
        page.get_by_text("Right! 60 points.").wait_for()
    assert [len(answers(store, name)) for name in ("bob", "eve")] == [1, 1]


def canvas_of(page):
    return page.locator(".annotate")


def mask_of(page) -> np.ndarray:
    image = open_image("sample:cat")
    return decode(canvas_of(page).evaluate("root => root.annotator.mask.counts"), image.height, image.width)


def draw(page, *points):
    """Along these points of the photo, by the mouse."""
    for number, (x, y) in enumerate(points):
        spot = canvas_of(page).evaluate(
            """(root, point) => {
                const box = root.querySelector("canvas").getBoundingClientRect();
                const { x, y } = root.annotator.view.spot(point);
                return [box.left + x, box.top + y];
            }""",
            {"x": x, "y": y},
        )
        page.mouse.move(*spot)
        if not number:
            page.mouse.down()
    page.mouse.up()


def zoom_to(page, zoom):
    page.get_by_role("button", name="Fit").click()
    name = "Zoom in" if zoom > 1.72 else "Zoom out"
    while canvas_of(page).evaluate("root => root.annotator.view.zoom") != zoom:
        page.get_by_role("button", name=name).click()


def test_a_mask_is_the_same_at_every_zoom_and_on_every_screen(store, visit):
    masks = {}
    for screen in (1, 2):
        page = visit("annotate", f"screen {screen}", device_scale_factor=screen, has_touch=screen == 2)
        for zoom in (0.5, 1, 2):
            zoom_to(page, zoom)
            draw(page, (160, 120), (240, 180), (280, 130))
            masks[screen, zoom] = mask_of(page)
            page.get_by_role("button", name="Clear").click()
    reference = masks[1, 1]
    assert 3000 < reference.sum() < 8000
    for name, mask in masks.items():
        assert not (mask & ~binary_dilation(reference, ANYWHERE)).any(), name
        assert not (binary_erosion(reference, ANYWHERE) & ~mask).any(), name
    box = canvas_of(page).locator("canvas").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert mask_of(page).any()


def test_a_drawing_survives_a_reload_is_saved_without_loss_and_held_against_explanations(store, visit):
    page = visit("annotate", "painter")
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
    page.wait_for_timeout(1500)
    page.reload()
    settled(page)
    page.get_by_text("Your drawing is back").wait_for()
    assert np.array_equal(mask_of(page), before)
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("row", name="Grad-CAM").wait_for()
    page.get_by_text("saved, revision 1").wait_for()
    (kept,) = drawn(store, "painter")
    assert np.array_equal(kept.mask, before)

    other = page.context.new_page()  # the same person in another window
    other.goto("/annotate")
    settled(other)
    draw(other, (200, 150), (220, 150))
    other.get_by_role("button", name="Save", exact=True).click()
    other.get_by_text("saved, revision 2").wait_for()
    draw(page, (100, 100), (120, 100))
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("meanwhile, in another window").wait_for()
    page.get_by_role("button", name="Save this one after it").click()
    page.get_by_text("saved, revision 3").wait_for()
    assert np.array_equal(drawn(store, "painter")[0].mask, mask_of(page))


def test_drawing_needs_no_mouse(visit):
    page = visit("annotate", "keys")
    page.locator("canvas[role=application]").focus()
    for key in ("Space", *["ArrowRight"] * 4, "Space"):
        page.keyboard.press(key)
    marked = mask_of(page).sum()
    assert marked > 400
    page.keyboard.press("Control+z")
    assert not mask_of(page).any()
    page.keyboard.press("Control+y")
    assert mask_of(page).sum() == marked
    page.keyboard.press("e")
    for key in ("Space", *["ArrowLeft"] * 4, "Space"):
        page.keyboard.press(key)
    assert not mask_of(page).any()


def test_pixels_are_marked_whose_centres_lie_inside(visit):
    page = visit("annotate", "geometry")
    corners = [(20.3, 30.7), (200.2, 40.1), (120.6, 250.4), (90.5, 91.3)]
    canvas_of(page).evaluate(
        "(root, points) => root.annotator.mask.polygon(points, 1)", [{"x": x, "y": y} for x, y in corners]
    )
    found = mask_of(page)
    x, y = np.meshgrid(np.arange(found.shape[1]) + 0.5, np.arange(found.shape[0]) + 0.5)
    inside = Outline(corners).contains_points(np.column_stack([x.ravel(), y.ravel()])).reshape(found.shape)
    assert np.array_equal(found, inside)

    canvas_of(page).evaluate(
        """root => {
            root.annotator.mask.fill(0);
            root.annotator.mask.stroke({ x: 50.2, y: 60.1 }, { x: 150.7, y: 90.3 }, 12.4, 1);
        }"""
    )
    along = np.clip(((x - 50.2) * 100.5 + (y - 60.1) * 30.2) / (100.5**2 + 30.2**2), 0, 1)
    near = np.hypot(x - 50.2 - along * 100.5, y - 60.1 - along * 30.2) <= 12.4
    assert np.array_equal(mask_of(page), near)


@pytest.mark.parametrize("path", ["play", "annotate"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_stands_in_anybodys_way(visit, path, scheme):
    from axe_playwright_python.sync_playwright import Axe

    page = visit(path, f"{scheme} {path}", viewport={"width": 390, "height": 800}, color_scheme=scheme)
    found = Axe().run(page).response["violations"]
    told = [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in found if each["impact"] in SERIOUS]
    assert not told
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
