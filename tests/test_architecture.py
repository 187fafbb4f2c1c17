"""The plan of the house, kept: who may import whom, what loads when, and what no file may say."""

from __future__ import annotations

import ast
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src/seewhy"

# From left to right: a room imports rooms to its left, never one beside it.
ROOMS = (
    {"errors"},
    {"core", "answers"},
    {"images"},
    {"draw"},
    {"models"},
    {"engines"},
    {"methods"},
    {"metrics"},
    {"people", "train", "words"},
    {"cases", "explainers", "prototypes", "network"},
    {"study"},
    {"audit"},
    {"report"},
    {"verbs"},
    {"commands"},
    {"client", "web"},
    {"mcp"},
    {"cli"},
)
LEVEL = {room: level for level, rooms in enumerate(ROOMS) for room in rooms}
HEAVY = {"torch", "torchvision", "timm", "matplotlib", "skimage", "sklearn", "scipy", "PIL"}
# Bracketed letters keep this file from matching itself.
PLACES = re.compile(r"(?<![\w.~-])/(?:[w]ork|[t]mp|[r]oot|[o]pt/wheels|[o]pt/pypi)\b|[p]ypi\.org|[p]ythonhosted\.org")

CONTAINERS = {"Dockerfile", "compose.yaml"}  # places in them are of no machine
FRONT_DOORS = {"__init__", "__main__"}
# Modules under 40 lines, and why each stands alone.
SMALL = {
    "core/callable_room.py": "two rooms are verbs, too",
    "core/pickled.py": "results of three rooms go from process to process",
    "people/migrations/env.py": "Alembic looks for it there",
    "verbs/predict.py": "who predicts loads nothing that other verbs need",
    "web/parts/script.py": "the one place where Python speaks to the browser",
}
MODULES = sorted(PACKAGE.rglob("*.py"))


def module_of(path: Path) -> tuple[str, ...]:
    parts = ("seewhy", *path.relative_to(PACKAGE).with_suffix("").parts)
    return parts[:-1] if parts[-1] == "__init__" else parts


def longest(name: str, known: set[str]) -> str:
    """The module that a dotted name is in."""
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(source: str, folder: Sequence[str]) -> Iterator[str]:
    """Every dotted name that a module in this folder imports, wherever it does so; relative ones made absolute."""
    package = ["seewhy", *folder]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) + 1 - node.level] if node.level else []
            origin = ".".join([*start, *filter(None, [node.module])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def rooms_entered(source: str, folder: Sequence[str]) -> set[str]:
    """The rooms of seewhy that a module imports from; "" for seewhy's own front door."""
    parts = (name.split(".") for name in imported(source, folder))
    return {part[1] if len(part) > 1 else "" for part in parts if part[0] == "seewhy"}


def test_modules_import_only_rooms_to_their_left():
    for path in MODULES:
        room = room_of(path)
        if room in FRONT_DOORS:
            continue
        assert room in LEVEL, f"'{room}' has no place in ROOMS"
        allowed = {other for other, level in LEVEL.items() if level < LEVEL[room]} | {room, "__version__"}
        entered = rooms_entered(path.read_text("utf-8"), path.relative_to(PACKAGE).parent.parts)
        assert entered <= allowed, f"{path.relative_to(PACKAGE)} imports {sorted(entered - allowed)}"


def test_no_modules_import_each_other():
    """Wherever the import stands: at the top, in a function, or for types alone."""
    known = {".".join(module_of(path)) for path in MODULES}
    graph: dict[str, set[str]] = {}
    for path in MODULES:
        name = ".".join(module_of(path))
        names = imported(path.read_text("utf-8"), path.relative_to(PACKAGE).parent.parts)
        graph[name] = {found for each in names if (found := longest(each, known)) not in {name, "seewhy", ""}}
    assert list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle


@pytest.mark.parametrize(
    ("source", "rooms"),
    [
        ("import seewhy.models.load", {"models"}),
        ("from seewhy import draw, errors", {"draw", "errors"}),
        ("from seewhy.verbs.explain import run", {"verbs"}),
        ("from ..report import html", {"report"}),
        ("from . import masking", {"methods"}),
        ("from .masking import Masked", {"methods"}),
        ("def late():\n    import seewhy", {""}),
        ("import torch, seewhylike.models", set()),
    ],
)
def test_every_form_of_import_is_seen(source, rooms):
    assert rooms_entered(source, ["methods"]) == rooms


def test_a_module_fits_in_the_head_and_raises_errors():
    for path in MODULES:
        source = path.read_text("utf-8")
        lines, name = source.count("\n"), path.relative_to(PACKAGE).as_posix()
        asserts = [node.lineno for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Assert)]
        assert not asserts, f"{name} asserts in lines {asserts}"
        assert lines <= 500, f"{name} has {lines} lines"
        assert lines >= 40 or path.stem in FRONT_DOORS or name in SMALL, f"{name} has only {lines} lines"


@pytest.mark.parametrize("name", ["seewhy", "seewhy.errors", "seewhy.core.progress"])
def test_an_import_loads_nothing_heavy(name):
    assert not HEAVY & set(fresh_python(f"import sys, {name}; print(*sys.modules)").split())


def test_an_import_is_quick():
    # Processor time, not the clock: the tests beside this one should not slow it down.
    timed = "import time; start = time.process_time(); import seewhy; print(time.process_time() - start)"
    assert statistics.median(float(fresh_python(timed)) for _ in range(3)) < 0.3


def fresh_python(code: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def test_no_file_names_a_place_of_one_machine():
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in project_files()
        if path.name not in CONTAINERS
        for number, line in enumerate(text_of(path).splitlines(), start=1)
        if PLACES.search(line)
    ]
    assert not found


def project_files() -> list[Path]:
    """What git tracks or would: every file that it does not ignore."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    paths = (ROOT / name for name in done.stdout.split("\0") if name)
    return [path for path in paths if path.is_file()]


def text_of(path: Path) -> str:
    """Its text; nothing for a binary file."""
    content = path.read_bytes()
    return "" if b"\0" in content else content.decode("utf-8", errors="replace")
