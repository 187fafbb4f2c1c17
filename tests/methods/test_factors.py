"""Deep feature factorisation: planted patterns are found, and what each adds to the score is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import zoo
from seewhy.errors import UsageError
from seewhy.methods import find_method
from seewhy.methods.factors import factorized
from seewhy.models import Classifier, Preprocessing, Target

QUARTERS = torch.tensor([[0, 1], [2, 3]]).repeat_interleave(4, 0).repeat_interleave(4, 1)
PLANTED = torch.tensor([[3.0, 0, 0, 1], [0, 2, 0, 0], [0, 0, 4, 0], [0, 1, 1, 0]])  # channels by quarters


def test_planted_patterns_are_found():
    where, what = factorized(PLANTED[:, QUARTERS], 4)
    assert (where >= 0).all()
    assert (what >= 0).all()
    torch.testing.assert_close(
        torch.einsum("khw,kc->chw", where, what), PLANTED[:, QUARTERS].double(), atol=0.02, rtol=0
    )


def test_what_is_below_zero_is_raised():
    where, what = factorized(PLANTED[:, QUARTERS] - 1, 4)
    raised = PLANTED[:, QUARTERS] - (PLANTED[:, QUARTERS] - 1).amin((1, 2), keepdim=True).clamp(max=0) - 1
    torch.testing.assert_close(torch.einsum("khw,kc->chw", where, what), raised.double(), atol=0.02, rtol=0)


def test_each_pattern_adds_what_its_maps_add_to_the_score():
    network = zoo.network("gap-linear")
    classifier = Classifier.from_module(network, Preprocessing(zoo.SIZE))
    method = find_method("dff", patterns=8)
    (found,) = method(classifier, zoo.photos(1), [[Target(1)]], generator=torch.Generator())
    maps = network.relu(network.conv(classifier.preprocess(zoo.photos(1))))[0].detach()
    where, what = factorized(maps, 8)
    wanted = where.mean((1, 2)) * (what @ network.head.weight[1].detach().double())
    sums = [float(found.regions.weights.sum()), found.checks["left_aside"]]
    assert sum(sums) == pytest.approx(float(wanted.sum()), rel=1e-5)
    assert {round(each, 5) for each in found.regions.weights.tolist()} <= {round(each, 5) for each in wanted.tolist()}
    assert found.regions.unit == "score"
    assert found.checks["patterns"] == 8
    # Together they are the score but for its bias, as far as the patterns are all there is.
    rest = float(classifier.logits(classifier.preprocess(zoo.photos(1)))[0, 1] - network.head.bias[1])
    assert float(wanted.sum()) == pytest.approx(rest, abs=0.02)


def test_a_region_is_where_one_pattern_is_strongest():
    (found,) = find_method("dff")(zoo.familiar("residual"), zoo.photos(1), [[Target(0)]], generator=torch.Generator())
    assert set(np.unique(found.regions.labels)) == set(range(len(found.regions.weights)))
    assert len(found.regions.weights) <= 10
    whole = float(found.regions.weights.sum()) + found.checks["left_aside"]
    assert float(found.values.sum()) == pytest.approx(whole, rel=1e-4), "the map spreads what the patterns add"


def test_one_pattern_tells_nothing_apart():
    with pytest.raises(UsageError, match="patterns is how many to look for, 2 or more, not 1"):
        find_method("dff", patterns=1)
