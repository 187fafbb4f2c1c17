"""This looks like that: points that add up, and boxes where the similarity is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from prototypes import squares
from prototypes.backbones import CLASSES
from seewhy.errors import UsageError
from seewhy.images import Image
from seewhy.prototypes.explaining import (
    explain_by_prototypes,
    explanation_panel,
    place_picture,
    prototype_picture,
)
from seewhy.prototypes.model import Prototype


@pytest.fixture(scope="module")
def found(tiny_model):
    images = [Image(squares.pixels(label, 900), f"{label}.png") for label in CLASSES]
    return explain_by_prototypes(tiny_model, images)


def test_start_and_points_are_the_score_itself(found, tiny_model):
    for each in found:
        logits = tiny_model.classifier.logits(tiny_model.classifier.preprocess([each.image]))[0]
        for label in range(2):
            total = each.start(label) + each.points(label).sum()
            assert total == pytest.approx(logits[label].item(), abs=1e-4)
            assert each.scores[label] == pytest.approx(total, abs=1e-4)
            matches = each.matches(label)
            assert sum(match.points for match in matches) == pytest.approx(each.points(label).sum(), abs=1e-4)


def test_the_best_match_comes_first_and_is_of_the_class(found):
    for each in found:
        for label in range(2):
            points = [match.points for match in each.matches(label)]
            assert points == sorted(points, key=abs, reverse=True)
            assert all(match.prototype.label == label for match in each.matches(label))


def test_maps_are_the_similarity_of_every_patch(found, tiny_model):
    head, backbone = tiny_model.network.head, tiny_model.network.backbone
    for each in found:
        with torch.no_grad():
            z = head.patches(backbone(tiny_model.classifier.preprocess([each.image])))[0]
        cosines = torch.einsum("dhw,jd->jhw", z, head.unit_prototypes)
        np.testing.assert_allclose(each.maps, cosines.detach().numpy(), atol=1e-5)


def test_a_training_picture_looks_like_the_prototype_that_was_cut_from_it(tiny_model):
    for number, prototype in enumerate(tiny_model.prototypes):
        (each,) = explain_by_prototypes(tiny_model, [prototype.picture])
        assert each.similarities[number] == pytest.approx(1, abs=1e-4)
        match = next(match for match in each.matches(prototype.label) if match.number == number)
        assert match.box == prototype.box


def test_pictures_have_a_box(found, tiny_model):
    match = found[0].matches(found[0].predictions[0].index)[0]
    plain, shown = found[0].image.pixels, place_picture(found[0], match, longest=64)
    assert shown.shape == plain.shape
    left, top, right, bottom = (round(side) for side in match.box)
    changed = (shown != plain).any(2)
    assert changed[top : min(bottom, 64), left : min(right, 64)].any()
    changed[top:bottom, left:right] = False
    assert not changed.any()
    assert prototype_picture(match.prototype, longest=64).shape == (64, 64, 3)
    assert "points" in match.words


def test_the_panel_is_a_picture(found):
    assert min(explanation_panel(found[0]).size) > 300


def test_a_prototype_that_is_no_patch_has_no_picture():
    with pytest.raises(UsageError, match="never made patches"):
        prototype_picture(Prototype(0))
