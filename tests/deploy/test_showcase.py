"""What the image ships: drawn, taught and found by the app; and the Dockerfile asks for just that."""

from __future__ import annotations

import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from seewhy.web.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
IMAGE = ROOT.joinpath("Dockerfile").read_text("utf-8").replace("\\\n", " ")
DEPLOYING = ROOT.joinpath("docs/deploying.md").read_text("utf-8")
showcase: dict[str, Any] = runpy.run_path(str(ROOT / "deploy/showcase.py"))
SHIPPED = "/srv/showcase"


def variables(text: str) -> dict[str, str]:
    return dict(re.findall(r"\b(SEEWHY_\w+)=(\S+)", text))


def shown(names: dict[str, str], place: str) -> dict[str, str]:
    """Those that tell the app what to show, with the place that they are below left out."""
    wanted = ("SEEWHY_MODELS", "SEEWHY_CASES", "SEEWHY_PROTOTYPES", "SEEWHY_STUDIES")
    return {name: names[name].replace(place, "…") for name in wanted}


def test_the_cut_outs_are_of_two_classes_and_always_the_same(tmp_path):
    showcase["draw"].__globals__["OF_EACH_CLASS"] = 3
    first, again = showcase["draw"](tmp_path / "first"), showcase["draw"](tmp_path / "again")
    files = sorted(path.relative_to(first) for path in first.rglob("*.png"))
    assert [path.parent.name for path in files] == ["cat"] * 3 + ["no cat"] * 3
    for each in files:
        assert np.array_equal(np.asarray(Image.open(first / each)), np.asarray(Image.open(again / each)))


def test_the_image_the_page_and_the_script_name_the_same():
    docker = shown(variables(IMAGE), SHIPPED)
    assert docker == shown(variables(DEPLOYING), "$PWD/shown")
    assert docker["SEEWHY_MODELS"].endswith("…/classifier/showcase")
    assert {each.split("_")[1].lower() for each in docker} <= set(Settings.model_fields)


def test_the_image_is_given_the_script_before_it_runs_it():
    order = [line.split()[0] + " " + line.split()[1] for line in IMAGE.splitlines() if line[:1].isupper()]
    assert (
        order.index("USER seewhy")
        < order.index("COPY deploy")
        < order.index("RUN python")
        < order.index('CMD ["seewhy",')
    )
    assert order.index("RUN python") < order.index("VOLUME /data"), "what a volume holds stays"
    assert "!deploy" in (ROOT / ".dockerignore").read_text("utf-8").split()


@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_what_the_image_runs_gives_every_page_something_to_show(tmp_path, monkeypatch):
    """The Dockerfile's own line, with its places put elsewhere, as a process of its own."""
    line = re.search(r"^RUN (python deploy/showcase.py .*?)(?: \$\(.*)?$", IMAGE, re.MULTILINE)[1]
    place, home = tmp_path / "showcase", tmp_path / "data"
    monkeypatch.setenv("SEEWHY_HOME", str(home))
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    words = [sys.executable, *shlex.split(line.replace(SHIPPED, str(place)))[1:]]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert shown(variables(done.stdout), str(place)) == shown(variables(IMAGE), SHIPPED)
    for name, value in variables(IMAGE).items():
        if SHIPPED in value:
            monkeypatch.setenv(name, value.replace(SHIPPED, str(place)))
    assert_alive(Settings())


def assert_alive(found: Settings) -> None:
    """Each folder holds what its page looks for, of a model that is offered."""
    from seewhy.cases.manifest import read_manifest
    from seewhy.models import load
    from seewhy.people.rounds import played_classes
    from seewhy.people.store import open_store
    from seewhy.prototypes.storage import load_prototypes
    from seewhy.verbs.study import find_studies, open_study

    default, own = found.models
    (cases,) = found.cases_folder.glob("*/manifest.json")
    assert read_manifest(cases.parent).about.model == own
    (prototypes,) = found.prototypes_folder.glob("*/card.json")
    assert load_prototypes(prototypes.parent).classifier.categories == load(own).categories
    (study,) = find_studies(found.studies_folder).values()
    assert open_study(study).plan.images
    with open_store() as store:
        assert all(played_classes(store, load(name).fingerprint) for name in (default, own))
