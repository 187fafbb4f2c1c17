"""The pages of prototypes: what they say, and that nothing in them is left to chance."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prototypes import backbones, squares
from prototypes.conftest import refused_model, tiny_model
from report.test_explain import Page, failure
from seewhy.core.outcome import Outcome
from seewhy.errors import BadImage
from seewhy.images import Image
from seewhy.prototypes.explaining import explain_by_prototypes
from seewhy.prototypes.training import PrototypeRun
from seewhy.report.prototypes import prototype_explanations_page, prototypes_page

__all__ = ["refused_model", "tiny_model"]  # fixtures

HISTORY = {
    "prototypes": [
        {"step": step, "cluster": 1 / step, "separation": 1.0, "validation_accuracy": 0.8} for step in (5, 10, 15)
    ]
}


def trained(model, out, **changes):
    run = PrototypeRun(out, "file:backbone", backbones.QUICK, {"train": 22, "validation": 10}, model, HISTORY)
    return Page(prototypes_page(replace(run, **changes)))


def explained(model, *failures):
    images = [Image(squares.pixels(label, 900), f"{label}.png") for label in backbones.CLASSES]
    found = explain_by_prototypes(model, images)
    return found, Page(prototype_explanations_page(found, model, failures))


def test_a_usable_network_says_so_and_shows_its_prototypes(tiny_model, tmp_path):
    page = trained(tiny_model, tmp_path)
    assert "May it be used? Yes" in page.text
    assert f"{len(tiny_model.prototypes)} prototypes of 4 were kept" in page.text
    assert len(page.named("img")) == len(tiny_model.prototypes)
    for prototype in tiny_model.prototypes:
        assert prototype.source in page.text
    assert "--refused" not in page.text


def test_a_refused_network_says_why(refused_model, tmp_path):
    page = trained(refused_model, tmp_path)
    assert "May it be used? No" in page.text
    for reason in refused_model.diagnosis.reasons:
        assert f"Not usable: {reason}" in page.text
    assert "--refused" in page.text


def test_a_network_that_was_never_pushed_has_no_gallery(tiny_model, tmp_path):
    bare = tuple(replace(each, picture=None) for each in tiny_model.prototypes)
    never = replace(tiny_model, prototypes=bare, diagnosis=replace(tiny_model.diagnosis, pushed=False))
    page = trained(never, tmp_path)
    assert "no patch was chosen for any" in page.text
    assert not page.named("img")
    _, page = explained(never)
    assert "it won by the points that it starts with" in page.text


def test_notes_and_unreadable_pictures_are_told(tiny_model, tmp_path):
    failures = [Outcome("red/broken.png", error=BadImage("truncated", "the end is missing"))]
    page = trained(tiny_model, tmp_path, notes=("3 pictures are odd",), failures=failures)
    assert "3 pictures are odd." in page.text
    assert "red/broken.png the end is missing" in page.text


def test_the_sums_on_the_page_are_the_scores(tiny_model):
    found, page = explained(tiny_model)
    for each in found:
        for prediction in each.predictions:
            assert f"{each.scores[prediction.index]:.2f}".replace("-", "\N{MINUS SIGN}") in page.text
    assert page.text.count("This place looks like that patch") == sum(
        len(each.matches(each.predictions[0].index)) for each in found
    )


def test_a_refused_network_explains_with_a_warning(refused_model):
    _, page = explained(refused_model)
    assert "did not pass the gate" in page.text


def test_every_picture_has_words(tiny_model, tmp_path):
    for page in (trained(tiny_model, tmp_path), explained(tiny_model)[1]):
        assert all(image["alt"] for image in page.named("img"))


def test_what_could_not_be_opened_is_listed(tiny_model):
    _, page = explained(tiny_model, failure("missing.png"))
    assert "missing.png" in page.text


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "a & b"])
def test_names_are_escaped(tiny_model, name):
    found = explain_by_prototypes(tiny_model, [Image(squares.pixels("red", 1), name)])
    text = prototype_explanations_page(found, tiny_model)
    assert name not in text
