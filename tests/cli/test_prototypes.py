"""`seewhy prototypes`."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as Pillow

from prototypes import backbones, squares
from seewhy.prototypes.storage import load_prototypes, save_prototypes
from seewhy.train.parts import PICTURES


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("prototypes")
    backbones.backbone_folder(backbones.picture_folder(root / "pictures"), root / "backbone")
    Pillow.fromarray(squares.pixels("red", 700)).save(root / "photo.png")
    return root


@pytest.fixture(scope="module")
def model(place):
    from seewhy.verbs.prototypes import train_prototypes_on

    train_prototypes_on(place / "pictures", f"file:{place / 'backbone'}", place / "model", recipe=backbones.QUICK)
    return place / "model"


@pytest.fixture(scope="module")
def usable(model):
    """A folder of prototypes that passed the gate, whatever the machine made of so short a training."""
    found = load_prototypes(model, refused=True)
    good = replace(found.diagnosis, confusion=((5, 0), (0, 5)), pushed=True)
    folder = model.parent / "usable"
    save_prototypes(folder, replace(found, diagnosis=good), backbones.TINY, {})
    (folder / PICTURES).write_bytes((model / PICTURES).read_bytes())
    return folder


def test_prototypes_are_a_classifier_for_every_command(seewhy, place, usable, tmp_path):
    model = ("--model", f"file:{usable}")
    photo = place / "photo.png"
    run = seewhy("predict", photo, *model)
    assert run.code == 0, run.err
    assert {row[1] for row in run.rows} == set(backbones.CLASSES)

    run = seewhy("explain", photo, *model, "--method", "grad-cam,lime", "--set", "samples=64")
    assert run.code == 0, run.err
    for method in ("grad-cam", "lime"):
        folder = tmp_path / "seewhy-out/photo" / method
        assert json.loads((folder / "manifest.json").read_text())["explanation"]["classifier"] == "file:usable"
        assert np.load(folder / "values.npy").std() > 0
        assert (folder / "picture.png").is_file()

    run = seewhy("compare", photo, *model, "--method", "grad-cam,gradient", "--out", "compared")
    assert run.code == 0, run.err
    assert {"Grad-CAM", "Gradient"} <= {row[0] for row in run.rows}
    assert "report.html" in {path.name for path in (tmp_path / "compared").iterdir()}

    run = seewhy("evaluate", place / "pictures", *model, "--out", "evaluated", "--json")
    assert run.code == 0, run.err
    assert run.json["pictures"] == 10  # the others are those that it has learned from


def test_refused_prototypes_are_no_classifier(seewhy, place, model, tmp_path):
    found = load_prototypes(model, refused=True)
    bad = replace(found, diagnosis=replace(found.diagnosis, confusion=((5, 0), (5, 0))))
    save_prototypes(tmp_path / "bad", bad, backbones.TINY, {})
    for command in ("explain", "predict"):
        run = seewhy(command, place / "photo.png", "--model", f"file:{tmp_path / 'bad'}")
        assert run.code == 1
        assert "not usable" in run.err
        assert "finds 0%" in run.err
        assert "--refused" in run.err


def test_train_writes_a_model_and_its_report(seewhy, place, tmp_path):
    few = ("--per-class", "2", "--copies", "0", "--warm-steps", "20")
    run = seewhy("prototypes", "train", place / "pictures", "--backbone", f"file:{place / 'backbone'}", *few, "--json")
    out = tmp_path / "seewhy-prototypes"
    assert run.code == (0 if run.json["usable"] else 1)
    assert run.json["usable"] == json.loads((out / "card.json").read_text())["usable"]
    assert "May it be used?" in (out / "report.html").read_text("utf-8")
    assert "report:" in run.err


def test_what_the_gate_refuses_is_a_failure_that_says_why(seewhy, place, tmp_path):
    run = seewhy(
        *(
            "prototypes",
            "train",
            place / "pictures",
            "--trunk",
            f"file:{place / 'backbone'}",
            "--out",
            tmp_path / "out",
        ),
        *("--recipe", "source1", "--joint-steps", "1"),
    )
    assert run.code == 1
    assert run.err.count("not usable:") == len(json.loads((tmp_path / "out" / "card.json").read_text())["reasons"])
    assert ["usable", "no"] in run.rows
    assert "Not usable" in (tmp_path / "out" / "report.html").read_text("utf-8")


def test_points_add_up_on_the_screen(seewhy, place, model):
    run = seewhy("prototypes", "explain", place / "photo.png", "--model", model, "--refused")
    assert run.code == 0
    assert run.rows[0][2] == "start"
    assert run.rows[-1][2] == "score"
    points = [float(row[5]) for row in run.rows]
    assert sum(points[:-1]) == pytest.approx(points[-1], abs=0.005 * len(points))


def test_explain_leaves_a_folder(seewhy, place, model, tmp_path):
    run = seewhy("prototypes", "explain", place / "photo.png", "missing.png", "--model", model, "--refused", "--json")
    assert run.code == 3
    assert run.json[0]["classes"][0]["prototypes"]
    assert "missing.png" in run.err
    out = tmp_path / "seewhy-out"
    assert {path.name for path in (out / "photo").iterdir()} == {"manifest.json", "maps.npy", "picture.png"}
    page = (out / "report.html").read_text("utf-8")
    assert "This looks like that" in page
    assert "missing.png" in page


def test_refused_prototypes_explain_nothing_unless_asked(seewhy, place, model, tmp_path):
    found = load_prototypes(model, refused=True)
    bad = replace(found, diagnosis=replace(found.diagnosis, confusion=((5, 0), (5, 0))))
    save_prototypes(tmp_path / "bad", bad, backbones.TINY, {})
    run = seewhy("prototypes", "explain", place / "photo.png", "--model", tmp_path / "bad")
    assert run.code == 1
    assert "not usable" in run.err
    assert "--refused" in run.err
    run = seewhy("prototypes", "explain", place / "photo.png", "--model", tmp_path / "bad", "--refused")
    assert run.code == 0
    assert "did not pass the gate" in (tmp_path / "seewhy-out" / "report.html").read_text("utf-8")


def test_a_backbone_of_other_classes_is_wrong_usage(seewhy, place):
    run = seewhy("prototypes", "train", place / "pictures", "--backbone", "bundled:efficientnet-lite0")
    assert run.code == 2
    assert "seewhy train" in run.err
