"""What goes into the scores, all of it, wherever a network computes them."""

from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import seewhy
from seewhy.cases.embedders import find_embedder
from seewhy.errors import ExplainError, UsageError
from seewhy.models import Preprocessing

WIDTH, CLASSES, SIDE = 6, 4, 16


class Body(nn.Module):
    """A small body, and whatever `score` makes of its map `(N, 6, 4, 4)`."""

    def __init__(self, head=None, score=None):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, WIDTH, 4, 4), nn.ReLU())
        self.head = head or nn.Identity()
        self.score = score or (lambda net, maps: net.head(maps.mean((2, 3))))

    def forward(self, x):
        return self.score(self, self.body(x))


class LowRank(nn.Module):
    def __init__(self):
        super().__init__()
        self.base, self.a, self.b = nn.Linear(WIDTH, CLASSES), nn.Linear(WIDTH, 2), nn.Linear(2, CLASSES)

    def forward(self, z):
        return self.base(z) + self.b(self.a(F.dropout(z, training=self.training)))


class Margin(nn.Module):
    """As ArcFace at work: cosines with the classes' directions."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(CLASSES, WIDTH))

    def forward(self, z):
        return 16 * F.linear(F.normalize(z), F.normalize(self.weight))


class Distances(nn.Module):
    def __init__(self):
        super().__init__()
        self.prototypes = nn.Parameter(torch.randn(CLASSES, WIDTH))

    def forward(self, z):
        return -(z[:, None] - self.prototypes[None]).square().sum(-1)


def pooled(maps):
    return maps.mean((2, 3))


def halves(maps):
    return maps[..., :2].mean((2, 3)), maps[..., 2:].mean((2, 3))


def two_heads(net, maps):
    left, right = halves(maps)
    return (net.head[0](left) + net.head[1](right)) / 2


def text_scores(net, maps):
    seen = net.head(pooled(maps))
    words = torch.linspace(-1, 1, CLASSES * 5).view(CLASSES, 5)
    return 10 * (seen / seen.norm(dim=-1, keepdim=True)) @ F.normalize(words).T


def tokens_first(net, maps):
    return net.head(maps.flatten(2).transpose(1, 2)).mean(1)


def ensemble(net, maps):
    return torch.stack([net.head[0](pooled(maps)), net.head[1](pooled(maps.tanh()))]).mean(0)


def tempered(net, maps):
    return net.head(pooled(maps)) / 3


def linear(*sizes):
    return nn.Sequential(*(nn.Linear(*pair) for pair in pairwise(sizes)))


CASES = {
    "one head": (lambda: Body(nn.Linear(WIDTH, CLASSES)), pooled),
    "no bias": (lambda: Body(nn.Linear(WIDTH, CLASSES, bias=False)), pooled),
    "two heads": (
        lambda: Body(nn.ModuleList([nn.Linear(WIDTH, CLASSES), nn.Linear(WIDTH, CLASSES)]), two_heads),
        lambda maps: torch.cat(halves(maps), 1),
    ),
    "low rank": (lambda: Body(LowRank()), pooled),
    "calibrated": (lambda: Body(linear(WIDTH, CLASSES, CLASSES)), pooled),
    "calibrated by temperature": (lambda: Body(nn.Linear(WIDTH, CLASSES), tempered), pooled),
    "before pooling": (lambda: Body(nn.Conv2d(WIDTH, CLASSES, 1), lambda net, maps: pooled(net.head(maps))), pooled),
    "tokens before pooling": (lambda: Body(nn.Linear(WIDTH, CLASSES), tokens_first), pooled),
    "cosine": (lambda: Body(Margin()), lambda maps: F.normalize(pooled(maps))),
    "as many features as classes": (
        lambda: Body(nn.Sequential(nn.Linear(WIDTH, CLASSES), nn.ReLU(), nn.Linear(CLASSES, CLASSES))),
        None,
    ),
    "ensemble": (
        lambda: Body(nn.ModuleList([nn.Linear(WIDTH, CLASSES), nn.Linear(WIDTH, CLASSES)]), ensemble),
        lambda maps: torch.cat([pooled(maps), pooled(maps.tanh())], 1),
    ),
}  # fmt: skip


def wrap(module):
    return seewhy.Classifier.from_module(module.eval(), Preprocessing(size=(SIDE, SIDE)))


def inputs(count=3):
    return torch.randn(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", [name for name, (_, features) in CASES.items() if features])
def test_all_that_goes_into_the_scores_and_nothing_twice(name):
    make, features = CASES[name]
    classifier, x = wrap(make()), inputs()
    with torch.no_grad():
        expected = features(classifier.module.body(x))
    torch.testing.assert_close(classifier.embed(x), expected)
    assert not classifier.embed(x).requires_grad


@pytest.mark.parametrize("name", list(CASES))
def test_contributions_add_up_to_the_scores_of_linear_heads(name):
    classifier, x = wrap(CASES[name][0]()), inputs()
    weight = find_embedder("cole", classifier).weight
    with torch.no_grad():
        features, logits = classifier.embed_and_score(x)
    rest = logits - features @ weight.T
    torch.testing.assert_close(rest, rest[:1].expand_as(rest), atol=1e-4, rtol=0)


def test_a_hidden_layer_of_as_many_units_as_classes_is_no_calibration():
    classifier = wrap(CASES["as many features as classes"][0]())
    assert classifier.embed(inputs()).shape == (3, CLASSES)


def test_zero_shot_scores_are_read_before_the_texts():
    classifier = wrap(Body(nn.Linear(WIDTH, 5), text_scores))
    assert classifier.embed(inputs()).shape == (3, 5)
    torch.testing.assert_close(classifier.embed(inputs()).norm(dim=1), torch.full((3,), 10.0))


def test_distances_are_no_linear_function_and_their_embedding_is_what_they_are_taken_of():
    classifier, x = wrap(Body(Distances())), inputs()
    with torch.no_grad():
        torch.testing.assert_close(classifier.embed(x), pooled(classifier.module.body(x)))
    with pytest.raises(UsageError, match="cole needs scores that are a linear function"):
        _ = find_embedder("cole", classifier).weight


def test_gradients_reach_the_scores_and_hooks_do_not_shift_what_is_read():
    classifier, x = wrap(CASES["two heads"][0]()), inputs()
    with seewhy.models.capture(classifier.module, ["body.0"]) as seen:
        features, logits = classifier.embed_and_score(x, gradients=True)
        gradients = seen.gradients(features.sum(), ["body.0"])
    assert gradients["body.0"].abs().sum() > 0
    torch.testing.assert_close(features.detach(), classifier.embed(x))
    assert logits.requires_grad


def test_without_weights_there_is_no_embedding():
    classifier = wrap(nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Softmax(1)))
    with pytest.raises(ExplainError, match="no embedding to read"):
        classifier.embed(inputs())
