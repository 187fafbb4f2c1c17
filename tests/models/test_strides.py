"""Gradients through BatchNorm are those of the network, whatever the memory that PyTorch lays them in."""

import pytest
import torch
from torch import nn

import seewhy
import zoo
from seewhy.images import Image
from seewhy.models import Classifier, Preprocessing, capture
from seewhy.models.strides import with_usual_strides

READ = {
    "a residual block": lambda tokens, layer: tokens + layer(tokens),
    "attention": lambda tokens, _: (tokens @ tokens.mT).softmax(-1) @ tokens,
    "each by itself": lambda tokens, layer: torch.stack([layer(each) for each in tokens]),
}


class Stem(nn.Module):
    """Convolutions with BatchNorm, whose map is read as tokens: of a single picture with strides of their own."""

    def __init__(self, read, keep=False):
        super().__init__()
        torch.manual_seed(0)
        self.read = read
        self.conv, self.norm, self.layer, self.head = (
            nn.Conv2d(3, 8, 4, stride=4),
            nn.BatchNorm2d(8),
            nn.Linear(8, 8),
            nn.Linear(8, 3),
        )
        nn.init.uniform_(self.norm.weight, 0.2, 3)
        nn.init.uniform_(self.norm.running_var, 0.2, 3)
        self.uncopied = (value for value in ()) if keep else None  # generators cannot be copied, so nothing is folded

    def forward(self, x):
        tokens = self.norm(self.conv(x)).flatten(2).transpose(1, 2)
        return self.head(self.read(tokens, self.layer).tanh().mean(1))


def slope(module, x):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(module(x)[0, 1], x)[0][:1]


@pytest.mark.parametrize("read", READ)
def test_the_gradient_of_one_picture_is_that_of_the_same_among_others(read):
    module, x = Stem(READ[read]).eval(), zoo.inputs(1)
    true = slope(module, x.repeat(2, 1, 1, 1))
    with with_usual_strides(module):
        found = slope(module, x)
    torch.testing.assert_close(found, true)
    assert not module.norm._forward_hooks


@pytest.mark.parametrize("read", READ)
def test_layers_get_the_right_gradients(read):
    module, x = Stem(READ[read]).eval(), zoo.inputs(1)
    classifier = Classifier.from_module(module, Preprocessing(zoo.SIZE))
    found = []
    for batch in (x, x.repeat(2, 1, 1, 1)):
        with capture(module, ["conv"]) as seen:
            score = classifier.logits(batch)[0, 1]
        found.append(seen.gradients(score, ["conv"])["conv"][:1])
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("method", ["deep-lift", "integrated-gradients"])
def test_maps_add_up_through_a_norm_that_is_not_folded(method):
    module = Stem(READ["a residual block"], keep=True)
    classifier = Classifier.from_module(module, Preprocessing(zoo.SIZE))
    pixels = (zoo.inputs(1)[0].permute(1, 2, 0).sigmoid() * 255).byte().numpy()
    found = seewhy.explain(classifier, Image(pixels, "noise"), method)
    assert found.checks["completeness_gap"] < 0.01
    assert not any("add up" in note for note in found.notes)
