"""A report as a browser shows it, on a phone and on a desk, by day and by night."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

CLEAR = """[...document.querySelectorAll("figure:has(img):has(.note)")].every(each => {
    const [shown, note] = ["img", ".note"].map(part => each.querySelector(part).getBoundingClientRect());
    return note.top >= shown.bottom - 1 || note.bottom <= shown.top + 1
        || note.left >= shown.right - 1 || note.right <= shown.left + 1;
})"""
VIEWS = ((320, "light"), (390, "dark"), (1280, "light"), (1280, "dark"))


def shown(browser: Any, path: Path) -> Iterator[Any]:
    """The page in each view: nothing sticks out, no picture is missing or under a note, and all is in the file."""
    for width, scheme in VIEWS:
        page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        asked, complaints = [], []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.on("console", lambda message, complaints=complaints: complaints.append(message.text))
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("[...document.images].every(each => each.complete && each.naturalWidth)")
        assert page.evaluate(CLEAR)
        assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
        assert complaints == []
        yield page
