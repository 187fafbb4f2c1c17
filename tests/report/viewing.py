"""A report as a browser shows it, on a phone and on a desk, by day and by night."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

VIEWS = ((320, "light"), (390, "dark"), (1280, "light"), (1280, "dark"))


def shown(browser: Any, path: Path) -> Iterator[Any]:
    """The page in each view; it does not stick out, has all its pictures, asks for nothing and complains of nothing."""
    for width, scheme in VIEWS:
        page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        asked, complaints = [], []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.on("console", lambda message, complaints=complaints: complaints.append(message.text))
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("[...document.images].every(each => each.complete && each.naturalWidth)")
        assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
        assert complaints == []
        yield page
