"""The documentation says what the package says."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from seewhy.methods import list_methods
from seewhy.metrics import list_metrics
from seewhy.web.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
site = runpy.run_path(str(ROOT / "scripts/site_tables.py"))
source = re.sub(r'"\s*\n\s*f?"', "", "".join(path.read_text() for path in sorted((ROOT / "src").rglob("*.py"))))


def messages() -> list[str]:
    rows = re.findall(r"^\| (.+?) \|", (ROOT / "docs/errors.md").read_text(), re.MULTILINE)
    return [part for row in rows for part in row.split(" · ") if not row.startswith("the message")]


@pytest.mark.parametrize("message", messages())
def test_every_message_that_the_errors_page_explains_is_one_that_seewhy_gives(message: str):
    spoken = re.escape(message).replace(r"method", r"(method|\{kind\})").replace("metric", r"(metric|\{kind\})")
    spoken = spoken.replace("…", r".{1,60}?")  # what changes from one message to the next
    assert re.search(spoken.replace(re.escape("FOLDER"), "FOLDER"), source)


def test_the_method_page_has_every_method():
    page = site["methods"]()
    assert all(f"`{info.name}` ·" in page for info in list_methods())


def test_the_method_page_begins_with_the_dozen_and_says_how_each_was_checked():
    page = site["on_page_markdown"]((ROOT / "docs/methods.md").read_text("utf-8"))
    start = re.findall(r"^- \[(.+?)\]\(#(.+?)\):", page, re.MULTILINE)
    assert [title for title, _ in start] == [info.title for info in list_methods() if info.first]
    assert len(start) == 12
    assert all(f"{{ #{anchor} }}" in page for _, anchor in start)
    assert page.count("**Status**") == len(list_methods())
    assert page.count("**The same for every class**") == sum(info.class_blind for info in list_methods())


def test_the_metric_page_has_every_metric():
    page = site["metrics"]()
    assert all(f"`{info.name}` ·" in page for info in list_metrics())


def test_the_command_page_has_commands_of_commands():
    page = site["commands"]()
    assert "## seewhy explain" in page
    assert "## seewhy list methods" in page
    assert "`--background`" in page


def test_only_markers_that_are_known_are_replaced():
    assert site["on_page_markdown"]("a <!-- other --> b") == "a <!-- other --> b"
    assert "Grad-CAM" in site["on_page_markdown"]("<!-- methods -->")


def test_the_page_on_deploying_has_every_setting_of_the_app():
    page = site["on_page_markdown"]((ROOT / "docs/deploying.md").read_text("utf-8"))
    assert "| `SEEWHY_WINDOWS` | `60` |" in page
    assert page.count("| `SEEWHY_") == len(Settings.model_fields)
