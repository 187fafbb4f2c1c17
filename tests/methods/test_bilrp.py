"""BiLRP: the formula place by place on a linear network, and what it adds up to."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

import zoo
from seewhy.errors import UsageError
from seewhy.methods import Explanation, find_method
from seewhy.methods.bilrp import bilrp
from seewhy.models import Classifier, Preprocessing, Target

OWN, OTHER = zoo.photos(2)


class Linear(nn.Module):
    """Six numbers, each linear in the pixels and without a bias, and four classes of them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 8, stride=8, bias=False)
        self.head = nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.conv(x).mean((2, 3)))


def linear() -> Classifier:
    torch.manual_seed(0)
    return Classifier.from_module(Linear().eval(), Preprocessing(zoo.SIZE), gives="logits")


def explain(classifier: Classifier, **parameters: object) -> Explanation:
    method = find_method("bilrp", reference=OTHER, **parameters)
    return method(classifier, [OWN], [[Target(0)]], generator=torch.Generator())[0]


def test_every_pair_of_places_is_what_its_formula_says():
    generator = torch.Generator().manual_seed(0)
    own, other = torch.randn((5, 3), generator=generator), torch.randn((5, 4), generator=generator)
    found = bilrp(own, other)
    for i, j in product(range(3), range(4)):
        assert float(found[i, j]) == pytest.approx(sum(float(own[m, i] * other[m, j]) for m in range(5)), abs=1e-6)


def test_of_a_linear_network_it_is_the_second_derivative_times_both_pictures():
    classifier = linear()
    x, y = (classifier.preprocess([each]).double() for each in (OWN, OTHER))
    network = classifier.module.double()
    embed = lambda at: network.conv(at).mean((2, 3))[0]  # noqa: E731
    slopes = torch.autograd.functional.jacobian(embed, x)[:, 0]
    own, other = slopes * x[0], slopes * y[0]
    size = embed(x).norm() * embed(y).norm()
    wanted = torch.einsum("mchw,mdij->hw", own, other) / size
    network.float()
    found = explain(classifier, rules="epsilon")
    np.testing.assert_allclose(found.values, wanted.detach(), atol=1e-6)
    cosine = float(embed(x.float()) @ embed(y.float()) / size)
    assert found.checks["similarity"] == pytest.approx(cosine, abs=1e-5)
    assert float(found.values.sum()) == pytest.approx(cosine, abs=1e-5)


def test_units_are_those_that_count_most():
    classifier = linear()
    with torch.no_grad():
        features = classifier.embed(classifier.preprocess([OWN, OTHER])).double()
    products = features[0] * features[1] / features.norm(dim=1).prod()
    found = explain(classifier, units=2, rules="epsilon")
    assert found.checks["followed"] == pytest.approx(float(products[products.abs().topk(2).indices].sum()), abs=1e-6)
    assert float(found.values.sum()) == pytest.approx(found.checks["followed"], abs=1e-5)
    assert found.checks["units"] == 2


@pytest.mark.parametrize("network", ["residual", "tiny-vit", "functional"])
def test_what_goes_into_the_scores_is_what_is_followed(network):
    classifier = zoo.familiar(network)
    with torch.no_grad():
        one, two = classifier.embed(classifier.preprocess([OWN, OTHER]))
        again = classifier.embedding.logits(classifier.preprocess([OWN]))[0]
    torch.testing.assert_close(again, one)
    found = explain(classifier)
    assert found.checks["similarity"] == pytest.approx(float(torch.cosine_similarity(one, two, dim=0)), abs=1e-5)
    assert found.target_label == f"like {OTHER.name}"
    assert found.values.any()


def test_nonsense_is_refused():
    for parameters, words in [({"units": 0}, "units is how many"), ({"rules": "none"}, "for rules, not 'none'")]:
        with pytest.raises(UsageError, match=words):
            find_method("bilrp", reference=OTHER, **parameters)
