"""Studies from end to end, with a toy network in real workers."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from PIL import Image as Pillow

import zoo
from cli.nets import NAMES, TOY
from seewhy.errors import Cancelled, ExplainError, UnknownName, UsageError
from seewhy.methods import find_method
from seewhy.metrics import find_metric
from seewhy.models import load
from seewhy.study import Local, Ray
from seewhy.study.results import FAILURES, MAPS, RESULTS
from seewhy.verbs.study import chosen_executor, study

METHODS = ("grad-cam", "lime", "control:random")
METRICS = ("average-drop-hard", "sparseness")
FEW_SAMPLES = find_method("lime", samples=120, regions="grid")
SERVICE = "py:cli.nets:service"


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Three pictures in two classes, and masks of two of them."""
    monkeypatch.setattr(sys, "path", [*sys.path])  # `py:` models add the folder
    (tmp_path / "masks").mkdir()
    for place, (name, image) in enumerate(zip(("cat/a", "cat/b", "dog/c"), zoo.photos(3), strict=True)):
        path = tmp_path / "photos" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.to_pil().save(path)
        if place < 2:
            mask = np.zeros((image.height, image.width), np.uint8)
            mask[: image.height // 2] = 255
            Pillow.fromarray(mask).save(tmp_path / "masks" / f"{name[-1]}.png")
    return tmp_path / "photos"


def asked(photos, out, **changes):
    settings = {
        "models": [TOY],
        "methods": ["grad-cam", FEW_SAMPLES, "control:random"],
        "metrics": METRICS,
        "workers": 1,
    }
    return study(photos, out=out, **{**settings, **changes})


@pytest.fixture
def undone(monkeypatch):
    """Studies are planned, but not run; holds how many workers each would have had."""
    home, hired = sys.modules["seewhy.verbs.study"], []
    monkeypatch.setattr(home, "Local", lambda workers, gpus: hired.append(workers))
    monkeypatch.setattr(home, "run", lambda *_: [])
    monkeypatch.setattr(home, "read", lambda _: pl.DataFrame())
    return hired


def contents(out):
    return [(out / name).read_bytes() for name in (RESULTS, FAILURES, MAPS)]


def test_every_model_method_picture_and_metric_has_its_row(photos, tmp_path):
    done = asked(photos, tmp_path / "out", models=[TOY, "py:cli.nets:residual"])
    keys = done.table.select("model", "method", "image", "metric").rows()
    assert sorted(keys) == sorted(
        (model, method, image, metric)
        for model in (TOY, "py:cli.nets:residual")
        for method in METHODS
        for image in ("cat/a.png", "cat/b.png", "dog/c.png")
        for metric in METRICS
    )
    assert done.failures == ()
    assert done.table.equals(pl.read_parquet(tmp_path / "out" / RESULTS))
    assert done.plan.models[TOY] == load(TOY, device="cpu").fingerprint
    assert set(done.table["label"]) <= {*NAMES, *map(str, range(zoo.CLASSES)), *(f"class {k}" for k in range(4))}


def test_a_study_interrupted_and_taken_up_again_ends_like_one_left_alone(photos, tmp_path, request):
    def stop(done, total, message):
        if message == "units" and done == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        asked(photos, tmp_path / "stopped", progress=stop)
    assert not (tmp_path / "stopped" / RESULTS).exists()
    told = []
    asked(photos, tmp_path / "stopped", workers=2, progress=lambda *now: told.append(now))
    request.getfixturevalue("alone")
    asked(photos, tmp_path / "calm")
    assert [now for now in told if now[2] == "units"] == [(done, 9, "units") for done in (3, 6, 9)]
    assert contents(tmp_path / "stopped") == contents(tmp_path / "calm")


def test_a_bad_picture_is_listed_and_the_rest_is_done(photos, tmp_path, alone):
    (photos / "dog" / "broken.png").write_bytes(b"no picture at all")
    done = asked(photos, tmp_path / "out", methods=["grad-cam"])
    assert [(each.unit.image, each.failure.error) for each in done.failures] == [("dog/broken.png", "BadImage")]
    assert done.table["image"].n_unique() == 3


def test_a_failure_ends_the_study_where_that_is_asked(photos, tmp_path, alone):
    (photos / "cat" / "aa.png").write_bytes(b"no picture at all")
    wanted = {"methods": ["control:empty"], "metrics": ["sparseness"]}
    with pytest.raises(ExplainError, match=r"control:empty for .* failed on cat/aa\.png: .* Run again without"):
        asked(photos, tmp_path / "out", fail_fast=True, **wanted)
    assert not (tmp_path / "out" / RESULTS).exists()
    done = asked(photos, tmp_path / "out", **wanted)
    assert (done.table["image"].n_unique(), len(done.failures)) == (3, 1)


def test_masks_bring_metrics_of_localisation(photos, tmp_path, alone):
    done = asked(photos, tmp_path / "out", metrics=["pointing-game"], masks=tmp_path / "masks", methods=["grad-cam"])
    found = dict(done.table.select("image", "value").rows())
    assert found["cat/a.png"] in {0.0, 1.0}
    assert found["dog/c.png"] is None
    assert "mask" in done.table.filter(pl.col("image") == "dog/c.png")["reason"].item()
    assert set(done.plan.masks) == {"cat/a.png", "cat/b.png"}


def test_where_it_is_started_does_not_matter(photos, tmp_path, monkeypatch, alone):
    asked(photos, tmp_path / "one", methods=["grad-cam"])
    monkeypatch.chdir(tmp_path)
    asked("photos", tmp_path / "other", methods=["grad-cam"])
    assert contents(tmp_path / "one") == contents(tmp_path / "other")


def test_a_limit_takes_pictures_from_all_over_the_folder(photos, tmp_path, undone):
    taken = [entry.path for entry in asked(photos, tmp_path / "out", limit=2).folder.entries]
    assert taken == ["cat/a.png", "cat/b.png"]
    assert len(asked(photos, tmp_path / "out", limit=99).folder.entries) == 3


def test_another_configuration_in_the_same_folder_is_refused(photos, tmp_path, alone):
    asked(photos, tmp_path / "out", methods=["grad-cam"])
    with pytest.raises(UsageError, match="cells: was 14, now 7"):
        asked(photos, tmp_path / "out", methods=["grad-cam"], cells=7)


def test_one_worker_for_each_processor_unless_told(photos, tmp_path, undone, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    for changes in ({}, {"threads": 4}, {"threads": 16}, {"workers": 3}):
        asked(photos, tmp_path, **{"workers": None, **changes})
    assert undone == [8, 2, 1, 3]


def test_a_gpu_has_a_worker_of_its_own(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    assert chosen_executor("local", None, 1, None, "cuda") == Local(3, gpus=3)
    assert chosen_executor("ray", None, 1, None, "cuda") == Ray(3, gpus=1)
    assert chosen_executor("ray", None, 1, "head:6379", "cuda") == Ray(0, "head:6379", gpus=1)
    assert chosen_executor("ray", 5, 1, None, "cpu") == Ray(5)


def test_the_plan_says_what_computes(photos, tmp_path, undone):
    plan = asked(photos, tmp_path / "out").plan
    assert plan.device == "cpu"
    assert {*plan.versions} == {"seewhy", "torch", "numpy"}
    assert plan.maps == "small"


def test_more_maps_than_the_disk_holds_are_refused_before(photos, tmp_path, undone, monkeypatch):
    monkeypatch.setattr("seewhy.verbs.study.disk_usage", lambda _: SimpleNamespace(free=10_000))
    with pytest.raises(UsageError, match=r"maps kept small take .* ask for maps=none \(--maps\)"):
        asked(photos, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    asked(photos, tmp_path / "out", maps="none")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"methods": ["grad-cam", "control:sobel"], "models": [SERVICE]}, "grad-cam needs gradients"),
        ({"methods": ["control:chance"]}, "control:random"),
        ({"methods": ["grad-kam"]}, "grad-cam"),
        ({"metrics": ["pointing-game"]}, "--masks"),
        ({"methods": []}, "at least"),
        ({"models": []}, "at least"),
        ({"limit": 0}, "at least 1"),
        ({"maps": "huge"}, "none, small or full"),
        ({"executor": "slurm"}, "local and ray"),
        ({"ray_address": "127.0.0.1:6379"}, "--executor ray"),
        ({"weights": {"timm:resnet18": "w.pth"}}, "none of the models"),
        ({"metrics": [find_metric("road"), find_metric("road", percentiles=(50,))]}, "twice"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_done(photos, tmp_path, changes, words):
    with pytest.raises(UsageError, match=words):
        asked(photos, tmp_path / "out", **changes)
    assert not (tmp_path / "out").exists()


def test_an_unknown_control_is_an_unknown_name(photos, tmp_path):
    with pytest.raises(UnknownName):
        asked(photos, tmp_path / "out", methods=["control:"])


@pytest.mark.heavy
def test_ray_and_local_give_the_same_bytes(photos, tmp_path, monkeypatch):
    if find_spec("ray") is None:
        pytest.skip("the extra `ray` is not installed")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))  # where actors find the network
    asked(photos, tmp_path / "local", workers=2)
    done = asked(photos, tmp_path / "ray", workers=2, executor="ray")
    assert done.failures == ()
    assert contents(tmp_path / "local") == contents(tmp_path / "ray")
