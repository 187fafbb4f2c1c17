"""Reports in a page, whole or in parts: what the command line writes, drawn in the page itself, and its files."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

from streamlit.components.v2 import component

from seewhy.report.page import render
from seewhy.web.parts.jobs import downloads
from seewhy.web.services.reports import Files

STYLE = re.compile("<style>(.*?)</style>", re.DOTALL)
MAIN = re.compile("<main>(.*)</main>", re.DOTALL)
LEAD = re.compile('<p class="lead">.*?</p>', re.DOTALL)
SCRIPT = re.compile("<script>.*?</script>", re.DOTALL)
NEXT = re.compile(r"<section>\s*<h2>What next</h2>.*?</section>", re.DOTALL)  # commands, which pages have buttons for
# The report is not the page: its roots are those of its part, and it has the page's letters and ground.
ROOTS = re.compile(r"(?m)^(\s*)(:root|html|body)\b")
OURS = """
:host { background: none }
.report { padding: 0; max-width: none; background: none; font: inherit; font-size: 0.9375rem }
.report > .pictures:first-child, .report > .scroll:first-child { margin-top: 0 }
.lead { max-width: 50rem }
section:first-child { margin-top: 1.5rem }
"""

_network = resources("seewhy.report").joinpath("templates", "network.js").read_text("utf-8")
_part: Any = component("seewhy_report", js=(Path(__file__).parent / "report.js").read_text("utf-8") + _network + "}\n")


def show_report(key: str, name: str, page: bytes, files: Callable[[], Files] | None = None, **labels: str) -> None:
    """A report in the page, what it says in all first, and the page and all files to take away."""
    _draw(key, **parts_of(page.decode()))
    downloads(f"{key}-files", name, lambda: page, files, **labels)


def show_part(key: str, markup: str) -> None:
    """A part of a report in the page."""
    _draw(key, style=_style(), lead="", main=markup)


def parts_of(page: str) -> dict[str, str]:
    """The styles of a report, and what stands in it without title and script."""
    lead, main, style = LEAD.search(page), MAIN.search(page), STYLE.search(page)
    if not (main and style):
        return {"style": "", "lead": "", "main": page}
    own = ROOTS.sub(lambda found: found[1] + (":host" if found[2] == ":root" else ".report"), style[1])
    return {"style": own + OURS, "lead": lead[0] if lead else "", "main": NEXT.sub("", SCRIPT.sub("", main[1]))}


@cache
def _style() -> str:
    """What every report looks like."""
    return parts_of(render("base.html", title="", lead=""))["style"]


def _draw(key: str, **parts: str) -> None:
    _part(key=key, data={"key": sha256("".join(parts.values()).encode()).hexdigest(), **parts})
