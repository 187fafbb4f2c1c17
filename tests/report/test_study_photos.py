"""A study photo by photo: maps side by side, and orders in which photos are telling."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from PIL import Image as Pillow

from report.test_explain import Page
from seewhy.images import Folder
from seewhy.report import study_photos
from seewhy.report.study import study_page
from seewhy.report.study_photos import orders_of, photos_of, telling
from seewhy.study import Plan, Result, Unit
from seewhy.study.maps import packed
from seewhy.study.results import read, write
from seewhy.verbs.study import Study

METHODS = ("grad-cam", "lime", "control:random")
# Of each photo how well it scores, how far apart maps are, the answer and its probability.
PHOTOS = {
    "cat/a.png": (0.9, 0.1, "cat", 0.9),
    "cat/b.png": (0.5, 0.9, "dog", 0.6),
    "dog/c.png": (0.1, 0.4, "cat", 0.8),
    "dog/d.png": (0.7, 0.2, "dog", 0.3),
}


def done(model: str, method: str, name: str) -> Result:
    score, apart, label, share = PHOTOS[name]
    row = {
        "metric": "road",
        "value": score + 0.01 * METHODS.index(method),
        "label": label,
        "probability": share,
        "apart": None if method == METHODS[2] else apart,
        "view": "[10.0,0.0,70.0,60.0]",
    }
    return Result(Unit(model, method, name), (row,))


@pytest.fixture
def study(tmp_path):
    for name in PHOTOS:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Pillow.fromarray(np.full((60, 80, 3), 90, np.uint8)).save(tmp_path / name)
    folder, out = Folder.open(tmp_path), tmp_path / "out"
    plan = Plan(
        models={"m": "a" * 64, "n": "b" * 64},
        methods={name: {} for name in METHODS},
        metrics={"road": {}},
        images=folder.hashes,
        batch_size=1,
        maps="small",
    )
    out.mkdir()
    units = sorted(plan.units)
    write([done(*unit) for unit in units], ((unit, packed(np.eye(7))) for unit in units), out)
    return Study(plan, read(out), (), folder, stored=out)


def test_photos_have_an_order_for_each_reason(study):
    found = {order: "".join(name[4] for name in names) for order, names in orders_of(study).items()}
    assert found == {"apart": "bcda", "worst": "cbda", "wrong": "cbda", "folder": "abcd"}


def test_without_classes_no_answer_is_wrong(study):
    entries = tuple(entry._replace(label=None) for entry in study.folder.entries)
    assert [*orders_of(replace(study, folder=replace(study.folder, entries=entries)))] == ["apart", "worst", "folder"]
    other = study.table.with_columns(label=pl.lit("tabby"))
    assert "wrong" not in orders_of(replace(study, table=other)), "folders that no answer is called by are no classes"


def test_maps_stand_side_by_side(study):
    photo = next(each for each in photos_of(study) if each.name == "cat/b.png")
    assert [(model, [title for title, _ in maps]) for model, maps in photo.maps] == [
        (model, ["LIME", "Grad-CAM", "Random map"]) for model in ("m", "n")
    ]
    shown = photo.maps[0][1][0][1]
    assert (shown.width, shown.height) == (90, 68)
    assert photo.remark == "maps 0.90 apart, a wrong answer"


def test_maps_of_the_telling_photos_alone_are_drawn(study, monkeypatch):
    monkeypatch.setattr(study_photos, "DRAWN", 24)
    assert telling(study, orders_of(study)) == ["cat/b.png", "dog/c.png", "cat/a.png"]
    assert [bool(each.maps) for each in photos_of(study)] == [True, True, True, False]


def test_the_page_orders_them_without_a_script(study):
    page = Page(study_page(study))
    assert [each["value"] for each in page.named("input")] == ["apart", "worst", "wrong", "folder"]
    assert "--apart: 0;--worst: 1;--wrong: 1;--folder: 1;" in page.source
    assert not page.named("script")


def test_a_study_without_maps_shows_the_photos(study):
    photos = photos_of(replace(study, stored=None))
    assert not any(photo.maps for photo in photos)
    assert all(photo.picture for photo in photos)
