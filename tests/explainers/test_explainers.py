"""Learned explainers on planted glyphs, where every Shapley value can be known exactly."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

import planted_glyphs as glyphs
from seewhy.errors import Cancelled, ModelError, UnknownName, UsageError
from seewhy.explainers.gate import AGREEMENT, Judged, Verdict
from seewhy.explainers.masks import total_variation
from seewhy.explainers.recipe import recipe_of
from seewhy.explainers.shares import Answers, coalitions, shapley_loss
from seewhy.methods import find_method, method_info, suitable_methods
from seewhy.methods.learned_head import closed, load_explainer
from seewhy.methods.method import METHODS, require_suitable
from seewhy.methods.shapley_values import exact_shapley
from seewhy.metrics.context import spearman
from seewhy.models import Target
from seewhy.verbs.explain import explain
from seewhy.verbs.explainer import train_explainer_on

QUICK = {"cells": 3, "judged": 3, "long": 520, "asked": 40, "steps": 150}  # 512 coalitions: each is asked


@pytest.fixture(scope="session")
def photos(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("glyphs")
    for number, pixels in enumerate(glyphs.pictures(48, 7)[0]):
        Pillow.fromarray(pixels).save(folder / f"{number:03}.png")
    return folder


@pytest.fixture(scope="session")
def trained(photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("explainer") / "out"
    return train_explainer_on(photos, glyphs.classifier(), out, recipe=recipe_of("shapley", **QUICK))


@pytest.fixture
def forgotten():
    before = dict(METHODS)
    yield
    METHODS.clear()
    METHODS.update(before)


def unseen(number: int):
    return glyphs.image(glyphs.pictures(number + 1, 91)[0][number], "unseen.png")


def exact(classifier, image, target: Target, cells: int) -> np.ndarray:
    """Shapley values of every coalition, with the mean colour of each cell where it is hidden."""
    found = explain(
        classifier, image, "permutation-shap", target, regions=f"grid:{cells}", samples=2**9, precision="float32"
    )
    assert found.regions is not None
    assert not found.regions.errors.any()
    return found.regions.weights


def test_shares_add_up_and_are_ordered_as_exact_shapley_values_are(trained):
    classifier, agreements = glyphs.classifier(), []
    for number in range(6):
        image = unseen(number)
        for found in explain(classifier, image, trained.method, top=2):
            assert found.regions is not None
            truth = exact(classifier, image, found.target, 3)
            assert found.regions.weights.sum() == pytest.approx(truth.sum(), abs=1e-5)
            agreements.append(spearman(found.regions.weights, truth))
    assert np.median(agreements) > 0.7


def test_a_share_of_one_class_rather_than_another_is_the_difference(trained):
    classifier, image = glyphs.classifier(), unseen(0)
    one, other, both = (
        explain(classifier, image, trained.method, target).regions.weights for target in ("0-1", "0-2", "0-1 vs 0-2")
    )
    assert both == pytest.approx(one - other, abs=1e-6)


def test_its_error_is_told_beside_every_map(trained):
    found = explain(glyphs.classifier(), unseen(0), trained.method)
    assert any("median rank correlation" in note for note in found.notes)
    rows = [each.scores[AGREEMENT]["learned"] for each in trained.verdict.photos]
    assert f"{np.median(rows):.2f} (least {min(rows):.2f})" in trained.explainer.told[0]


def test_one_photo_costs_few_forwards(trained):
    assert explain(glyphs.classifier(), unseen(0), trained.method).cost.forwards <= 3


def test_its_name_goes_wherever_a_method_does(trained, forgotten):
    info = method_info(trained.method)
    assert info.name == trained.method
    assert not info.required
    assert info.status == method_info("learned").status
    made = find_method(trained.method)
    assert pickle.loads(pickle.dumps(made)) == made  # noqa: S301 - its own
    assert info not in suitable_methods(glyphs.classifier())
    with pytest.raises(UnknownName, match="not offered here"):
        METHODS.listed(trained.method)
    METHODS.declare(trained.method)
    assert METHODS.listed(trained.method) is info
    assert info in suitable_methods(glyphs.classifier())
    assert info not in suitable_methods(glyphs.classifier(trained=False))
    with pytest.raises(UnknownName):
        method_info("grad-cam:somewhere")


def test_it_answers_for_its_own_network_alone(trained):
    with pytest.raises(UsageError, match="trained for"):
        require_suitable(find_method(trained.method), glyphs.classifier(trained=False))


def test_a_run_that_was_interrupted_gives_the_same_bytes(photos, trained, tmp_path):
    for words in ("asking about parts of photos", "training steps"):

        def stop(done: int, _total: int | None, message: str, words: str = words) -> None:
            if message == words and done >= 20:
                raise Cancelled

        with pytest.raises(Cancelled):
            train_explainer_on(
                photos, glyphs.classifier(), tmp_path, recipe=recipe_of("shapley", **QUICK), progress=stop
            )
    train_explainer_on(photos, glyphs.classifier(), tmp_path, recipe=recipe_of("shapley", **QUICK))
    assert (tmp_path / "model.safetensors").read_bytes() == (trained.out / "model.safetensors").read_bytes()


def test_what_is_no_better_is_refused(photos, tmp_path):
    recipe = recipe_of("shapley", **{**QUICK, "steps": 1})
    found = train_explainer_on(photos, glyphs.classifier(), tmp_path, recipe=recipe)
    assert any("Grad-CAM" in reason for reason in found.explainer.reasons)
    with pytest.raises(ModelError, match="refused=true"):
        load_explainer(tmp_path)
    assert load_explainer(tmp_path, refused=True).reasons


def test_a_damaged_folder_is_told(trained, tmp_path):
    card = json.loads((trained.out / "card.json").read_text())
    for change in ({"cells": 10**9}, {"channels": -1}, {"classes": []}, {"layers": "all"}):
        (tmp_path / "model.safetensors").write_bytes((trained.out / "model.safetensors").read_bytes())
        (tmp_path / "card.json").write_text(json.dumps({**card, "explainer": {**card["explainer"], **change}}))
        with pytest.raises(ModelError):
            load_explainer(tmp_path)
        (tmp_path / "card.json").unlink()


@pytest.mark.parametrize("better", [5, 6])
def test_the_gate_wants_six_of_ten(better):
    rows = [
        Judged(str(number), "", {"road": {"learned": float(number < better), "grad_cam": 0.5, "mean_map": 0.5}})
        for number in range(10)
    ]
    assert bool(Verdict(tuple(rows)).reasons) == (better < 6)


def test_exact_shapley_values_lose_nothing_but_what_no_shares_can_tell():
    """The weighted least squares of the kernel are Shapley values: no other shares do better, in the mean."""
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(2**4, generator=generator, dtype=torch.float64)

    def value_of(shown):
        return scores[(shown * torch.tensor([1, 2, 4, 8])).sum(-1)]

    truth = exact_shapley(value_of, 4).values
    shown = coalitions(2, 40_000, generator)
    empty, whole = value_of(torch.tensor([[False] * 4, [True] * 4]))
    answers = Answers(shown[None], (value_of(shown) - empty)[None, :, None], (whole - empty)[None, None])
    best = shapley_loss(truth.view(1, 1, 2, 2), answers)
    for place in range(4):
        for step in (0.05, -0.05):
            moved = truth.clone()
            moved[place] += step
            assert shapley_loss(moved.view(1, 1, 2, 2), answers) > best


def test_closed_shares_add_up():
    shares = closed(torch.randn(2, 3, 4, 4, dtype=torch.float64), torch.arange(6.0).view(2, 3).double())
    assert shares.sum((-1, -2)).numpy() == pytest.approx(np.arange(6.0).reshape(2, 3), abs=1e-9)


def test_total_variation_is_that_of_the_source():
    mask = torch.tensor([[[0.0, 1.0], [0.0, 0.0]]])
    assert float(total_variation(mask)) == pytest.approx((2 + 0.3 * 2) / 2)


def test_masks_are_of_one_class_and_small_where_it_is_not(photos, tmp_path):
    recipe = recipe_of("mask", cells=8, judged=2, steps=40)
    found = train_explainer_on(photos, glyphs.classifier(), tmp_path, objective="mask", recipe=recipe)
    explainer = load_explainer(tmp_path, refused=True)
    with pytest.raises(UsageError, match="one class"):
        explainer.of_target(torch.zeros(15, 8, 8), Target(0, against=1))
    assert set(found.verdict.questions) == {"insertion − deletion", "ROAD"}
    assert found.history[-1]["loss"] < found.history[0]["loss"]
