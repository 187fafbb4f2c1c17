"""The backward-rule engine: every way to write an operation meets its rule, and nothing but the gradient changes."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import zoo
from seewhy.engines import Call, References, Rule, RuleSet, applying, frozen, surrogate, with_slope
from seewhy.engines.rule_sets import composite, constant_attention, epsilon, flat, gamma, z_plus
from seewhy.errors import ExplainError
from seewhy.methods.gradients import GUIDED

pytestmark = pytest.mark.usefixtures("one_thread")


def sloped(slope: float) -> Rule:
    """The operation with one and the same slope in its first argument, whatever it is."""
    return lambda call: with_slope(call.args[0], call.on, lambda u, y: torch.full_like(u, slope))


def scaled(factor: float) -> Rule:
    """The operation's own gradient, so many times."""

    def rule(call: Call) -> Tensor:
        y = call.plain()
        return surrogate(factor * y, y.detach().clone)

    return rule


def forbidden(call: Call) -> Tensor:
    raise AssertionError(f"{call.kind} has nothing to do with the input here")


THRICE = RuleSet("thrice", {"activation": sloped(3.0)})
PLAIN = RuleSet("plain")


def gradient(forward: Callable[[Tensor], Tensor], x: Tensor, rules: RuleSet = THRICE) -> tuple[Tensor, Tensor]:
    """Output, and ∂ Σ output / ∂ x under the rules."""
    leaf = x.clone().requires_grad_()
    with applying(rules):
        y = forward(leaf.clone())
    return y.detach(), torch.autograd.grad(y.sum(), leaf, materialize_grads=True, allow_unused=True)[0]


# --- Each way to write an activation ------------------------------------------------------------------------------


def dropped(in_place: Callable[[Tensor], Any]) -> Callable[[Tensor], Tensor]:
    """Work in place whose result nobody takes."""

    def forward(x: Tensor) -> Tensor:
        in_place(x)
        return x

    return forward


RELUS: dict[str, Callable[[Tensor], Tensor]] = {
    "module": nn.ReLU(),
    "module in place": nn.ReLU(inplace=True),
    "function": F.relu,
    "function, flag": lambda x: F.relu(x, inplace=True),
    "function, flag by position": lambda x: F.relu(x, True),
    "function, by keyword": lambda x: F.relu(input=x),
    "function, all by keyword": lambda x: F.relu(input=x, inplace=True),
    "torch": torch.relu,
    "torch in place": torch.relu_,
    "method": lambda x: x.relu(),
    "method in place": lambda x: x.relu_(),
    "flag, dropped": dropped(lambda x: F.relu(x, inplace=True)),
    "function in place, dropped": dropped(F.relu_),
    "method in place, dropped": dropped(Tensor.relu_),
    "module in place, dropped": dropped(nn.ReLU(inplace=True)),
    "clamp": lambda x: x.clamp(min=0),
    "clamp in place, dropped": dropped(lambda x: x.clamp_(min=0)),
    "threshold": lambda x: F.threshold(x, 0, 0, True),
}


@pytest.mark.parametrize("name", RELUS)
def test_every_way_to_write_an_activation_meets_its_rule(name):
    x = zoo.inputs(2)
    y, found = gradient(RELUS[name], x)
    assert torch.equal(y, x.clamp(min=0))
    assert torch.equal(found, torch.full_like(x, 3.0))


ACTIVATIONS = [nn.ReLU6, nn.Hardtanh, nn.LeakyReLU, nn.ELU, nn.SELU, nn.CELU, nn.SiLU, nn.Mish, nn.Hardswish,
               nn.Hardsigmoid]  # fmt: skip


@pytest.mark.parametrize("make", ACTIVATIONS)
@pytest.mark.parametrize("in_place", [False, True])
def test_every_module_with_a_flag_meets_its_rule(make, in_place):
    x = zoo.inputs(2)
    y, found = gradient(make(inplace=in_place), x)
    assert torch.equal(y, make()(x))
    assert torch.equal(found, torch.full_like(x, 3.0))


@pytest.mark.parametrize("make", ACTIVATIONS)
def test_the_operations_own_gradient_is_to_be_had_in_place_too(make):
    """Some keep their input for the way back, which the result is written over."""
    x, rules = zoo.inputs(2), RuleSet("thrice", {"activation": scaled(3.0)})
    _, found = gradient(make(inplace=True), x, rules)
    torch.testing.assert_close(found, 3 * gradient(make(), x, PLAIN)[1])


def test_a_module_that_runs_three_times_meets_it_three_times():
    relu = nn.ReLU(inplace=True)
    _, found = gradient(lambda x: relu(relu(relu(x) + 1) - 2), zoo.inputs(2))
    assert torch.equal(found, torch.full_like(found, 27.0))


def test_work_in_place_on_a_view_changes_the_base_and_its_gradient_there_alone():
    x = zoo.inputs(2)

    def forward(x: Tensor) -> Tensor:
        x[:, :1].relu_()
        return x * 2

    y, found = gradient(forward, x)
    assert torch.equal(y, 2 * torch.cat([x[:, :1].relu(), x[:, 1:]], 1))
    assert torch.equal(found, torch.tensor([6.0, 2.0, 2.0]).view(1, 3, 1, 1).expand_as(x))


def test_a_view_of_what_worked_in_place_later_follows_it():
    def forward(x: Tensor) -> Tensor:
        part = x[:, 1:]
        x.relu_()
        return part * 1

    x = zoo.inputs(2)
    y, found = gradient(forward, x)
    assert torch.equal(y, x[:, 1:].relu())
    assert torch.equal(found, torch.tensor([0.0, 3.0, 3.0]).view(1, 3, 1, 1).expand_as(x))


def test_none_of_the_gradient_belongs_to_what_was_overwritten():
    """The skip takes its share before the ReLU works in place: 1 + 3, not 1 + 3 + what was there."""
    _, found = gradient(lambda x: x.clone() + x.relu_(), zoo.inputs(2))
    assert torch.equal(found, torch.full_like(found, 4.0))


@pytest.mark.parametrize("rule", [gamma(0.25), z_plus], ids=["gamma", "z-plus"])
@pytest.mark.parametrize("shape", [(2, 4), (1, 5, 4), (2, 3, 5, 4)], ids=["rows", "tokens", "map"])
def test_what_a_layer_gave_bears_work_in_place(rule, shape):
    x, weight = torch.randn(shape, generator=torch.Generator().manual_seed(0)), torch.randn(6, 4)
    rules = composite("rules", rule, rule)
    y, found = gradient(lambda x: F.linear(x, weight, weight[:, 0]).add_(1), x, rules)
    true, expected = gradient(lambda x: F.linear(x, weight, weight[:, 0]) + 1, x, rules)
    assert torch.equal(y, true)
    assert torch.equal(found, expected)


def test_a_residual_sum_in_place_is_left_to_autograd():
    def forward(x: Tensor) -> Tensor:
        y = F.relu(2 * x)
        y += x
        return y

    x = zoo.inputs(2)
    y, found = gradient(forward, x)
    assert torch.equal(y, (2 * x).relu() + x)
    assert torch.equal(found, torch.full_like(x, 7.0))


@pytest.mark.parametrize("kind", ["product", "division"])
def test_products_and_quotients_in_place_meet_their_rule(kind):
    def forward(x: Tensor) -> Tensor:
        y = x.clone()
        work(y, x + 9)
        return y

    work = {"product": operator.imul, "division": operator.itruediv}[kind]
    x = zoo.inputs(2)
    y, found = gradient(forward, x, RuleSet("twice", {kind: scaled(2.0)}))
    wanted, own = gradient(forward, x, PLAIN)
    torch.testing.assert_close(y, wanted)
    torch.testing.assert_close(found, 2 * own)


# --- What a rule is for -------------------------------------------------------------------------------------------


CONSTANT = torch.linspace(-1, 2, 32)
FORBIDDEN = RuleSet("forbidden", dict.fromkeys(("activation", "product", "division", "softmax", "dense"), forbidden))


@pytest.mark.parametrize(
    "forward",
    [
        lambda x: 2 * x,
        lambda x: x * CONSTANT,
        lambda x: CONSTANT * x,
        lambda x: x / CONSTANT,
        lambda x: x.clone().mul_(CONSTANT).div_(3),
        lambda x: torch.mul(input=x, other=CONSTANT),
        lambda x: x @ CONSTANT.expand(5, 32).T,
        lambda x: torch.einsum("nchw,w->nch", x, CONSTANT),
        lambda x: x + CONSTANT.relu() * CONSTANT.softmax(0) / CONSTANT,
        lambda x: x + F.linear(CONSTANT, CONSTANT[None]),
        lambda x: torch.where(condition=CONSTANT > 0, input=x, other=CONSTANT),
    ],
)
def test_constants_and_products_with_constants_are_left_alone(forward):
    x = zoo.inputs(2)
    y, found = gradient(forward, x, FORBIDDEN)
    leaf = x.clone().requires_grad_()
    plain = forward(leaf.clone())
    torch.testing.assert_close(y, plain.detach())
    torch.testing.assert_close(found, torch.autograd.grad(plain.sum(), leaf)[0])


@pytest.mark.parametrize(
    "forward",
    [
        lambda x: x * (x + 1),
        lambda x: torch.mul(x, other=x + 1),
        lambda x: torch.mul(input=x, other=x + 1),
        lambda x: x @ x.transpose(2, 3),
        lambda x: torch.bmm(x[:, 0], x[:, 1]),
        lambda x: torch.einsum("nchw,nchw->nc", x, x),
    ],
)
def test_a_product_of_two_that_depend_meets_its_rule(forward):
    x = zoo.inputs(2)
    _, found = gradient(forward, x, RuleSet("twice", {"product": scaled(2.0)}))
    torch.testing.assert_close(found, 2 * gradient(forward, x, PLAIN)[1])


@pytest.mark.parametrize("forward", [lambda x: 1 / (x + 9), lambda x: 2 ** (x / 9)])
def test_a_number_over_or_to_the_power_of_what_depends_is_an_activation(forward):
    x = zoo.inputs(2)
    y, found = gradient(lambda x: forward(x * 1), x, RuleSet("thrice", {"activation": scaled(3.0)}))
    wanted, own = gradient(forward, x, PLAIN)
    torch.testing.assert_close(y, wanted)
    torch.testing.assert_close(found, 3 * own)


def test_division_by_what_depends_meets_its_rule():
    x = zoo.inputs(2)
    _, found = gradient(lambda x: CONSTANT / (x + 9), x, RuleSet("twice", {"division": scaled(2.0)}))
    torch.testing.assert_close(found, 2 * gradient(lambda x: CONSTANT / (x + 9), x, PLAIN)[1])


def layers() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(4 * 28 * 28, 2))


def test_the_first_layer_has_a_rule_of_its_own():
    network, x = layers(), zoo.inputs(2)
    rules = {"convolution": scaled(2.0), "dense": scaled(5.0)}
    with frozen(network):
        own = gradient(network, x, PLAIN)[1]
        torch.testing.assert_close(gradient(network, x, RuleSet("all", rules))[1], 20 * own)
        torch.testing.assert_close(gradient(network, x, RuleSet("first", rules, scaled(7.0)))[1], 70 * own)


def test_each_forward_has_a_first_layer_again():
    network, x = layers(), zoo.inputs(2)
    rules = RuleSet("first", {}, scaled(7.0))
    with frozen(network):
        first, again = (gradient(network, x, rules)[1] for _ in range(2))
    assert torch.equal(first, again)


def test_a_layer_of_constants_is_not_the_first():
    network, x = layers(), zoo.inputs(2)

    def forward(x: Tensor) -> Tensor:
        return network(x + network[0](torch.ones(1, 3, 34, 34)).mean())

    with frozen(network):
        own = gradient(forward, x, PLAIN)[1]
        torch.testing.assert_close(gradient(forward, x, RuleSet("first", {}, scaled(7.0)))[1], 7 * own)


def test_a_dense_layer_may_be_the_first():
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 4), nn.Linear(4, 2))
    with frozen(network):
        own = gradient(network, zoo.inputs(2), PLAIN)[1]
        found = gradient(network, zoo.inputs(2), RuleSet("first", {}, scaled(7.0)))[1]
    torch.testing.assert_close(found, 7 * own)


def test_a_rule_in_operations_that_have_rules_runs_them_under_them():
    def composed(call: Call) -> Tensor:
        with call.rules:
            return call.args[0].relu() * 2

    rules = RuleSet("nested", {"softmax": composed, "activation": sloped(3.0)})
    _, found = gradient(lambda x: x.softmax(1), zoo.inputs(2), rules)
    assert torch.equal(found, torch.full_like(found, 6.0))


# --- What is refused ----------------------------------------------------------------------------------------------

UNKNOWN: dict[str, Callable[[Tensor], Tensor]] = {
    "lgamma": lambda x: torch.lgamma(x.abs() + 1),
    "topk": lambda x: x.topk(1, dim=1).values,  # among several results
    "sort": lambda x: x.sort(dim=1)[0],
    "pow": lambda x: torch.pow(2.0, x * 1),
    "batch_norm": lambda x: F.batch_norm(x, None, None, training=True),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_an_operation_of_no_known_kind_is_refused_by_its_name(name):
    with pytest.raises(
        ExplainError, match=f"the thrice rules have none for the operation '{name}'.*integrated-gradients"
    ):
        gradient(UNKNOWN[name], zoo.inputs(2))


@pytest.mark.parametrize("name", UNKNOWN)
def test_or_keeps_its_own_gradient(name):
    lenient, x = RuleSet("lenient", {"activation": scaled(1.0)}, strict=False), zoo.inputs(2)
    y, found = gradient(UNKNOWN[name], x, lenient)
    leaf = x.clone().requires_grad_()
    plain = UNKNOWN[name](leaf)
    torch.testing.assert_close(y, plain.detach())
    torch.testing.assert_close(found, torch.autograd.grad(plain.sum(), leaf)[0])


@pytest.mark.parametrize(
    "forward",
    [
        lambda x: x * CONSTANT.lgamma(),
        lambda x: x * torch.ones_like(x.detach()) + x.new_zeros(()) * torch.zeros_like(x > 0),
        lambda x: (x if bool((x > 0).any()) else -x).masked_fill(x.isnan(), 0.0),
        lambda x: x.type_as(x.detach()).expand_as(x > 0),
        lambda x: x.view(x.size(0), -1)[:, : x.shape[1]],
    ],
)
def test_what_has_no_gradient_needs_no_rule(forward):
    gradient(forward, zoo.inputs(2))


@pytest.mark.parametrize("momentum", [0.1, None])
def test_batch_norm_is_linear_with_statistics_of_its_own_and_unknown_with_those_of_the_batch(momentum):
    norm, x = nn.BatchNorm2d(3, momentum=momentum).requires_grad_(False), zoo.inputs(4)
    norm.running_var.fill_(4.0)
    _, found = gradient(norm.eval(), x)
    torch.testing.assert_close(found, torch.full_like(x, 0.5), rtol=1e-5, atol=0)
    with pytest.raises(ExplainError, match="batch_norm"):
        gradient(norm.train(), x)
    with pytest.raises(ExplainError, match="batch_norm"):
        gradient(nn.BatchNorm2d(3, track_running_stats=False, affine=False).eval(), x)


# --- What never changes -------------------------------------------------------------------------------------------

RULE_SETS = [
    PLAIN,
    GUIDED,
    References().recording,
    composite("ε", epsilon(1e-6), epsilon(1e-6)),
    composite("γ", gamma(0.25), gamma(0.25)),
    composite("z⁺ flat", z_plus, epsilon(1e-6), flat),
    constant_attention("CP-LRP", gamma(0.25), epsilon(1e-6)),
]


@pytest.mark.parametrize("rules", RULE_SETS, ids=lambda rules: rules.name)
@pytest.mark.parametrize("name", zoo.SOUND)
def test_no_rule_set_changes_what_a_network_says(name, rules):
    network, x = zoo.network(name).double().eval(), zoo.inputs(4).double()
    wanted = zoo.head(name).read(network(x.clone())).detach()
    with frozen(network), applying(rules):
        found = zoo.head(name).read(network(x.clone().requires_grad_().clone()))
    torch.testing.assert_close(found.detach(), wanted, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", zoo.SOUND)
def test_without_rules_the_gradient_is_the_networks_own(name):
    network, x = zoo.network(name).double().eval(), zoo.inputs(2).double()
    leaf = x.clone().requires_grad_()
    wanted = torch.autograd.grad(zoo.head(name).read(network(leaf.clone()))[:, 1].sum(), leaf)[0]
    with frozen(network):
        _, found = gradient(lambda x: zoo.head(name).read(network(x))[:, 1], x, RuleSet("none", strict=False))
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_the_callers_grad_mode_does_not_matter(mode):
    with mode(), applying(THRICE):
        leaf = zoo.inputs(2).requires_grad_()
        y = leaf.clone().relu_()
        assert torch.equal(torch.autograd.grad(y.sum(), leaf)[0], torch.full_like(leaf, 3.0))


@pytest.mark.parametrize("error", [ExplainError, RuntimeError, KeyboardInterrupt])
def test_the_mode_ends_with_its_context(error):
    before = torch._C._len_torch_function_stack()
    with pytest.raises(error), torch.no_grad(), applying(THRICE):
        raise error
    assert torch._C._len_torch_function_stack() == before
    assert torch.is_grad_enabled()
    x = zoo.inputs(2).requires_grad_()
    assert torch.equal(torch.autograd.grad(x.relu().sum(), x)[0], (x > 0).float())


@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt])
def test_flags_of_parameters_are_put_back(error):
    network = layers()
    network[2].weight.requires_grad_(False)
    before = [parameter.requires_grad for parameter in network.parameters()]

    def inside() -> None:
        with frozen(network):
            assert not any(parameter.requires_grad for parameter in network.parameters())
            if error:
                raise error

    if error:
        with pytest.raises(error):
            inside()
    else:
        inside()
    assert [parameter.requires_grad for parameter in network.parameters()] == before


# --- Gradients, and how they lie in memory ------------------------------------------------------------------------


GAMMA, Z_PLUS = composite("γ", gamma(0.25), gamma(0.25)), composite("z⁺", z_plus, z_plus)


def channels_last(tensor: Tensor) -> bool:
    return tensor.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("given", [torch.channels_last, torch.contiguous_format])
def test_a_gradient_lies_in_memory_as_the_activation_does(given):
    leaf = zoo.inputs(4).contiguous(memory_format=torch.channels_last).requires_grad_()
    y = with_slope(leaf, torch.relu, lambda u, y: (u > 0).float())
    assert channels_last(y)
    (found,) = torch.autograd.grad(y, leaf, torch.randn(4, 3, 32, 32).contiguous(memory_format=given))
    assert channels_last(found)


def compared(network: nn.Module, x: Tensor) -> RuleSet:
    """DeepLIFT's rules for `x`, against a shifted one."""
    references = References()
    with applying(references.recording):
        network((x + 0.1).requires_grad_())
    return references.comparing


@pytest.mark.parametrize("rules", [THRICE, compared, composite("ε", epsilon(1e-6), epsilon(1e-6)), GAMMA, Z_PLUS])
def test_it_stays_channels_last_through_a_network(rules):
    """Global pooling and flattening hand back gradients that lie otherwise."""
    seen: list[bool] = []

    class Watched(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Linear(4 * 28 * 28, 2)

        def forward(self, x: Tensor) -> Tensor:
            for layer in (self.first, self.second):
                y = layer(x)
                y.register_hook(lambda gradient: seen.append(channels_last(gradient)))
                x = F.relu(y)
            return self.head(x.flatten(1))

    network, x = (
        Watched().to(memory_format=torch.channels_last),
        zoo.inputs(4).contiguous(memory_format=torch.channels_last),
    )
    with frozen(network):
        gradient(network, x, rules if isinstance(rules, RuleSet) else rules(network, x))
    assert seen == [True, True]


def test_a_surrogate_has_one_value_and_the_gradient_of_another():
    x = zoo.inputs(2).requires_grad_()
    y = surrogate(5 * x, lambda: x.detach().square())
    assert torch.equal(y, x.detach().square())
    assert torch.equal(torch.autograd.grad(y.sum(), x)[0], torch.full_like(x, 5.0))
