"""`--bands`: which bands of a picture are drawn, wherever a command opens it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from seewhy.cli.app import app
from seewhy.images import open_image
from seewhy.methods import Explanation

BANDS = np.random.default_rng(0).integers(0, 256, (40, 48, 5), np.uint8)

FACTORY = """
import torch
from torch import nn
from seewhy import Classifier
from seewhy.models import Preprocessing

def make():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(5, 8, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
    return Classifier.from_module(network.eval(), Preprocessing((32, 32), mean=(0.5,) * 5, std=(0.5,) * 5))
"""


@pytest.fixture
def field(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "five_bands.py").write_text(FACTORY)
    np.save(tmp_path / "field.npy", BANDS)
    return tmp_path / "field.npy"


def run(*words):
    return CliRunner().invoke(app, [*map(str, words), "--model", "py:five_bands:make"])


@pytest.mark.parametrize(("bands", "drawn"), [("5,3,1", [4, 2, 0]), ("4", [3, 3, 3]), (None, [0, 1, 2])])
def test_an_explanation_shows_the_bands_that_are_asked_for_and_opens_again(field, bands, drawn):
    done = run("explain", field, "--json", *(["--bands", bands] if bands else []))
    assert done.exit_code == 0, done.output
    saved = Explanation.load(next(field.parent.glob("seewhy-out/**/manifest.json")).parent)
    assert np.array_equal(saved.image.pixels, BANDS[..., drawn])
    assert np.array_equal(saved.image.read_as(5), BANDS)
    assert (field.parent / "seewhy-out/report.html").is_file()
    assert json.loads(done.stdout)[0]["image"]["composite"]
    assert open_image(field).pixels[0, 0, 0] == BANDS[0, 0, 0], "the option holds for the command alone"


@pytest.mark.parametrize(("bands", "words"), [("7,1,2", "from 1 to 5"), ("red", "three bands"), ("1,2", "from 1 to 5")])
def test_bands_that_there_are_not_are_refused(field, bands, words):
    done = run("explain", field, "--bands", bands)
    assert done.exit_code
    assert words in " ".join(f"{done.output} {done.exception}".split())


def test_several_methods_are_compared_on_bands(field):
    done = run("compare", field, "--bands", "3,2,1", "--methods", "grad-cam,occlusion")
    assert done.exit_code == 0, done.output
