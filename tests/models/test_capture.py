"""The capture engine against plain torch, on networks with every habit that breaks hooks."""

from collections import OrderedDict

import pytest
import torch
from torch import nn

import zoo
from seewhy.errors import ExplainError, ModelError, UnknownName
from seewhy.models import Classifier, Preprocessing, capture, find_layer
from seewhy.models.capture import watch


def grads(name, layers, x, classes=(0,), **options):
    """Activations and the gradients of the classes' summed logits, captured in one forward."""
    classifier = zoo.classifier(name)
    with capture(classifier.module, layers, **options) as seen:
        logits = classifier.logits(x)
    found = [seen.gradients(logits[:, index].sum(), layers) for index in classes]
    return seen, logits, found


def layers_of(name):
    return list(dict.fromkeys(layer.name for layer in zoo.classifier(name).layers))


def literal_residual(module, x):
    """`zoo.Residual` written out, with every intermediate result kept apart and recorded."""
    values = {"stem": module.stem(x)}
    x = values["stem"].relu()
    values["first"] = module.first(x)
    values["norm"] = module.norm(values["first"])
    values["second"] = module.second(values["norm"].relu())
    values["relu"] = (values["second"] + x).relu()
    logits = module.head(values["relu"].mean((2, 3)))
    for value in values.values():
        value.retain_grad()
    return values, logits


def test_activations_and_gradients_are_those_of_the_network_written_out():
    layers = ["stem", "first", "norm", "second", "relu"]
    seen, logits, (found,) = grads("residual", layers, zoo.inputs(), classes=(2,))
    values, expected = literal_residual(zoo.network("residual"), zoo.inputs())
    expected[:, 2].sum().backward()
    torch.testing.assert_close(logits, expected)
    for layer in layers:
        torch.testing.assert_close(seen[layer], values[layer])
        torch.testing.assert_close(found[layer], values[layer].grad)


def test_an_in_place_relu_after_a_layer_does_not_change_what_was_captured():
    seen, _, _ = grads("residual", ["norm"], zoo.inputs())
    assert seen["norm"].min() < 0


@pytest.mark.parametrize("name", zoo.SOUND)
def test_capturing_does_not_change_the_answer(name):
    classifier, x = zoo.classifier(name), zoo.inputs()
    expected = classifier.logits(x)
    for layer in layers_of(name):
        with capture(classifier.module, [layer]):
            assert torch.equal(classifier.logits(x), expected)
        with capture(classifier.module, [layer], gradients=False):
            assert torch.equal(classifier.logits(x), expected)


def nudged(classifier, x, layer, change):
    """The score of class 1 when the last run of `layer` gives `change` more."""
    runs = sum(visit.name == layer for visit in visits_of(classifier, x))
    done = []

    def nudge(_module, _args, output):
        done.append(1)
        return output + change if len(done) == runs else output

    handle = find_layer(classifier.module, layer).register_forward_hook(nudge)
    with torch.no_grad():
        score = classifier.logits(x)[0, 1]
    handle.remove()
    return score


@pytest.mark.parametrize("name", [name for name in zoo.SOUND if name != "overlapping"])  # equal maxima have no slope
def test_each_layers_gradient_tells_what_a_small_change_of_it_does(name):
    """Against finite differences, in float64, at every layer that has a grid."""
    classifier, x, step = zoo.classifier(name), zoo.inputs(1).double(), 1e-6
    classifier.module.double()
    for layer in dict.fromkeys(layer.name for layer in classifier.layers if layer.grid):
        with capture(classifier.module, [layer]) as seen:
            score = classifier.logits(x)[0, 1]
        gradient = seen.gradients(score, [layer])[layer]
        change = step * torch.randn(gradient.shape, generator=torch.Generator().manual_seed(1), dtype=gradient.dtype)
        slope = (nudged(classifier, x, layer, change) - nudged(classifier, x, layer, -change)) / 2
        torch.testing.assert_close((gradient * change).sum() / step, slope / step, rtol=1e-4, atol=1e-7)


def visits_of(classifier, x):
    with torch.no_grad(), watch(classifier.module) as visits:
        classifier.logits(x)
    return visits


def test_of_several_layers_one_may_lie_before_another():
    x = zoo.inputs()
    _, _, (together,) = grads("residual", ["stem", "second", "norm"], x)
    for layer in ("stem", "second", "norm"):
        _, _, (alone,) = grads("residual", [layer], x)
        torch.testing.assert_close(together[layer], alone[layer])


def test_gradients_can_be_asked_for_again_and_for_other_classes():
    x = zoo.inputs()
    _, _, (first, second, again) = grads("residual", ["second"], x, classes=(0, 3, 0))
    assert torch.equal(first["second"], again["second"])
    assert not torch.equal(first["second"], second["second"])


def test_a_summed_score_gives_each_image_its_own_gradient():
    x = zoo.inputs(3)
    _, _, (together,) = grads("residual", ["second"], x)
    for row in range(3):
        _, _, (alone,) = grads("residual", ["second"], x[row : row + 1])
        torch.testing.assert_close(together["second"][row], alone["second"][0])


def test_of_a_layer_that_runs_several_times_the_last_run_is_given():
    module, x = zoo.network("reused"), zoo.inputs()
    seen, logits, (found,) = grads("reused", ["block"], x)
    third = module.block(module.block(module.block(module.stem(x)))).detach().requires_grad_()
    torch.testing.assert_close(seen["block"], third)
    score = module.head(third.mean((2, 3)))
    torch.testing.assert_close(logits, score)
    torch.testing.assert_close(found["block"], torch.autograd.grad(score[:, 0].sum(), third)[0])


def test_the_input_side_is_what_goes_into_the_layer():
    module, x = zoo.network("gap-linear"), zoo.inputs()
    seen, _, (found,) = grads("gap-linear", ["head"], x, side="input")
    torch.testing.assert_close(seen["head"], module.conv(x).relu().mean((2, 3)))
    torch.testing.assert_close(found["head"], module.head.weight[0].expand(2, -1))


def test_the_first_layers_input_is_the_picture():
    seen, logits, (found,) = grads("gap-linear", ["conv"], zoo.inputs(), side="input")
    x = zoo.inputs().requires_grad_()
    expected = torch.autograd.grad(zoo.network("gap-linear")(x)[:, 0].sum(), x)[0]
    assert torch.equal(seen["conv"], zoo.inputs())
    torch.testing.assert_close(found["conv"], expected)
    assert logits.requires_grad


def test_gradients_reach_an_input_that_asks_for_them():
    classifier, x = zoo.classifier("residual"), zoo.inputs().requires_grad_()
    with capture(classifier.module, ["second"]) as seen:
        score = classifier.logits(x)[:, 0].sum()
    assert not seen["second"].is_leaf
    expected = torch.autograd.grad(classifier.logits(x)[:, 0].sum(), x)[0]
    torch.testing.assert_close(torch.autograd.grad(score, x)[0], expected)


def test_without_gradients_nothing_is_recorded():
    classifier = zoo.classifier("residual")
    with capture(classifier.module, ["second"], gradients=False) as seen:
        logits = classifier.logits(zoo.inputs().requires_grad_())
    assert not logits.requires_grad
    assert not seen["second"].requires_grad
    with pytest.raises(ExplainError, match="does not depend on the captured layers"):
        seen.gradients(logits.sum(), ["second"])


def test_nothing_is_recorded_before_the_captured_layer_or_for_the_parameters():
    seen, logits, _ = grads("residual", ["second"], zoo.inputs())
    assert seen["second"].is_leaf
    leaves, todo, done = set(), [logits.grad_fn], set()
    while todo:
        node = todo.pop()
        if node is None or node in done:
            continue
        done.add(node)
        leaves.update(id(node.variable) for _ in [0] if hasattr(node, "variable"))
        todo += [parent for parent, _ in node.next_functions]
    assert leaves == {id(seen["second"])}


@pytest.mark.parametrize("wanted", ["layer", "", "seconds", "body.second"])
def test_an_unknown_layer_is_answered_with_the_nearest(wanted):
    with pytest.raises(UnknownName, match=f"no layer '{wanted}'"), capture(zoo.network("residual"), [wanted]):
        pass
    with pytest.raises(UnknownName, match="nearest: second"):
        find_layer(zoo.network("residual"), "seconds")


def test_a_layer_that_does_not_run_says_so():
    classifier = zoo.classifier("gap-linear")
    classifier.module.spare = nn.Conv2d(3, 3, 1)
    with capture(classifier.module, ["spare", "conv"]) as seen:
        score = classifier.logits(zoo.inputs()).sum()
    assert seen["conv"].shape == (2, 8, 8, 8)
    with pytest.raises(ExplainError, match="'spare' did not run"):
        seen["spare"]
    with pytest.raises(ExplainError, match="'spare' did not run"):
        seen.gradients(score, ["spare"])


class Side(nn.Module):
    """Computes something it does not use, and counts something."""

    def __init__(self):
        super().__init__()
        self.conv, self.unused, self.count = nn.Conv2d(3, 4, 8), nn.Conv2d(3, 4, 8), nn.Flatten()

    def forward(self, x):
        self.unused(x)
        self.count(torch.arange(4).view(2, 2))
        return self.conv(x).mean((2, 3))


def test_a_layer_that_the_answer_does_not_depend_on_says_so():
    with capture(Side(), ["unused", "conv"]) as seen:
        pass
    module = Side()
    with capture(module, ["unused", "conv"]) as seen:
        score = module(zoo.inputs()).sum()
    assert seen.gradients(score, ["conv"])["conv"].shape == seen["conv"].shape
    with pytest.raises(ExplainError, match="does not depend on layer 'unused'"):
        seen.gradients(score, ["unused"])


def test_a_layer_that_gives_no_floating_point_numbers_says_so():
    module = Side()
    with capture(module, ["count"]), pytest.raises(ExplainError, match="'count' yields Tensor, not activations"):
        module(zoo.inputs())


class Detached(zoo.GapLinear):
    """Leaves autograd behind on the way."""

    def forward(self, x):
        return self.head(self.conv(x).mean((2, 3)).detach()).detach()


class Inferred(zoo.GapLinear):
    """Runs in inference mode whatever the caller wants."""

    @torch.inference_mode()
    def forward(self, x):
        return super().forward(x)


@pytest.mark.parametrize("make", [Detached, Inferred])
def test_an_answer_that_leaves_autograd_says_so(make):
    module = make()
    with capture(module, ["conv"]) as seen:
        score = module(zoo.inputs()).sum()
    with pytest.raises(ExplainError, match="does not depend on the captured layers through autograd"):
        seen.gradients(score, ["conv"])


def test_a_network_that_runs_under_no_grad_is_recorded_all_the_same():
    classifier = zoo.classifier("unrecorded")
    with capture(classifier.module, ["body.second"]) as seen:
        score = classifier.logits(zoo.inputs())[:, 0].sum()
    found = seen.gradients(score, ["body.second"])["body.second"]
    _, _, (expected,) = grads("residual", ["second"], zoo.inputs())
    torch.testing.assert_close(found, expected["second"])


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
@pytest.mark.parametrize("name", ["residual", "tiny-vit", "frozen", "mutates-input"])
def test_the_callers_grad_mode_does_not_matter_and_stays(mode, name):
    classifier = zoo.classifier(name)
    layer = classifier.default_layer
    with capture(classifier.module, [layer]) as seen:
        score = classifier.logits(zoo.inputs())[:, 0].sum()
    expected = seen.gradients(score, [layer])[layer]
    with mode():
        before = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
        x = zoo.inputs()
        with capture(classifier.module, [layer]) as seen:
            score = classifier.logits(x)[:, 0].sum()
        found = seen.gradients(score, [layer])[layer]
        assert (torch.is_grad_enabled(), torch.is_inference_mode_enabled()) == before
    torch.testing.assert_close(found, expected)


def test_a_network_made_in_inference_mode_is_refused_with_the_cure():
    with torch.inference_mode():
        module = zoo.Residual().eval()
    with pytest.raises(ExplainError, match="make it outside"), capture(module, ["second"]):
        pass
    with capture(module, ["second"], gradients=False) as seen:
        module(zoo.inputs())
    assert seen["second"].shape == (2, 8, 16, 16)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("name", ["residual", "tiny-vit"])
def test_any_precision_is_kept_and_agrees(name, dtype):
    classifier = zoo.classifier(name)
    layer = classifier.default_layer
    _, _, (expected,) = grads(name, [layer], zoo.inputs())
    classifier.module.to(dtype)
    with capture(classifier.module, [layer]) as seen:
        score = classifier.logits(zoo.inputs().to(dtype))[:, 0].sum()
    found = seen.gradients(score, [layer])[layer]
    assert found.dtype == seen[layer].dtype == dtype
    tolerance = {"rtol": 0.1, "atol": 0.1 * float(expected[layer].abs().max())}
    torch.testing.assert_close(found.float(), expected[layer], **tolerance)


def test_parameters_that_do_not_learn_are_no_obstacle():
    _, _, (frozen,) = grads("frozen", ["stem"], zoo.inputs())
    _, _, (learning,) = grads("residual", ["stem"], zoo.inputs())
    torch.testing.assert_close(frozen, learning)


class Odd(nn.Module):
    """A layer whose output comes wrapped in `wrap`, and a head that unwraps it."""

    class Part(nn.Module):
        def __init__(self, wrap):
            super().__init__()
            self.conv, self.wrap = nn.Conv2d(3, 4, 8), wrap

        def forward(self, x):
            return self.wrap(self.conv(x))

    def __init__(self, wrap, unwrap):
        super().__init__()
        self.part, self.unwrap = self.Part(wrap), unwrap

    def forward(self, x):
        return self.unwrap(self.part(x)).mean((2, 3))


@pytest.mark.parametrize(
    ("wrap", "unwrap"),
    [
        (lambda x: (x, None), lambda y: y[0]),
        (lambda x: [x, 1], lambda y: y[0]),
        (lambda x: ((x, 2), 1), lambda y: y[0][0]),
        (lambda x: zoo.Pair(x, x.mean()), lambda y: y.logits),
        (lambda x: {"x": x, "y": 1}, lambda y: y["x"]),
        (lambda x: OrderedDict(x=x), lambda y: y["x"]),
    ],
    ids=["tuple", "list", "nested", "named", "dict", "ordered"],
)
def test_wrapped_activations_stay_wrapped(wrap, unwrap):
    module = Odd(wrap, unwrap)
    expected = module(zoo.inputs())
    with capture(module, ["part"]) as seen:
        score = module(zoo.inputs())
    torch.testing.assert_close(score, expected)
    assert seen["part"].shape == (2, 4, 25, 25)
    torch.testing.assert_close(
        seen.gradients(score[:, 0].sum(), ["part"])["part"][:, 0], torch.full((2, 25, 25), 1 / 625)
    )


def test_transformers_outputs_are_rebuilt():
    from transformers.modeling_outputs import BaseModelOutputWithPooling

    module = Odd(lambda x: BaseModelOutputWithPooling(last_hidden_state=x), lambda y: y.last_hidden_state)
    with capture(module, ["part"]) as seen:
        score = module(zoo.inputs())[:, 0].sum()
    assert seen.gradients(score, ["part"])["part"].abs().sum() > 0


# Leaves no trace


def state(module):
    """All that capturing could leave changed."""
    return {
        "hooks": [
            len(hooks)
            for part in module.modules()
            for hooks in (part._forward_hooks, part._forward_pre_hooks, part._backward_hooks, part._backward_pre_hooks)
        ],
        "training": [part.training for part in module.modules()],
        "requires_grad": [parameter.requires_grad for parameter in module.parameters()],
        "grad": [parameter.grad for parameter in module.parameters()],
        "tensors": {name: tensor.clone() for name, tensor in module.state_dict().items()},
        "random": torch.get_rng_state(),
        "modes": (torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu")),
    }


def same(before, after):
    torch.testing.assert_close(after, before, rtol=0, atol=0)
    return True


@pytest.mark.parametrize("gradients", [True, False])
@pytest.mark.parametrize("name", [*zoo.SOUND, "stochastic", "unrecorded"])
def test_success_leaves_no_trace(name, gradients):
    classifier = zoo.classifier(name)
    next(iter(classifier.module.parameters())).requires_grad_(False)  # flags that differ must come back so
    layer = classifier.default_layer
    before = state(classifier.module)
    with capture(classifier.module, [layer], gradients=gradients) as seen:
        logits = classifier.logits(zoo.inputs())
    if gradients:
        seen.gradients(logits.sum(), [layer])
    assert same(before, state(classifier.module))


@pytest.mark.parametrize(
    ("error", "told"), [(RuntimeError, ModelError), (KeyboardInterrupt, KeyboardInterrupt), (MemoryError, MemoryError)]
)
@pytest.mark.parametrize("gradients", [True, False])
def test_failure_in_the_middle_leaves_no_trace(error, told, gradients):
    module = zoo.RaisesAt(-1, error).train()
    classifier = Classifier.from_module(module, Preprocessing(size=zoo.SIZE))
    classifier.logits(zoo.inputs())
    module.call = module.calls + 1
    before = state(module)
    with (
        pytest.raises(told, match="told to fail"),
        capture(module, ["body.stem", "body.head"], gradients=gradients),
    ):
        classifier.logits(zoo.inputs())
    assert same(before, state(module))


def test_a_wrong_layer_leaves_no_trace():
    module = zoo.network("residual")
    before = state(module)
    with pytest.raises(UnknownName), capture(module, ["stem", "nonsense"]):
        pass
    assert same(before, state(module))


@pytest.mark.parametrize("name", ["nan", "segmentation", "wrong-rank"])
def test_a_refused_answer_leaves_no_trace(name):
    classifier = zoo.classifier(name)
    layer = next(name for name, part in classifier.module.named_modules() if isinstance(part, nn.Conv2d))
    before = state(classifier.module)
    with pytest.raises(ModelError), capture(classifier.module, [layer]):
        classifier.logits(zoo.inputs())
    assert same(before, state(classifier.module))


def test_captured_tensors_go_when_nobody_holds_them():
    import gc
    import weakref

    classifier = zoo.classifier("residual")
    with capture(classifier.module, ["second"]) as seen:
        score = classifier.logits(zoo.inputs()).sum()
    seen.gradients(score, ["second"])
    held = weakref.ref(seen["second"])
    gc.disable()  # no cycle may be left for the collector to find
    try:
        del seen, score
        assert held() is None
    finally:
        gc.enable()


def test_watching_tells_which_tensor_each_part_took_and_gave():
    classifier = zoo.classifier("residual")
    before = state(classifier.module)
    visits = {visit.name: visit for visit in visits_of(classifier, zoo.inputs())}
    assert visits["norm"].took == visits["first"].gave
    assert visits["head"].took != visits["relu"].gave
    assert [visit.name for visit in visits_of(classifier, zoo.inputs())].count("relu") == 3
    assert same(before, state(classifier.module))
