"""The end of a network run alone is the whole network run with a layer's output replaced."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn
from torchvision.models import get_model

import zoo
from seewhy.engines.tail import Tail, tail, watched
from seewhy.errors import ExplainError, ModelError, UnknownName
from seewhy.models import Classifier, Preprocessing
from seewhy.models.capture import with_leading_tensor


def end_of(classifier: Classifier, layer: str) -> Tail:
    return tail(classifier.module, layer, classifier.logits, classifier.probe())


def whole(classifier: Classifier, layer: str, activations: Tensor) -> Tensor:
    """The literal twin: all of the network, with a hook that replaces what the layer's last run puts out."""
    runs = [known.name for known in classifier.layers].count(layer)
    calls: list[int] = []

    def replace(_module: nn.Module, _args: Any, output: Any) -> Any:
        calls.append(1)
        return with_leading_tensor(output, activations.clone()) if len(calls) == runs else None

    handle = classifier.module.get_submodule(layer).register_forward_hook(replace)
    try:
        with torch.no_grad():
            return classifier.logits(classifier.probe().expand(len(activations), -1, -1, -1))
    finally:
        handle.remove()


def variations(activation: Tensor, count: int = 3) -> Tensor:
    """As it was, all zero, turned round, and so on."""
    factors = torch.tensor([1.0, 0.0, -1.0, 0.5])[:count]
    return activation * factors.view(-1, *(1 for _ in activation.shape[1:]))


def assert_same(classifier: Classifier, layer: str, count: int = 3) -> None:
    end = end_of(classifier, layer)
    activations = variations(end.activation, count)
    wanted = whole(classifier, layer, activations)
    for _ in range(2):  # the first must not spoil the second
        torch.testing.assert_close(end(activations), wanted, atol=1e-5 * float(wanted.abs().max()), rtol=0)


def layers_of(classifier: Classifier) -> list[str]:
    return list(dict.fromkeys(layer.name for layer in classifier.layers if layer.grid))


@pytest.mark.parametrize("name", zoo.SOUND)
def test_it_is_the_whole_network_at_every_layer(name):
    classifier = zoo.classifier(name)
    for layer in layers_of(classifier):
        for count in (1, 3):
            assert_same(classifier, layer, count)


# A late layer, one inside a block, and an early one.
REAL = {
    "resnet18": ("layer4", "layer3.0.bn2", "layer2.0.relu"),
    "densenet121": ("features.norm5", "features.denseblock3.denselayer4.conv1", "features.transition1"),
    "vgg11_bn": ("features.27", "features.9", "features.4"),
    "mobilenet_v3_small": ("features.12", "features.6.block.2", "features.2"),
    "swin_t": ("features.7.1.norm1", "features.3.0.mlp.0"),
    "vit_tiny_patch16_224": ("blocks.11.norm1", "blocks.5.attn.proj", "patch_embed"),
}


def real(name: str) -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = timm.create_model(name, img_size=64) if name.startswith("vit") else get_model(name)
    return Classifier.from_module(module.eval(), Preprocessing((64, 64)))


@pytest.mark.parametrize("name", REAL)
def test_it_is_the_whole_network_for_real_ones(name):
    classifier = real(name)
    for layer in REAL[name]:
        assert_same(classifier, layer)


@pytest.mark.parametrize("name", zoo.SOUND)
def test_one_forward_serves_every_layer(name):
    """Each tail is the one that a forward of its own gives, whatever the others have run meanwhile."""
    classifier, layers = zoo.classifier(name), layers_of(zoo.classifier(name))
    run = watched(classifier.module, layers, classifier.logits, classifier.probe())
    ends = {layer: run.tail(layer) for layer in layers}
    for layer in [*layers, *reversed(layers)]:
        alone = end_of(classifier, layer)
        assert torch.equal(run.activation(layer), alone.activation)
        activations = variations(alone.activation)
        assert torch.equal(ends[layer](activations), alone(activations))


# --- What it saves, and what it cannot ----------------------------------------------------------------------------


class Counted(nn.Conv2d):
    """Counts the images that it really works on."""

    images = 0

    def forward(self, x: Tensor) -> Tensor:
        self.images += len(x)
        return super().forward(x)


class Habits(nn.Module):
    """`stem`, then something that gets in the way of running only what follows `body`; a skip goes past `body`."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.body = Counted(3, 4, 3, stride=4), nn.Conv2d(4, 4, 3)
        self.head = nn.Linear(4, zoo.CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.between(self.stem(x))
        return self.head(self.body(x).mean((2, 3)) + x.mean((2, 3)))

    def between(self, x: Tensor) -> Tensor:
        return x


class AddsInPlace(Habits):
    def between(self, x: Tensor) -> Tensor:
        x += 1
        return x


class WritesBehindAMask(Habits):
    """torch lets this pass on memory that images share, and only warns."""

    def between(self, x: Tensor) -> Tensor:
        x[x < 0] -= 1
        return x


class SharesAModule(Habits):
    """One ReLU inside a part that is kept, and after the layer."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU(inplace=True)
        self.stem = nn.Sequential(Counted(3, 4, 3, stride=4), self.relu)
        self.head = nn.Sequential(self.relu, nn.Linear(4, zoo.CLASSES))


class UsesATable(Habits):
    """What one module gives has nothing to do with how many images there are."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Linear(3, 2)

    def between(self, x: Tensor) -> Tensor:
        return x + self.table(torch.ones(2, 3)).reshape(1, 4, 1, 1)


class UsesATableAndALayerTwice(UsesATable):
    def between(self, x: Tensor) -> Tensor:
        return self.body(super().between(x))


def habitual(make: type[Habits]) -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Classifier.from_module(make().eval(), Preprocessing(zoo.SIZE))


def images_through_the_stem(classifier: Classifier) -> int:
    return sum(part.images for part in classifier.module.modules() if isinstance(part, Counted))


@pytest.mark.filterwarnings("ignore:Use of (index_put|masked_fill)_ on expanded tensors")
@pytest.mark.parametrize("make", [Habits, AddsInPlace, WritesBehindAMask, SharesAModule])
def test_what_comes_before_the_layer_is_not_computed_again(make):
    classifier = habitual(make)
    wrapping = images_through_the_stem(classifier)
    end = end_of(classifier, "body")
    before = images_through_the_stem(classifier)
    end(variations(end.activation))
    assert images_through_the_stem(classifier) == before == wrapping + 1


@pytest.mark.parametrize("make", [Habits, SharesAModule])
def test_several_layers_take_one_forward(make):
    classifier = habitual(make)
    before = images_through_the_stem(classifier)
    run = watched(classifier.module, ["stem", "body"], classifier.logits, classifier.probe())
    ends = [run.tail("stem"), run.tail("body")]
    ends[1](variations(ends[1].activation))
    assert images_through_the_stem(classifier) == before + 1


@pytest.mark.parametrize("make", [UsesATable, UsesATableAndALayerTwice])
def test_a_network_that_cannot_be_run_in_part_is_run_in_whole(make):
    classifier = habitual(make)
    end = end_of(classifier, "body")
    before = images_through_the_stem(classifier)
    end(variations(end.activation))
    assert images_through_the_stem(classifier) == before + 3


@pytest.mark.filterwarnings("ignore:Use of (index_put|masked_fill)_ on expanded tensors")
@pytest.mark.parametrize(
    "make", [Habits, AddsInPlace, WritesBehindAMask, SharesAModule, UsesATable, UsesATableAndALayerTwice]
)
@pytest.mark.parametrize("layer", ["stem", "body"])
def test_no_habit_changes_the_answer(make, layer):
    for count in (1, 2, 3):
        assert_same(habitual(make), layer, count)


def test_what_is_given_is_not_written_to():
    end = end_of(zoo.classifier("residual"), "norm")  # an in-place ReLU follows
    activations = variations(end.activation)
    kept = activations.clone()
    end(activations)
    assert torch.equal(activations, kept)


def test_the_callers_mode_does_not_matter():
    found: list[Tensor] = []
    for mode in (torch.enable_grad, torch.no_grad, torch.inference_mode):
        with mode():
            end = end_of(zoo.classifier("residual"), "second")
            found.append(end(variations(end.activation)))
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])
    assert not found[0].requires_grad


# --- No trace -----------------------------------------------------------------------------------------------------


def attributes(module: nn.Module) -> dict[str, list[str]]:
    return {name: sorted(vars(part)) for name, part in module.named_modules()}


class FailsOn(nn.Module):
    """Passes on what it gets; raises once it gets three images."""

    def __init__(self, error: type[BaseException]) -> None:
        super().__init__()
        self.error, self.ready = error, False

    def forward(self, x: Tensor) -> Tensor:
        if len(x) == 3 and self.ready:
            raise self.error("told to fail")
        return x


@pytest.mark.parametrize(("error", "told"), [(RuntimeError, ModelError), (KeyboardInterrupt, KeyboardInterrupt)])
def test_a_failure_leaves_no_trace(error, told):
    classifier = Classifier(nn.Sequential(zoo.network("residual"), FailsOn(error)), Preprocessing(zoo.SIZE))
    before = attributes(classifier.module)
    end = end_of(classifier.checked(), "0.second")
    assert attributes(classifier.module) == before
    classifier.module[1].ready = True
    with pytest.raises(told, match="told to fail"):
        end(variations(end.activation))
    assert attributes(classifier.module) == before
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in classifier.module.modules())


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_network_that_fails_while_it_is_watched_keeps_no_hooks(error):
    module = zoo.RaisesAt(error=error).eval()
    with pytest.raises(error, match="told to fail"):
        tail(module, "body.relu", module, zoo.inputs(1))
    assert not any(part._forward_hooks for part in module.modules())
    assert sum(len(part._forward_pre_hooks) for part in module.modules()) == 1  # its own


def test_a_forward_of_ones_own_is_put_back():
    classifier = zoo.classifier("residual")
    module = classifier.module
    own = module.stem.forward = lambda x: nn.Conv2d.forward(module.stem, x) * 2
    assert_same(classifier, "second")
    assert module.stem.forward is own


# --- Refusals -----------------------------------------------------------------------------------------------------


def test_a_layer_that_is_not_there_or_does_not_run_is_refused():
    with pytest.raises(UnknownName, match="'secnd'; nearest: second"):
        end_of(zoo.classifier("residual"), "secnd")
    module = zoo.network("residual")
    module.spare = nn.ReLU()
    with pytest.raises(ExplainError, match="'spare' did not run"):
        tail(module, "spare", module, zoo.inputs(1))
    with pytest.raises(ExplainError, match="'spare' did not run"):
        watched(module, ["stem", "spare"], module, zoo.inputs(1)).activation("spare")
