"""The tensor door: what it takes, what it answers, and that it leaves a training loop alone."""

from __future__ import annotations

import gc
import random
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import captum.attr
import numpy as np
import pytest
import torch
from torch import nn

import seewhy
import zoo
from methods.test_conformance import PARAMETERS, make, state_of
from pairs import drawn
from seewhy.errors import Cancelled, NonFinite, SeewhyError, UnknownName, UsageError
from seewhy.methods import GradCAM, Lime, RandomMap, attribute, list_methods
from seewhy.methods.cam import grad_cam
from seewhy.models import Classifier, Preprocessing, Target, capture
from seewhy.models.classifier import black_box
from seewhy.models.shim import ready_torchvision

METHODS = [*list_methods(), *list_methods("control")]
# Some compare with a picture, or were trained for one network; others want a transformer.
OTHERS = {"similarity", "learned", "inherent"}
METHODS = [method for method in METHODS if method.family not in OTHERS and "attention" not in method.needs]


def network(channels: int = 3) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(channels, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(8, 5),
    )


def inputs(count: int = 2, channels: int = 3, side: int = 16, **options: Any) -> torch.Tensor:
    return torch.randn((count, channels, side, side), generator=torch.Generator().manual_seed(1)).to(**options)


def quick(name: str) -> dict[str, Any]:
    return {**PARAMETERS.get(name, {}), **({"regions": "grid"} if name in {"lime", "lime-classic", "anchors"} else {})}


# --- The answer ---------------------------------------------------------------------------------------------------


@drawn([each.name for each in METHODS], "channels", [1, 5])
def test_every_method_takes_tensors_of_any_channels(name, channels):
    model, x = network(channels), inputs(2, channels)
    found = attribute(model, x, [1, 4], name, **quick(name))
    assert found.values.shape == (2, 16, 16)
    assert found.values.dtype == torch.float32
    assert not found.values.requires_grad
    torch.testing.assert_close(found.logits, model.eval()(x).detach(), atol=1e-4, rtol=1e-3)
    assert all(value.shape == (2,) for value in found.checks.values())
    assert len(found) == 2


@pytest.mark.parametrize("name", ["grad-cam", "gradient", "integrated-gradients", "deep-lift", "rise", "lime"])
def test_tensors_of_a_classifier_get_the_values_of_its_pictures(name):
    classifier, images = zoo.classifier("residual"), zoo.photos(2)
    x = classifier.preprocess(images)
    found = attribute(classifier, x, [2, 0], name, **quick(name))
    for row, (image, target) in enumerate(zip(images, [2, 0], strict=True)):
        wanted = seewhy.explain(classifier, image, make(name, **quick(name)), target).values
        np.testing.assert_allclose(found.values[row], wanted, atol=1e-4 * np.abs(wanted).max())


def test_grad_cam_is_its_formula():
    model, x = network().eval(), inputs(3)
    with capture(model, ["4"]) as seen:
        score = model(x)[range(3), [0, 1, 2]].sum()
        gradients = seen.gradients(score, ["4"])
        wanted = grad_cam(seen["4"], gradients["4"]).clamp(min=0)
    found = attribute(model, x, [0, 1, 2], "grad-cam", layer="4")
    torch.testing.assert_close(found.values, wanted.detach())


def test_integrated_gradients_are_captums():
    model, x = network().double().eval(), inputs(2, dtype=torch.float64)
    theirs = captum.attr.IntegratedGradients(model).attribute(x, target=3, n_steps=200, method="riemann_trapezoid")
    wanted = theirs.sum(1) * 200 / 199  # it takes 199 trapezoids for 200
    found = attribute(model, x, 3, "integrated-gradients", steps=200, most_steps=200)
    assert found.values.dtype == torch.float64
    torch.testing.assert_close(found.values, wanted, atol=1e-4 * float(wanted.abs().max()), rtol=0)


def test_errors_are_there_where_values_are_sampled():
    model, x = network(), inputs()
    for name in ("rise", "lime", "expected-gradients"):
        errors = attribute(model, x, 1, name, **{**quick(name), **({"samples": 80} if "exp" in name else {})}).errors
        assert errors is not None
        assert errors.shape == (2, 16, 16)
        assert (errors >= 0).all()
    assert attribute(model, x, 1).errors is None


def test_an_input_gets_what_it_would_get_alone():
    model, x = network(), inputs(3)
    for name in ("grad-cam", "rise", "lime"):
        together = attribute(model, x, [0, 1, 2], name, **quick(name)).values
        alone = attribute(model, x[1:2], 1, name, **quick(name)).values
        torch.testing.assert_close(together[1:2], alone, atol=1e-5, rtol=1e-4)


# --- Targets ------------------------------------------------------------------------------------------------------


def test_targets_of_every_form():
    model, x = network(), inputs(2)
    wanted = attribute(model, x, [3, 3]).values
    for target in (3, np.int64(3), torch.tensor(3), (3, 3), torch.tensor([3, 3]), np.array([3, 3]), "3", Target(3)):
        torch.testing.assert_close(attribute(model, x, target).values, wanted)
    torch.testing.assert_close(attribute(model, x, lambda logits: logits[3]).values, wanted)
    best = model.eval()(x).argmax(1)
    torch.testing.assert_close(attribute(model, x).values, attribute(model, x, best).values)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_function_of_the_logits_or_a_contrast_is_a_target(method):
    model, x = network(), inputs(1)
    contrast = attribute(model, x, "1 vs 2", method.name, **quick(method.name)).values

    def difference(logits: torch.Tensor) -> torch.Tensor:
        return logits[1] - logits[2]

    if method.name.startswith("anchors") or method.name == "clrp":
        with pytest.raises(UsageError, match="decision between classes"):
            attribute(model, x, difference, method.name)
        return
    own = attribute(model, x, difference, method.name, **quick(method.name)).values
    assert own.isfinite().all()
    # What is made of logits is the same; log-probabilities differ by nothing, probabilities are another question.
    of_probabilities = {"score-cam", "cluster-cam", "is-cam", "ss-cam", "sise", "ada-sise", "rise", "lime-classic"}
    if method.name not in of_probabilities | {"shapley-cam"}:
        torch.testing.assert_close(own, contrast, atol=1e-4 * float(contrast.abs().max()) + 1e-6, rtol=1e-3)


# --- Layers -------------------------------------------------------------------------------------------------------


def test_layers_by_name_by_module_or_several():
    model, x = network(), inputs(2)
    one = attribute(model, x, 1, layer="2")
    assert one.layers == ("2",)
    torch.testing.assert_close(attribute(model, x, 1, layer=model[2]).values, one.values)
    several = attribute(model, x, 1, layer=[model[2], "4"])
    assert several.values.shape == (2, 2, 16, 16)
    assert several.layers == ("2", "4")
    torch.testing.assert_close(several.values[:, 0], one.values)
    assert attribute(model, x, 1).layers == ("4",)
    assert attribute(model, x, 1, "gradient", layer="2").layers == ("2",)


# --- Refused ------------------------------------------------------------------------------------------------------


class Counts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.calls = network(), 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return self.body(x)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"network": None}, "network is a torch.nn.Module"),
        ({"network": lambda x: x}, "network is a torch.nn.Module"),
        ({"network": "resnet18"}, "network is a torch.nn.Module"),
        ({"x": "cat.png"}, "seewhy.explain takes pictures"),
        ({"x": np.zeros((1, 3, 16, 16), np.float32)}, "x is a float tensor"),
        ({"x": torch.zeros(3, 16, 16)}, r"x is a float tensor of network inputs \(N, C, h, w\)"),
        ({"x": torch.zeros(1, 3, 16, 16, dtype=torch.uint8)}, "x is a float tensor"),
        ({"x": torch.zeros(0, 3, 16, 16)}, "x is a float tensor"),
        ({"x": torch.zeros(1, 3, 16, 16).to_sparse()}, r"not sparse torch\.float32 \(1, 3, 16, 16\)"),
        ({"x": torch.zeros(1, 3, 16, 16, dtype=torch.float64)}, r"give x\.to\('cpu', torch\.float32\)"),
        ({"target": 3.5}, "target is a class index"),
        ({"target": True}, "target is a class index"),
        ({"target": [0]}, "target has 1 entries for 2 inputs"),
        ({"target": [0, None]}, "target is a class index"),
        ({"target": torch.tensor([0.5, 1.0])}, "target is a class index"),
        ({"target": object()}, "target is a class index"),
        ({"target": nn.Identity}, "target is a class index"),
        ({"method": 42}, "method is a name"),
        ({"method": ["grad-cam", "lime"]}, "method is a name"),
        ({"method": nn.ReLU}, "method is a name"),
        ({"method": "grad-cm"}, "grad-cam"),
        ({"method": GradCAM(), "signed": True}, "a method object has its own: set them there"),
        ({"layer": 5}, "layer is the name of a layer"),
        ({"layer": "nowhere"}, "nowhere"),
        ({"layer": nn.ReLU()}, "no part of it"),
        ({"method": "lime", "layer": "body.2"}, "lime has no parameter layers"),
        ({"method": Lime(), "layer": "body.2"}, "none of the methods takes layers"),
        ({"samples": 3}, "grad-cam has no parameter samples"),
        ({"signed": "yes"}, "true or false for signed"),
        ({"target": [0, None]}, "a function of the logits, or a list of one for each input, not None"),
        ({"generator": 3}, "generator is a torch.Generator"),
        ({"progress": None}, "progress is a function of work done"),
        ({"progress": 3}, "progress is a function of work done"),
    ],
)
def test_what_is_of_no_use_is_refused_by_name_before_the_network_is_asked(changed, words):
    model = Counts()
    given: dict[str, Any] = {"network": model, "x": inputs(2), **changed}
    with pytest.raises(UsageError, match=words):
        attribute(given.pop("network"), given.pop("x"), given.pop("target", None), **given)
    assert model.calls == 0


@pytest.mark.parametrize("name", ["grad-cam", "rise", "gradient", "ablation-cam", "score-cam", "lime"])
@pytest.mark.parametrize("target", [5, -1, [0, 99]])
def test_a_class_that_there_is_not_is_refused(name, target):
    with pytest.raises(UsageError, match="5 classes, 0 to 4"):
        attribute(network(), inputs(2), target, name, **quick(name))


def test_a_classifier_refuses_other_channels_and_a_black_box_methods_that_look_inside():
    with pytest.raises(UsageError, match="takes 3 channels, and x has 1"):
        attribute(zoo.classifier("residual"), inputs(1, 1))
    box = black_box(lambda pictures: np.ones((len(pictures), 2), np.float32) / 2, size=(16, 16))
    with pytest.raises(UsageError, match="grad-cam needs"):
        attribute(box, inputs(1))
    assert attribute(box, inputs(1), 0, "occlusion", stride=0.5, size=0.5).values.shape == (1, 16, 16)


def test_nan_is_refused():
    model, x = network(), inputs(1)
    with pytest.raises((NonFinite, SeewhyError), match="NaN"):
        attribute(model, x * float("nan"), 1)


# --- No trace -----------------------------------------------------------------------------------------------------


def test_weights_after_training_are_the_same_bit_for_bit():
    def trained(explain: bool) -> dict[str, torch.Tensor]:
        torch.manual_seed(3)
        model = network().train()
        optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        for step in range(20):
            x, labels = torch.randn(8, 3, 16, 16), torch.randint(5, (8,))
            loss = nn.functional.cross_entropy(model(x), labels)
            loss.backward()
            if explain:
                name = ("grad-cam", "shapley-cam", "gradient", "rise", "deep-lift")[step % 5]
                attribute(model, x, labels, name, **({"masks": 10} if name == "rise" else {}))
            optimiser.step()
            optimiser.zero_grad()
        return model.state_dict()

    plain, explained = trained(False), trained(True)
    assert all(torch.equal(plain[name], explained[name]) for name in plain)


def test_a_stock_resnet_trains_as_if_nobody_looked():
    ready_torchvision()
    from torchvision.models import resnet18

    def trained(explain: bool) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        model = resnet18(num_classes=10).train()
        optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
        for _ in range(5):
            x, labels = torch.randn(4, 3, 32, 32), torch.randint(10, (4,))
            loss = nn.functional.cross_entropy(model(x), labels)
            optimiser.zero_grad()
            loss.backward()
            if explain:
                assert attribute(model, x, labels).values.shape == (4, 32, 32)
            optimiser.step()
        return model.state_dict()

    plain, explained = trained(False), trained(True)
    assert all(torch.equal(plain[name], explained[name]) for name in plain)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_gradients_modes_hooks_and_random_states_stay(method):
    model, x = network().train(), inputs(2)
    model[0].requires_grad_(False)
    model[3].eval()
    model[2].register_forward_hook(lambda *_: None)
    model(x).sum().backward()
    gradients = [parameter.grad for parameter in model.parameters()]
    before = state_of(model)
    numbers = random.getstate()
    attribute(model, x, 1, method.name, **quick(method.name))
    after = state_of(model)
    assert [what for what in before if what != "grad" and after[what] != before[what]] == []
    assert all(one is other for one, other in zip(gradients, (each.grad for each in model.parameters()), strict=True))
    assert random.getstate() == numbers


def test_the_generator_decides_and_stays():
    model, x = network(), inputs(1)
    generator = torch.Generator().manual_seed(7)
    state = generator.get_state()
    first = attribute(model, x, 1, "rise", masks=20, generator=generator).values
    assert torch.equal(generator.get_state(), state)
    assert torch.equal(first, attribute(model, x, 1, "rise", masks=20, generator=generator).values)
    assert not torch.equal(first, attribute(model, x, 1, "rise", masks=20).values)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_the_callers_grad_mode_does_not_matter(mode):
    model, x = network(), inputs(2)
    wanted = attribute(model, x, 1).values
    with mode():
        assert torch.equal(attribute(model, x, 1).values, wanted)
    assert torch.equal(attribute(model, x.clone().requires_grad_(), 1).values, wanted)


def test_a_network_that_was_explained_can_be_forgotten():
    model = network()
    attribute(model, inputs(1), 1)
    attribute(model, inputs(1), 1, "gradient")
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_a_changed_network_is_looked_at_again():
    model, x = network(), inputs(1)
    assert attribute(model, x, 1).layers == ("4",)
    model[4] = nn.Sequential(nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())
    assert attribute(model, x, 1).layers == ("4",)
    model.insert(5, nn.Conv2d(8, 8, 1))
    assert attribute(model, x, 1).layers == ("5",)


def test_it_can_be_stopped():
    def stop(*_: Any) -> None:
        raise Cancelled("enough")

    with pytest.raises(Cancelled, match="enough"):
        attribute(network(), inputs(2), 1, "rise", progress=stop)


def test_a_class_or_an_object_does_as_well_as_a_name():
    model, x = network(), inputs(2)
    wanted = attribute(model, x, 1, "grad-cam", signed=True).values
    torch.testing.assert_close(attribute(model, x, 1, GradCAM, signed=True).values, wanted)
    torch.testing.assert_close(attribute(model, x, 1, GradCAM(signed=True)).values, wanted)
    assert attribute(model, x, 1, RandomMap(cells=2)).values.shape == (2, 16, 16)
    with pytest.raises(UnknownName):
        attribute(model, x, 1, "no such thing")


def test_another_size_than_the_classifiers_own_is_taken_as_it_is():
    classifier = Classifier.from_module(network(), Preprocessing((32, 32), resize=40))
    found = attribute(classifier, inputs(1, side=20), 1)
    assert found.values.shape == (1, 20, 20)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_network_that_works_in_place_on_its_input_changes_neither_it_nor_the_values(method):
    class Doubling(nn.Module):
        def __init__(self, in_place: bool) -> None:
            super().__init__()
            self.body, self.in_place = shared, in_place

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.body(x.mul_(2) if self.in_place else x * 2)

    shared, x = network(), inputs(2)
    given = x.clone()
    found = attribute(Doubling(in_place=True), given, [1, 2], method.name, **quick(method.name)).values
    assert torch.equal(given, x)
    wanted = attribute(Doubling(in_place=False), x, [1, 2], method.name, **quick(method.name)).values
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-4 * float(wanted.abs().max()))


@pytest.mark.parametrize("answer", [lambda _: None, lambda _: "a", lambda row: row[0] * 1j, lambda row: row])
def test_a_target_function_gives_one_number(answer):
    with pytest.raises(UsageError, match="target function gives one number"):
        attribute(network(), inputs(), answer)


@pytest.mark.parametrize("answer", [lambda row: row[0].item(), lambda row: row[0].detach(), lambda row: row.argmax()])
def test_a_target_function_that_leaves_autograd_serves_scores_only(answer):
    for name in ("grad-cam", "gradient", "integrated-gradients"):
        with pytest.raises(UsageError, match="target function leaves autograd"):
            attribute(network(), inputs(), answer, name)
    assert attribute(network(), inputs(), answer, "occlusion").values.shape == (2, 16, 16)


def test_threads_that_share_a_network_wait_for_each_other():
    model, x = network().train(), inputs(2)
    names = ["grad-cam", "gradient", "lrp", "guided-backprop"] * 3
    wanted = {name: attribute(model, x, 1, name).values for name in names}
    with ThreadPoolExecutor(len(names)) as pool:
        for name, found in zip(names, pool.map(lambda name: attribute(model, x, 1, name).values, names), strict=True):
            assert torch.equal(found, wanted[name])
    assert all(part.training for part in model.modules())
