"""The rooms of the app: who may import whom, and what runs without Streamlit."""

from __future__ import annotations

from pathlib import Path

import pytest

import seewhy.web
from test_architecture import fresh_python, imported

WEB = Path(seewhy.web.__file__).parent
# From left to right; a room imports itself and rooms to its left.
ORDER = ("settings", "telling", "logs", "visitors", "middleware", "services", "rest", "canvas", "parts", "pages", "connections", "server")


@pytest.mark.parametrize("path", sorted(WEB.rglob("*.py")), ids=lambda path: path.relative_to(WEB).as_posix())
def test_a_room_of_the_app_imports_only_rooms_to_its_left(path):
    parts = path.relative_to(WEB).with_suffix("").parts
    if parts[0] == "__init__":
        return
    names = (name.split(".") for name in imported(path.read_text("utf-8"), ("web", *parts[:-1])))
    entered = {name[2] for name in names if name[:2] == ["seewhy", "web"]}
    assert entered <= set(ORDER[: ORDER.index(parts[0]) + 1])


def test_the_rest_interface_and_the_services_need_no_streamlit():
    assert "streamlit" not in fresh_python("import sys, seewhy.web.rest.api; print(*sys.modules)").split()
