"""CLRP: both sides start alike, and what speaks for every class cancels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import zoo
from seewhy.errors import UsageError
from seewhy.methods import find_method
from seewhy.methods.contrastive import others
from seewhy.models import Classifier, Preprocessing, Target, Value


class Halves(nn.Module):
    """Each class sees its own quarter of the columns, and all see the last one."""

    def forward(self, x: Tensor) -> Tensor:
        shared = x[..., 24:].mean((1, 2, 3))
        return torch.stack([x[..., 8 * each : 8 * each + 8].mean((1, 2, 3)) + shared for each in range(3)], 1)


def explain(target: Target, name: str = "clrp", **parameters: object):
    classifier = Classifier.from_module(Halves(), Preprocessing(zoo.SIZE, mean=(0, 0, 0), std=(1, 1, 1)))
    return find_method(name, **parameters)(classifier, zoo.photos(1), [[target]], generator=torch.Generator())[0]


def test_the_others_start_with_the_relevance_of_the_class():
    logits = torch.tensor([2.0, -1.0, 3.0])
    value = others(Target(0), logits)
    assert float(value.score(logits)) == pytest.approx(2.0)
    (slopes,) = torch.autograd.grad(value.score(leaf := logits.clone().requires_grad_()), leaf)
    assert (slopes * logits).tolist() == pytest.approx([0, 1, 1])
    against = others(Target(0, against=1), logits)
    (slopes,) = torch.autograd.grad(against.score(leaf := logits.clone().requires_grad_()), leaf)
    assert (slopes * logits).tolist() == pytest.approx([0, 2, 0])


def test_what_speaks_for_every_class_cancels():
    plain, contrastive = explain(Target(1), "lrp", rules="epsilon").values, explain(Target(1)).values
    assert plain[:, 24:].sum() > 0.3 * plain.sum()
    assert contrastive[:, 24:].sum() < 0.1 * contrastive.sum()
    assert contrastive[:, 8:16].sum() > 0.9 * contrastive.sum()
    assert (contrastive >= 0).all()


def test_of_a_linear_network_it_is_the_difference_of_both():
    classifier = Classifier.from_module(Halves(), Preprocessing(zoo.SIZE, mean=(0, 0, 0), std=(1, 1, 1)))
    x = classifier.preprocess(zoo.photos(1))
    logits = Halves()(x)[0]
    weights = torch.autograd.functional.jacobian(lambda at: Halves()(at)[0], x)[:, 0]
    own = x[0] * weights[1]
    rest = sum(x[0] * weights[each] * (logits[1] / 2 / logits[each]) for each in (0, 2))
    np.testing.assert_allclose(explain(Target(1)).values, (own.sum(0) - rest.sum(0)).clamp(min=0), atol=1e-7)


def test_a_value_has_no_others():
    with pytest.raises(UsageError, match="clrp explains a decision between classes"):
        explain(Value(-1, function=lambda logits: logits.sum()))
