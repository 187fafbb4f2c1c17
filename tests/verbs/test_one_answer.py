"""One question gets one answer: the same photos by `compare` and by `study`."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from PIL import Image as Pillow

import zoo
from cli.nets import TOY
from seewhy.methods import find_method
from seewhy.metrics import find_metric
from seewhy.models import load
from seewhy.report.verdict import study_verdict
from seewhy.study.score import FEW
from seewhy.verbs.compare import compare
from seewhy.verbs.study import study

METRICS = ("average-drop-hard", "insertion-minus-deletion", "road", "infidelity", "iou-top-area", "sparseness")
METHODS = ("grad-cam", "eigen-cam", "lime")


def asked():
    return ["grad-cam", "eigen-cam", find_method("lime", samples=120, regions="grid:4")]


def measured():
    quick = {"road": {"percentiles": (20, 60)}, "infidelity": {"draws": 16}, "insertion-minus-deletion": {"steps": 8}}
    return [find_metric(name, **quick.get(name, {})) for name in METRICS]


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Two photos, one of them in a folder of its own, and a mask of the other."""
    monkeypatch.setattr(sys, "path", [*sys.path])  # `py:` models add the folder
    paths = [tmp_path / "photos" / name for name in ("a.png", "more/b.png")]
    for path, image in zip(paths, zoo.photos(2), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        image.to_pil().save(path)
    mask = np.zeros((image.height, image.width), np.uint8)
    mask[: image.height // 2] = 255
    (tmp_path / "masks").mkdir()
    Pillow.fromarray(mask).save(tmp_path / "masks" / "a.png")
    return paths


def values(found):
    """By photo, whatever it is called, method and metric."""
    rows = found.table.select("image", "method", "metric", "value", "draws", "chance").rows()
    return {(image.rpartition("/")[2], method, metric): rest for image, method, metric, *rest in rows}


def test_compare_and_study_give_one_answer(photos, tmp_path, alone):
    classifier = load(TOY, device="cpu")
    compared = compare(classifier, photos, asked(), measured(), masks=tmp_path / "masks", seed=4)
    studied = study(
        tmp_path / "photos",
        [TOY],
        [*asked(), *compared.scores[0].controls],
        measured(),
        tmp_path / "out",
        masks=tmp_path / "masks",
        device="cpu",
        workers=1,
        seed=4,
    )
    mine, theirs = values(compared), values(studied)
    assert len(theirs) == 2 * (3 + 4) * len(METRICS)
    assert mine.keys() == theirs.keys()
    for key, (value, draws, chance) in theirs.items():
        other, its_draws, its_chance = mine[key]
        assert (value is None) == (other is None)
        assert value is None or value == pytest.approx(other, rel=1e-5, abs=1e-6)
        assert (draws is None, chance is None) == (its_draws is None, its_chance is None)
    assert any(draws for _, draws, _ in theirs.values())
    assert any(chance for *_, chance in theirs.values())
    (one,), (other,) = compared.scores, studied.scores
    assert one.ranks == other.ranks
    assert set(one.ranks) == set(METHODS)
    for method in (*METHODS, "control:random"):
        for metric in METRICS:
            assert compared.beats_chance.get((one.model, metric, method)) == studied.beats_chance.get(
                (other.model, metric, method)
            )
    assert study_verdict(compared) == study_verdict(studied) == compared.to_dict()["verdict"]
    assert "the strongest control" in study_verdict(studied)


def test_more_photos_are_held_against_the_control_by_both(tmp_path, monkeypatch, alone):
    monkeypatch.setattr(sys, "path", [*sys.path])
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(FEW + 1):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 48, 3), np.uint8)
        Pillow.fromarray(pixels).save(folder / f"{number:02}.png")
    metrics = ("insertion", "average-drop-hard")
    compared = compare(load(TOY, device="cpu"), sorted(folder.iterdir()), METHODS[:2], metrics)
    wanted = [*METHODS[:2], *compared.scores[0].controls]
    studied = study(folder, [TOY], wanted, metrics, tmp_path / "out", device="cpu", workers=1)
    for found in (compared, studied):
        assert not found.scores[0].chance
        assert found.beats_chance
    assert {key[1:]: better for key, better in compared.beats_chance.items()} == {
        key[1:]: better for key, better in studied.beats_chance.items()
    }
    assert compared.scores[0].ranks == studied.scores[0].ranks
    assert study_verdict(compared) == study_verdict(studied)
