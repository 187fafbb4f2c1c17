"""One unit: what is explained, what scores see of it, and that nothing but the plan decides."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

import zoo
from cli import nets
from cli.nets import TOY
from seewhy.engines.batches import BatchSize
from seewhy.engines.inference import inference_copy
from seewhy.errors import BadImage, UsageError
from seewhy.images import Folder, open_image
from seewhy.methods import find_method
from seewhy.metrics import Context, find_metric
from seewhy.metrics.context import in_cells
from seewhy.models import Target
from seewhy.study.plan import Task, canonical
from seewhy.study.score import Scoring, distances, picture_seed, pinned, score_picture, study_work

METRICS = ("average-drop-hard-removed", "sparseness")
LIME = find_method("lime", regions="grid", samples=120)


@pytest.fixture
def folder(tmp_path):
    """Two pictures and an unreadable one; the first has a mask of its upper half."""
    for name, image in zip(("a", "b"), zoo.photos(2), strict=True):
        image.to_pil().save(tmp_path / f"{name}.png")
    (tmp_path / "c.png").write_bytes(b"no picture at all")
    mask = np.zeros((image.height, image.width), np.uint8)
    mask[: image.height // 2] = 255
    (tmp_path / "masks").mkdir()
    Pillow.fromarray(mask).save(tmp_path / "masks" / "a.png")
    return Folder.open(tmp_path, tmp_path / "masks")


@pytest.fixture
def scoring(folder):
    methods = {
        "grad-cam": find_method("grad-cam"),
        "lime": pinned(LIME, 16),
        "control:random": find_method("control:random"),
    }
    metrics = tuple(map(find_metric, METRICS))
    return Scoring(methods, metrics, cells=0, batch_size=16, seed=3)


@pytest.fixture
def rows(scoring, folder):
    def ask(scoring, method="grad-cam", image="a.png", model=TOY):
        work = work_of(scoring, folder)
        (found,) = work.score(work.prepare(model), Task(model, image, (method,))).values()
        if found.error:
            raise found.error
        return tuple(found.rows)

    return ask


def work_of(scoring, folder):
    return study_work(scoring, folder, weights={}, device="cpu", maps="none")


def test_a_row_for_each_metric_says_what_was_explained(scoring, folder, rows):
    found = rows(scoring)
    best = nets.named().predict(open_image(folder.root / "a.png"), 1)[0]
    assert [row["metric"] for row in found] == list(METRICS)
    for row in found:
        assert (row["target"], row["label"]) == (best.index, best.name)
        assert row["probability"] == pytest.approx(best.probability)
        assert row["layer"] == "relu"
        assert row["reason"] is None
    canonical(found)  # plain JSON


def test_a_score_is_what_the_metric_says_of_the_explanation(scoring, folder, rows):
    classifier, image = nets.named(), folder.image(folder.entries[0])
    target = Target(classifier.predict(image, 1)[0].index)
    seed = picture_seed(3, image)
    explained = pinned(LIME, 16)(classifier, [image], [[target]], generator=torch.Generator().manual_seed(seed))[0]
    subject = Context(classifier, image)
    for cells in (0, 7):
        shown = replace(explained, values=in_cells(explained.values, 7)) if cells else explained
        drop, sparse = (find_metric(name) for name in METRICS)
        expected = [drop(subject, [shown], generator=torch.Generator().manual_seed(seed))[0].value]
        expected += [sparse(subject, [explained], generator=torch.Generator().manual_seed(seed))[0].value]
        found = rows(replace(scoring, cells=cells), "lime")
        assert [row["value"] for row in found] == pytest.approx(expected, rel=1e-5)


def test_metrics_that_explain_again_see_the_map_as_it_is(scoring, rows):
    again = replace(scoring, metrics=(find_metric("coherency"),), cells=4)
    assert rows(again) == rows(replace(again, cells=0))
    assert rows(again)[0]["value"] is not None


def test_localisation_is_scored_where_there_is_a_mask(scoring, rows):
    located = replace(scoring, metrics=(find_metric("energy-in-mask"),))
    assert 0 < rows(located)[0]["value"] < 1
    without = rows(located, image="b.png")[0]
    assert without["value"] is None
    assert "no mask" in without["reason"]


def test_a_mask_of_another_size_fails_by_itself(scoring, folder, rows):
    Pillow.new("L", (5, 5), 255).save(folder.root / "masks" / "a.png")
    with pytest.raises(UsageError, match="the size of its picture"):
        rows(scoring)
    rows(scoring, image="b.png")


def test_a_picture_that_cannot_be_opened_says_so(scoring, rows):
    with pytest.raises(BadImage):
        rows(scoring, image="c.png")


# --- Nothing but the plan decides ---------------------------------------------------------------------------------


def test_workers_get_the_same_by_pickle(scoring, rows):
    travelled = pickle.loads(pickle.dumps(scoring))  # noqa: S301 (our own)
    for method in scoring.methods:
        assert rows(travelled, method) == rows(scoring, method)


def test_what_happened_before_does_not_matter(scoring, folder):
    work = work_of(scoring, folder)
    classifier, task = work.prepare(TOY), Task(TOY, "a.png", tuple(scoring.methods))
    fresh = work.score(classifier, task)
    size = inference_copy(classifier, "float32").size
    size.halve(MemoryError())
    work.score(classifier, task._replace(image="b.png"))
    again = work.score(classifier, task)
    assert [found.rows for found in again.values()] == [found.rows for found in fresh.values()]


def test_batches_are_as_large_as_asked_and_stay_so(scoring, monkeypatch, rows):
    seen = []
    monkeypatch.setattr(BatchSize, "ran", lambda self, count, seconds: seen.append((self.size, count)))
    for method in ("lime", "grad-cam"):
        rows(replace(scoring, batch_size=5, methods={method: pinned(scoring.methods[method], 5)}), method)
    assert {size for size, _ in seen} == {5}
    assert max(count for _, count in seen) == 5


def test_a_black_box_too_is_asked_in_batches_as_large_as_said(scoring, monkeypatch, rows):
    seen = []
    monkeypatch.setattr(BatchSize, "ran", lambda self, count, seconds: seen.append((self.size, self._settled)))
    rows(replace(scoring, batch_size=5), "control:random", model="py:cli.nets:service")
    assert set(seen) == {(5, True)}


def test_what_is_timed_is_pinned():
    made = pinned(LIME, 4)
    assert (made.precision, made.batch_size, made.samples) == ("float32", 4, 120)
    assert pinned(find_method("lime", precision="bfloat16"), 4).precision == "bfloat16"  # which was chosen
    assert pinned(find_method("grad-cam"), 4) == find_method("grad-cam")
    assert pinned(find_method("ablation-cam"), 4).batch_size == 4


def test_a_classifier_of_scores_alone_can_be_studied(scoring, rows):
    assert rows(scoring, "lime", model="py:cli.nets:service")[0]["value"] is not None


def test_seeds_are_of_pictures_wherever_they_lie():
    one, other = zoo.photos(2)
    assert picture_seed(0, one) == picture_seed(0, replace(one, name="elsewhere")) < 2**48
    assert len({picture_seed(seed, image) for seed in range(3) for image in (one, other)}) == 6


def test_random_maps_follow_the_seed_and_the_picture(scoring, rows):
    def drop(**changes):
        image = changes.pop("image", "a.png")
        return rows(replace(scoring, **changes), "control:random", image)[1]["value"]

    assert drop() == drop()
    assert len({drop(), drop(seed=4), drop(image="b.png")}) == 3


def test_the_plan_holds_all_that_decides(scoring, folder):
    plan = scoring.plan({TOY: "f" * 64}, folder.hashes, folder.mask_hashes, threads=2)
    assert plan.images == folder.hashes
    assert plan.masks == {"a.png": folder.mask_hashes["a.png"]}
    assert plan.methods["lime"]["samples"] == 120
    assert (plan.threads, plan.batch_size, plan.precision, plan.seed) == (2, 16, "float32", 3)
    assert plan.metrics["average-drop-hard-removed"]["cells"] == 0
    assert "cells" not in plan.metrics["sparseness"]
    assert (
        len({replace(scoring, **change).plan({}, {}, {}, 1).sha256 for change in ({"cells": 7}, {"seed": 4}, {})}) == 3
    )


def test_the_network_is_asked_once_for_all_controls_of_a_picture(scoring, monkeypatch):
    classifier, asked = nets.named(), []
    ask, _ = type(classifier).logits, classifier.categories  # to count classes takes a forward of its own
    monkeypatch.setattr(type(classifier), "logits", lambda self, x: asked.append(len(x)) or ask(self, x))
    controls = {name: find_method(name) for name in ("control:random", "control:gaussian", "control:empty")}
    alone = replace(scoring, methods=controls, metrics=(find_metric("sparseness"),))
    found = score_picture(classifier, zoo.photos(1)[0], alone)
    assert asked == [1]
    assert {each.cost.forwards for each in found.explanations.values()} == {1}


def test_how_far_maps_are_apart():
    rising = np.arange(28 * 28.0).reshape(28, 28)
    assert distances({"a": rising, "b": 2 * rising}) == pytest.approx({"a": 0, "b": 0})
    assert distances({"a": rising, "b": rising, "c": -rising}) == pytest.approx({"a": 1, "b": 1, "c": 2})
    assert distances({"a": rising}) == {}


def test_methods_that_nobody_registered_are_scored_and_controls_are_apart_from_none(scoring, rows):
    class Own(type(find_method("control:sobel"))):
        name, kind = "nobodys", "method"

    both = {"nobodys": Own(), "grad-cam": find_method("grad-cam"), "control:random": find_method("control:random")}
    found = score_picture(nets.named(), zoo.photos(1)[0], replace(scoring, methods=both))
    assert not found.errors
    assert found.rows["nobodys"][0]["apart"] == found.rows["grad-cam"][0]["apart"] > 0
    assert found.rows["control:random"][0]["apart"] is None
