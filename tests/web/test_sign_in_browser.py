"""Signing in with an identity provider: a real one on another site, a real server, a real browser."""

from __future__ import annotations

import pytest

from seewhy.images import open_image
from seewhy.people.masks import drawn
from seewhy.people.rounds import answers
from seewhy.web.parts.page import list_pages
from seewhy.web.parts.players import known_as
from web.browsing import PATIENCE, at_rest
from web.conftest import NAMESAKES, TOY

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::DeprecationWarning")]  # the provider's own

SERIOUS = {"serious", "critical"}


@pytest.fixture
def address(guarded) -> str:
    return guarded[0]


@pytest.fixture
def store(guarded):
    return guarded[1]


@pytest.fixture(scope="module")
def cookies():
    """Of who has signed in before."""
    return {}


@pytest.fixture
def visit(browser, address, cookies):
    """One of the pages, in a browser of somebody's own, who has signed in or not."""
    contexts = []

    def come(path="", who=None, **options):
        contexts.append(browser.new_context(base_url=address, storage_state=cookies.get(who), **options))
        contexts[-1].set_default_timeout(PATIENCE * 1000)
        contexts[-1].route("https://**", lambda route: route.abort())  # the provider's style is far away
        page = contexts[-1].new_page()
        page.refusals = []
        page.on("console", lambda said: "Content Security" in said.text and page.refusals.append(said.text))
        page.goto(f"/{path}")
        if who and who not in cookies:
            sign_in(page, who)
            cookies[who] = page.context.storage_state()
            page.goto(f"/{path}")
        return page

    yield come
    for context in contexts:
        context.close()


def sign_in(page, who):
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name=who, exact=True).click()  # at the provider's
    page.get_by_role("button", name="Ann Lee").wait_for()


def sign_out(page):
    page.get_by_role("button", name="Ann Lee").click()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="End session").click()  # at the provider's
    page.get_by_role("button", name="Sign in").wait_for()


def asks_to_sign_in(page):
    """Whether this is all that the page shows."""
    page.get_by_role("button", name="Sign in").wait_for()
    at_rest(page)
    found = [page.get_by_role(role).all_inner_texts() for role in ("heading", "link")]
    return found == [["See why"], ["Skip to main content"]] and page.get_by_role("button").count() == 1


def test_before_signing_in_no_page_shows_anything(visit):
    page = visit()
    for path in [each.path for each in list_pages()] + ["nowhere", "oauth2callback?code=guessed&state=guessed"]:
        page.goto(f"/{path}")
        assert asks_to_sign_in(page), path
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Deny").click()
    assert asks_to_sign_in(page)


@pytest.fixture
def names(provider):
    return [known_as("Ann Lee", f"{provider} {each}") for each in NAMESAKES]


@pytest.mark.heavy
def test_namesakes_play_and_draw_apart(store, visit, names):
    pages = [visit("play", who) for who in NAMESAKES]
    for page, name in zip(pages, names, strict=True):
        page.get_by_role("button", name="Give up").click()
        page.get_by_role("row", name=f"{name} (you)").wait_for()
    assert [len(answers(store, name)) for name in names] == [1, 1]

    cat = open_image("sample:cat").sha256
    for page, name in zip(pages, names, strict=True):
        page.goto("/annotate")
        page.locator("canvas[role=application]").focus()
        assert not marked(page)
        page.keyboard.press("Space")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Space")
        page.get_by_role("button", name="Save", exact=True).click()
        page.get_by_text("saved, revision 1").wait_for()
        assert [each.revision for each in drawn(store, name, cat)] == [1]
    assert not any(page.refusals for page in pages)


def marked(page):
    return page.locator(".annotate").evaluate("root => root.annotator.mask.area > 0")


def test_who_signs_out_is_asked_again_and_leaves_nothing_to_the_next(visit):
    page = visit("annotate", "first")
    page.locator("canvas[role=application]").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Space")
    page.wait_for_timeout(1500)  # the draft is kept
    sign_out(page)
    assert not [each for each in page.context.cookies() if each["name"].startswith("_streamlit_user")]
    page.goto("/annotate")
    assert asks_to_sign_in(page)

    sign_in(page, "second")
    page.goto("/annotate")
    page.locator("canvas[role=application]").wait_for()
    assert page.get_by_text("Your drawing is back").count() == 0


def test_without_a_key_the_rest_interface_is_closed_even_to_who_has_signed_in(visit):
    page = visit("studies", "first")
    keyed = {"Authorization": "Bearer key"}
    assert page.request.get("/api/models").status == 401
    assert page.request.post("/api/players", data={"name": "eve"}).status == 401
    assert page.request.get("/api/models", headers={"Authorization": "Bearer guessed"}).status == 401
    assert page.request.get("/api/models", headers=keyed).json() == [TOY]


def test_nobody_plays_under_the_name_of_who_has_signed_in(visit, names):
    page = visit("play", "first")
    page.get_by_role("button", name="How to play").wait_for()
    taken = page.request.post("/api/players", data={"name": names[0]}, headers={"Authorization": "Bearer key"})
    assert taken.status == 409


def obstacles(page):
    from axe_playwright_python.sync_playwright import Axe

    return [each["id"] for each in Axe().run(page).response["violations"] if each["impact"] in SERIOUS]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_stands_in_the_way_in(visit, scheme):
    page = visit(color_scheme=scheme)
    assert asks_to_sign_in(page)
    assert not obstacles(page)


def test_nothing_stands_in_the_way_out_on_a_phone(visit):
    page = visit("studies", "first", viewport={"width": 390, "height": 800})
    page.get_by_role("button", name="Ann Lee").click()
    page.get_by_role("button", name="Sign out").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert not obstacles(page)
