"""A method, a metric and a command of another package: found by every door, and as short as the docs say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PLUGIN = ROOT / "tests/plugin"
LONGEST = {"cam.py": 12, "stripes.py": 35, "middle.py": 20, "sure.py": 20}

NAMED = ("--model", "py:cli.nets:named", "--device", "cpu")
PLUGGED = ("--method", "absolute-cam,stripes", "--set", "stripes=4")
COMMANDS = {
    "methods": ("list", "methods", "--json"),
    "metrics": ("list", "metrics"),
    "explain": (
        "explain",
        "sample:cat",
        *NAMED,
        "--method",
        "absolute-cam,stripes",
        "--set",
        "stripes=4",
        "--out",
        "out",
    ),
    "sure": ("sure", "sample:cat", *NAMED),
    "sure, as JSON": ("sure", "sample:cat", *NAMED, "--json"),
}

DOORS = """
import io, json, runpy, sys
from contextlib import redirect_stdout
from fastapi.testclient import TestClient
from seewhy import check_method
from seewhy.cli import main
from seewhy.methods import find_method
from seewhy.web.rest.api import make_api

def said(words):
    sys.argv = ["seewhy", *words]
    with redirect_stdout(io.StringIO()) as out:
        try:
            main()
        except SystemExit as end:
            assert not end.code, words
    return out.getvalue()

given, tables = sys.argv[1:]
commands = {name: said(words) for name, words in json.loads(given).items()}
site = runpy.run_path(tables)
for name in ("absolute-cam", "stripes"):
    check_method(find_method(name))
asked = TestClient(make_api())
print(json.dumps({
    "commands": commands,
    "rest": {what: [each["name"] for each in asked.get(f"/{what}").json()] for what in ("methods", "metrics")},
    "tables": {what: site[what]() for what in ("methods", "metrics", "commands")},
}))
"""


@dataclass(frozen=True)
class Told:
    """What a process that finds the package installed was told at every door, and its working folder."""

    commands: dict[str, str]
    rest: dict[str, list[str]]
    tables: dict[str, str]
    place: Path


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> Told:
    """One process, in which the package is found as pip leaves it."""
    site, place = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("place")
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text())["project"]
    about = site / f"{project['name']}-{project['version']}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = project["entry-points"].items()
    text = "".join(f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in points.items()) for group, points in groups)
    (about / "entry_points.txt").write_text(text)
    (site / project["name"]).symlink_to(PLUGIN / project["name"])
    path = os.pathsep.join([str(site), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])
    home = str(tmp_path_factory.mktemp("home"))
    run = subprocess.run(
        [sys.executable, "-c", DOORS, json.dumps(COMMANDS), str(ROOT / "scripts/site_tables.py")],
        env={**os.environ, "PYTHONPATH": path, "SEEWHY_HOME": home, "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return Told(**json.loads(run.stdout.splitlines()[-1]), place=place)


def test_the_command_line_lists_them(told):
    assert {"absolute-cam", "stripes", "grad-cam"} <= {each["name"] for each in json.loads(told.commands["methods"])}
    assert "\nmiddle\t" in told.commands["metrics"]


def test_the_command_line_explains_with_them(told):
    manifests = sorted(path.parent.name for path in (told.place / "out").rglob("manifest.json"))
    assert manifests == ["absolute-cam", "stripes"]
    found = json.loads(next((told.place / "out").rglob("stripes/manifest.json")).read_text())["explanation"]
    assert found["parameters"]["stripes"] == 4


def test_the_command_is_one_of_seewhys(told):
    (share,) = json.loads(told.commands["sure, as JSON"]).values()
    assert 0 < share < 1
    assert told.commands["sure"].splitlines()[-1] == f"sample:cat\t{share:.0%}"


def test_docs_and_rest_tell_of_them_and_they_keep_their_promises(told):
    assert {"absolute-cam", "stripes"} <= set(told.rest["methods"])
    assert "middle" in told.rest["metrics"]
    assert "`stripes` ·" in told.tables["methods"]
    assert "`stripes=8`" in told.tables["methods"]
    assert "`absolute-cam` ·" in told.tables["methods"]
    assert "How much of the map lies in the middle?" in told.tables["metrics"]
    assert "Say how sure the model is of each picture." in told.tables["commands"]


@pytest.mark.parametrize("name", LONGEST)
def test_each_is_short_and_told_in_the_guide_word_for_word(name):
    text = (PLUGIN / "mine" / name).read_text()
    assert text.count("\n") <= LONGEST[name]
    shown = re.findall(r"```python\n(.*?)```", (ROOT / "docs/contributing.md").read_text(), re.DOTALL)
    assert text in shown


def test_the_guide_shows_the_entry_points_word_for_word():
    shown = re.findall(r"```toml\n(.*?)```", (ROOT / "docs/contributing.md").read_text(), re.DOTALL)
    assert (PLUGIN / "pyproject.toml").read_text() in shown
