"""A method, a metric and a command of another package: found by every door, and as short as the docs say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PLUGIN = ROOT / "tests/plugin"
LONGEST = {"cam.py": 12, "stripes.py": 35, "middle.py": 20, "sure.py": 20}

DOORS = """
import json, runpy, sys
from fastapi.testclient import TestClient
from seewhy import check_method
from seewhy.methods import find_method
from seewhy.web.rest.api import make_api

for name in ("absolute-cam", "stripes"):
    check_method(find_method(name))
site = runpy.run_path(sys.argv[1])
asked = TestClient(make_api())
rest = {what: [each["name"] for each in asked.get(f"/{what}").json()] for what in ("methods", "metrics")}
print(json.dumps({**rest, "tables": {what: site[what]() for what in ("methods", "metrics", "commands")}}))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> dict[str, str]:
    """The environment of a process that finds the package installed, as pip leaves it."""
    site = tmp_path_factory.mktemp("site")
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
    return {**os.environ, "PYTHONPATH": path, "SEEWHY_HOME": home, "PYTHONDONTWRITEBYTECODE": "1"}


def told(environment: dict[str, str], folder: Path, *arguments: str) -> str:
    run = subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def seewhy(environment: dict[str, str], folder: Path, *arguments: str) -> str:
    return told(environment, folder, "-m", "seewhy", *arguments)


def test_the_command_line_lists_them(installed, tmp_path):
    methods = json.loads(seewhy(installed, tmp_path, "list", "methods", "--json"))
    assert {"absolute-cam", "stripes", "grad-cam"} <= {each["name"] for each in methods}
    assert "\nmiddle\t" in seewhy(installed, tmp_path, "list", "metrics")


def test_the_command_line_explains_with_them(installed, tmp_path):
    asked = ("--model", "py:cli.nets:named", "--method", "absolute-cam,stripes", "--set", "stripes=4")
    seewhy(installed, tmp_path, "explain", "sample:cat", *asked, "--device", "cpu", "--out", "out")
    manifests = sorted(path.parent.name for path in (tmp_path / "out").rglob("manifest.json"))
    assert manifests == ["absolute-cam", "stripes"]
    found = json.loads(next((tmp_path / "out").rglob("stripes/manifest.json")).read_text())["explanation"]
    assert found["parameters"]["stripes"] == 4


def test_the_command_is_one_of_seewhys(installed, tmp_path):
    asked = ("sure", "sample:cat", "--model", "py:cli.nets:named", "--device", "cpu")
    (share,) = json.loads(seewhy(installed, tmp_path, *asked, "--json")).values()
    assert 0 < share < 1
    assert seewhy(installed, tmp_path, *asked).splitlines()[-1] == f"sample:cat\t{share:.0%}"


def test_docs_and_rest_tell_of_them_and_they_keep_their_promises(installed, tmp_path):
    found = json.loads(told(installed, tmp_path, "-c", DOORS, str(ROOT / "scripts/site_tables.py")).splitlines()[-1])
    assert {"absolute-cam", "stripes"} <= set(found["methods"])
    assert "middle" in found["metrics"]
    tables = found["tables"]
    assert "`stripes` ·" in tables["methods"]
    assert "`stripes=8`" in tables["methods"]
    assert "`absolute-cam` ·" in tables["methods"]
    assert "How much of the map lies in the middle?" in tables["metrics"]
    assert "Say how sure the model is of each picture." in tables["commands"]


@pytest.mark.parametrize("name", LONGEST)
def test_each_is_short_and_told_in_the_guide_word_for_word(name):
    text = (PLUGIN / "mine" / name).read_text()
    assert text.count("\n") <= LONGEST[name]
    shown = re.findall(r"```python\n(.*?)```", (ROOT / "docs/contributing.md").read_text(), re.DOTALL)
    assert text in shown


def test_the_guide_shows_the_entry_points_word_for_word():
    shown = re.findall(r"```toml\n(.*?)```", (ROOT / "docs/contributing.md").read_text(), re.DOTALL)
    assert (PLUGIN / "pyproject.toml").read_text() in shown
