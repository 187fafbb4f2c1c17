"""Answers of rarer kinds fit their schemas, too; those of commands are held against theirs wherever a test runs one."""

from __future__ import annotations

import numpy as np
import pytest

import planted
from answering import against
from seewhy.answers import schema_of, told_of
from seewhy.answers.explaining import ExplanationManifest
from seewhy.answers.folders import LabelFigures
from seewhy.answers.people import ListedMethod
from seewhy.methods import list_methods
from seewhy.train.label_evaluation import LabelEvaluation
from seewhy.verbs.explain import explain


@pytest.mark.parametrize("method", ["anchors", "anchors-lime", "shapley-interactions", "layer-cam-fusion", "dff"])
def test_explanations_with_regions_rules_and_pairs(method):
    found = explain(planted.classifier(), planted.picture(), method)
    assert not against(ExplanationManifest, found.manifest())


@pytest.mark.parametrize("truth", [np.eye(3, dtype=bool), np.zeros((4, 3), bool), np.ones((5, 3), bool)])
def test_labels_that_no_picture_has_or_every_one(truth):
    probabilities = np.random.default_rng(0).random(truth.shape)
    found = LabelEvaluation.of(("a", "b", "c"), truth, probabilities, np.array([0.5, 0.5, 0.99]))
    assert not against(LabelFigures, found.to_dict())


def test_an_entry_is_told_by_the_names_of_its_shape():
    (entry,) = (each for each in list_methods() if each.name == "grad-cam")
    found = told_of(entry, ListedMethod)
    assert not against(ListedMethod, found)
    assert (found["name"], found["needs"]) == ("grad-cam", sorted(entry.needs))
    assert set(schema_of(ListedMethod)["required"]) == set(found)
