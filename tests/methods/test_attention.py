"""Attention rollout and relevance: literal twins on a network that keeps its weights, and who is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate

import zoo
from methods.test_conformance import leaving_no_trace
from seewhy.errors import ExplainError, UsageError
from seewhy.methods import Method, find_method, lacking, list_methods, suitable_methods
from seewhy.methods.attention import attention_relevance, rollout
from seewhy.models import Classifier, Preprocessing, Target
from seewhy.models.shim import ready_torchvision

NAMES = ["attention-relevance", "attention-rollout", "legrad"]


def explain(name: str, classifier: Classifier, *targets: Target):
    asked = [[*(targets or (Target(1),))]]
    return find_method(name)(classifier, zoo.photos(1), asked, generator=torch.Generator())


def watched(classifier: Classifier, target: Target) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    """The tiny transformer's weights, the score's gradients at them, and those of what each block says, by formula."""
    module, x = classifier.module, classifier.preprocess(zoo.photos(1))
    kept: list[Tensor] = []
    said: list[Tensor] = []
    x = module.patches(x).flatten(2).transpose(1, 2)
    x = torch.cat([module.token, x], 1) + module.positions
    for block in module.blocks:
        q, k, v = block.attn.qkv(block.norm1(x)).chunk(3, -1)
        weights = (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(-1)
        kept.append(weights)
        x = x + block.attn.proj(weights @ v)
        x = x + block.mlp(block.norm2(x))
        said.append(target.score(module.head(module.norm(x)[:, 0]))[0])
    gradients = torch.autograd.grad(said[-1], kept, retain_graph=True)
    own = [torch.autograd.grad(each, at, retain_graph=True)[0] for each, at in zip(said, kept, strict=True)]
    return tuple([each[0].detach().numpy() for each in some] for some in (kept, gradients, own))


def patches(row: np.ndarray) -> np.ndarray:
    grid = torch.from_numpy(row[1:]).view(1, 1, 4, 4)
    return interpolate(grid, zoo.SIZE, mode="bilinear", align_corners=False)[0, 0].numpy()


@pytest.mark.parametrize("target", [Target(1), Target(2, against=0)])
def test_they_are_what_their_formulas_say(target):
    classifier = zoo.familiar("tiny-vit")
    weights, gradients, own = watched(classifier, target)
    flow, relevance = np.eye(17), np.eye(17)
    for weight, gradient in zip(weights, gradients, strict=True):
        flow = (0.5 * weight + 0.5 * np.eye(17)) @ flow
        relevance = relevance + np.maximum(weight * gradient, 0) @ relevance
    (found,) = explain("attention-rollout", classifier, target)
    np.testing.assert_allclose(found.values, patches(flow[0]), atol=1e-6)
    (found,) = explain("attention-relevance", classifier, target)
    assert found.values.any()
    np.testing.assert_allclose(found.values, patches(relevance[0]), atol=1e-6 * found.values.max() + 1e-9)
    assert found.checks["attention_layers"] == 2
    (found,) = explain("legrad", classifier, target)
    wanted = patches(np.mean([np.maximum(each, 0).mean(0) for each in own], 0))
    assert wanted.max() > 0
    np.testing.assert_allclose(found.values, wanted, atol=1e-6 * wanted.max())
    assert found.cost[:2] == (4, 2)


@pytest.mark.parametrize("name", NAMES)
def test_the_network_is_left_as_it_was(name):
    classifier = zoo.classifier("tiny-vit")
    with leaving_no_trace(classifier.module):
        explain(name, classifier, Target(0), Target(1))


def test_heads_are_averaged():
    generator = torch.Generator().manual_seed(0)
    weights = torch.rand((2, 3, 5, 5), generator=generator).softmax(-1)
    gradients = torch.randn((2, 3, 5, 5), generator=generator)
    eye = torch.eye(5)
    torch.testing.assert_close(
        rollout(list(weights)), (weights[1].mean(0) + eye) / 2 @ ((weights[0].mean(0) + eye) / 2)
    )
    first, second = (
        sum((w * g).relu() for w, g in zip(*pair, strict=True)) / 3 for pair in zip(weights, gradients, strict=True)
    )
    torch.testing.assert_close(attention_relevance(list(weights), list(gradients)), first + second + second @ first)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fused", ["vit_b_16", "timm"])
def test_fused_attention_is_seen(name, fused):
    ready_torchvision()
    if fused == "timm":
        import timm

        torch.manual_seed(0)
        network = timm.create_model("vit_tiny_patch16_224", img_size=64, num_classes=4, depth=2)
    else:
        from torchvision.models import VisionTransformer

        torch.manual_seed(0)
        network = VisionTransformer(64, 16, 2, 2, 16, 32, num_classes=4)
        torch.nn.init.normal_(network.heads.head.weight)
    classifier = Classifier.from_module(network.eval(), Preprocessing((64, 64)))
    assert classifier.attends
    (found,) = explain(name, classifier)
    assert found.values.any()
    assert np.isfinite(found.values).all()
    assert found.checks["attention_layers"] == 2


@pytest.mark.parametrize("network", ["residual", "channels-last"])
@pytest.mark.parametrize("name", NAMES)
def test_without_attention_it_is_refused_in_words(name, network):
    classifier = zoo.familiar(network)
    assert not classifier.attends
    assert lacking(find_method(name), classifier) == ["attention"]
    assert name not in {each.name for each in suitable_methods(classifier)}
    with pytest.raises(ExplainError, match=f"{name} follows attention among all patches"):
        explain(name, classifier)
    import seewhy

    with pytest.raises(UsageError, match=f"{name} needs attention, which {network} does not offer"):
        seewhy.explain(classifier, zoo.photos(1)[0], name)


def test_a_transformer_is_offered_every_method_but_those_with_questions():
    assert zoo.familiar("tiny-vit").attends
    offered: list[type[Method]] = suitable_methods(zoo.familiar("tiny-vit"))
    plain = [each for each in list_methods() if not each.required and each.family != "inherent"]
    assert offered == plain, "what is made for a kind of network is not offered to another"


class Windows(torch.nn.Module):
    """Attention within two windows side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = torch.nn.Conv2d(3, 4, 8, stride=8)
        self.head = torch.nn.Linear(4, zoo.CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2).reshape(-1, 8, 4)
        x = (x @ x.transpose(1, 2)).softmax(-1) @ x
        return self.head(x.reshape(-1, 16, 4).mean(1))


def test_attention_within_windows_is_no_attention_of_all():
    torch.manual_seed(0)
    assert not Classifier.from_module(Windows().eval(), Preprocessing(zoo.SIZE)).attends
