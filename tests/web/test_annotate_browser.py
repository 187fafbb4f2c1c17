"""Drawing masks as people do it, in a real browser: by mouse, fingers and keys."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from matplotlib.path import Path as Outline
from scipy.ndimage import binary_dilation, binary_erosion

from web.browsing import canvas_of, draw, mask_of, obstacles, spot, visitors

pytestmark = pytest.mark.browser

ANYWHERE = np.ones((3, 3), bool)


@pytest.fixture
def visit(browser, address):
    """Open Annotate under a name."""
    with visitors(browser, address) as come:
        yield partial(come, "annotate")


def zoom_to(page, zoom):
    page.get_by_role("button", name="Fit").click()
    name = "Zoom in" if zoom > 1.72 else "Zoom out"
    while zoom_of(page) != zoom:
        page.get_by_role("button", name=name).click()


def zoom_of(page) -> float:
    return canvas_of(page).evaluate("({ annotator: { view } }) => view.zoom")


def steps_of(page) -> tuple[int, int]:
    """How many can be undone, and done again."""
    done, undone = canvas_of(page).evaluate("({ annotator: { mask } }) => [mask.done.length, mask.undone.length]")
    return done, undone


class Fingers:
    """On a touch screen: real touches, where each finger is given by its place on the page."""

    def __init__(self, page):
        self.page, self.session = page, page.context.new_cdp_session(page)

    def _tell(self, kind, places):
        points = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(places)]
        self.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def down(self, *places):
        self._tell("touchStart", places)

    def move(self, *places):
        self._tell("touchMove", places)
        self.page.evaluate("new Promise(requestAnimationFrame)")  # browsers tell of moves once a frame

    def up(self, *rest):
        self._tell("touchEnd", rest)

    def lose(self):
        """The device takes the touch back: it was a palm."""
        self._tell("touchCancel", ())


def test_a_mask_is_the_same_at_every_zoom_and_on_every_screen(visit):
    masks = {}
    for screen in (1, 2):
        page = visit(f"screen {screen}", device_scale_factor=screen, has_touch=screen == 2)
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


def test_drawing_needs_no_mouse(visit):
    page = visit("keys")
    page.locator("canvas[role=application]").focus()
    for key in ("Space", *["ArrowRight"] * 4, "Space"):
        page.keyboard.press(key)
    marked = mask_of(page).sum()
    assert marked > 400
    page.keyboard.press("Control+z")
    assert not mask_of(page).any()
    page.keyboard.press("Control+y")
    assert mask_of(page).sum() == marked
    cross = canvas_of(page).evaluate("({ annotator: { input } }) => [input.cross.x, input.cross.y]")
    before = spot(page, *cross)
    page.keyboard.press("+")
    assert spot(page, *cross) == pytest.approx(before, abs=0.1)
    page.keyboard.press("0")
    page.keyboard.press("e")
    for key in ("Space", *["ArrowLeft"] * 4, "Space"):
        page.keyboard.press(key)
    assert not mask_of(page).any()


def test_pixels_are_marked_whose_centres_lie_inside(visit):
    page = visit("geometry")
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


def test_the_region_that_will_be_marked_is_outlined(visit):
    page = visit("outliner")
    page.get_by_role("button", name="Region").click()
    page.mouse.move(*spot(page, 225, 230))
    outlined, width, height = canvas_of(page).evaluate(
        """async ({ annotator }) => {
            await new Promise(requestAnimationFrame);
            const { border, regions: { width, height } } = annotator.tools.region;
            const pen = new OffscreenCanvas(1, 1).getContext("2d");
            pen.lineWidth = 0.1;
            const edges = [];
            for (let y = 0; y < height; y += 3)
                for (let x = 1; x < width; x++) edges.push(pen.isPointInStroke(border, x, y + 0.5));
            return [edges, width, height];
        }"""
    )
    draw(page, (225, 230))
    columns, rows = (np.arange(width) + 0.5) / width, (np.arange(0, height, 3) + 0.5) / height
    mask = mask_of(page)
    cells = mask[np.ix_((rows * mask.shape[0]).astype(int), (columns * mask.shape[1]).astype(int))]
    assert cells.any()
    assert np.array_equal(np.reshape(outlined, (len(rows), width - 1)), cells[:, 1:] != cells[:, :-1])


def test_one_finger_draws_and_two_zoom_and_move_and_leave_nothing_behind(visit):
    page = visit("fingers", viewport={"width": 390, "height": 1300}, has_touch=True)
    fingers = Fingers(page)
    draw(page, (100, 50))
    draw(page, (200, 50))
    page.get_by_role("button", name="Undo").click()
    before, steps = mask_of(page), steps_of(page)
    x, y = spot(page, 225, 150)
    fingers.down((x - 30, y))
    fingers.move((x - 28, y + 4))
    assert mask_of(page).sum() > before.sum()  # one finger draws
    fingers.down((x - 28, y), (x + 28, y))
    for step in range(1, 11):
        fingers.move((x - 28 - 7 * step, y), (x + 28 + 7 * step, y))
    zoomed = zoom_of(page)
    assert zoomed == pytest.approx(358 / 451 * 98 / 28, rel=0.01)
    assert spot(page, 225, 150) == pytest.approx((x, y), abs=1)  # the middle stays where it is
    for step in range(1, 11):
        fingers.move((x - 98 - 4 * step, y - 3 * step), (x + 98 - 4 * step, y - 3 * step))
    assert spot(page, 225, 150) == pytest.approx((x - 40, y - 30), abs=1)
    assert zoom_of(page) == pytest.approx(zoomed)
    fingers.up((x + 58, y - 30))
    fingers.move((x + 30, y))  # the one that is left draws nothing
    fingers.up()
    assert np.array_equal(mask_of(page), before)
    assert steps_of(page) == steps == (1, 1)

    for tool in ("Polygon", "Region"):
        page.get_by_role("button", name=tool).click()
        fingers.down((x, y))
        fingers.down((x, y), (x + 40, y))
        fingers.up((x + 40, y))
        fingers.up()
        assert np.array_equal(mask_of(page), before)
    assert canvas_of(page).evaluate("({ annotator }) => annotator.tools.polygon.points.length") == 0
    fingers.down((x, y))
    fingers.up()
    assert not np.array_equal(mask_of(page), before)  # one finger fills the region
    page.get_by_role("button", name="Brush").click()
    for end in (fingers.up, fingers.lose):
        fingers.down((x, y))
        fingers.move((x + 50, y))
        end()
    assert steps_of(page) == (3, 0)


def test_the_photo_is_moved_while_any_tool_is_chosen(visit):
    page = visit("mover")
    page.mouse.move(*spot(page, 225, 150))
    page.keyboard.down("Control")
    page.mouse.wheel(0, -200)
    page.keyboard.up("Control")
    page.wait_for_function("root => root.annotator.view.zoom > 4", arg=canvas_of(page).element_handle())
    here = spot(page, 225, 150)
    draw(page, (225, 150))
    page.get_by_role("button", name="Undo").click()
    for hold, press in (("Space", "left"), (None, "middle")):
        page.locator("canvas[role=application]").focus()
        page.mouse.move(*here)
        if hold:
            page.keyboard.down(hold)
        page.mouse.down(button=press)
        page.mouse.move(here[0] + 30, here[1] + 20, steps=3)
        page.mouse.up(button=press)
        if hold:
            page.keyboard.up(hold)
        assert spot(page, 225, 150) == pytest.approx((here[0] + 30, here[1] + 20), abs=1)
        here = spot(page, 225, 150)
    page.keyboard.press("h")
    page.keyboard.press("ArrowRight")
    assert spot(page, 225, 150) == pytest.approx((here[0] - 40, here[1]), abs=1)
    assert not mask_of(page).any()


def test_sixty_steps_can_be_undone_and_done_again(visit):
    page = visit("steps")
    canvas_of(page).evaluate(
        """({ annotator: { mask } }) => {
            for (let step = 0; step < 65; step++) {
                mask.begin();
                mask.stroke({ x: 6 * step, y: 20 }, { x: 6 * step + 40, y: 80 }, 9, step % 3 ? 1 : 0);
                mask.end();
            }
        }"""
    )
    again = """(root, name) => {
        const { mask } = root.annotator;
        const states = [];
        do states.push(JSON.stringify(mask.counts)); while (mask[name]());
        return states;
    }"""
    undone = canvas_of(page).evaluate(again, "undo")
    assert len(set(undone)) == len(undone) == 61
    assert canvas_of(page).evaluate(again, "redo") == undone[::-1]
    assert steps_of(page) == (60, 0)


def test_a_polygon_waits_while_the_photo_is_moved(visit):
    page = visit("corners")
    page.get_by_role("button", name="Polygon").click()
    for corner in ((50, 50), (150, 50), (150, 150)):
        draw(page, corner)
    page.get_by_text("Set the first corner again").wait_for()
    page.get_by_role("button", name="Move").click()
    page.get_by_role("button", name="Polygon").click()
    draw(page, (53, 52))  # near enough
    assert mask_of(page)[60, 140]
    assert not mask_of(page)[140, 60]
    assert steps_of(page) == (1, 0)
    for corner in ((250, 50), (350, 50)):
        draw(page, corner)
    page.mouse.dblclick(*spot(page, 350, 150))
    assert mask_of(page)[60, 340]
    assert steps_of(page) == (2, 0)


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("dark", 320)])
def test_nothing_stands_in_anybodys_way(visit, scheme, width):
    page = visit(f"{scheme} painter", viewport={"width": width, "height": 800}, color_scheme=scheme)
    assert not obstacles(page)
    wide = "root => Math.max(...[...root.querySelectorAll('*')].map(each => each.getBoundingClientRect().right))"
    assert canvas_of(page).evaluate(wide) <= width
    assert page.evaluate("document.documentElement.scrollWidth") <= width
