"""What no rule sees is refused by name: operations that went past the engine, choices that depend on the picture."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

import zoo
from seewhy.engines import Differentiable, References, RuleSet, applying
from seewhy.engines.rule_sets import composite, constant_attention, epsilon, flat, gamma, z_plus
from seewhy.errors import ExplainError
from seewhy.methods.gradients import GUIDED
from seewhy.models import Classifier, Preprocessing, Target

pytestmark = pytest.mark.usefixtures("one_thread")

LRP = composite("LRP", epsilon(1e-6), epsilon(1e-6))
SETS = [
    LRP,
    composite("γ", gamma(0.25), gamma(0.05)),
    composite("z⁺ flat", z_plus, epsilon(1e-6), flat),
    constant_attention("CP-LRP", gamma(0.25), epsilon(1e-6)),
    GUIDED,
    References().recording,
]
Operation = Callable[[Tensor], Tensor]


class Network(nn.Module):
    """Some operation between a convolution and the scores."""

    def __init__(self, operation: Operation) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.operation, self.head = nn.Conv2d(3, 6, 4, 4), operation, nn.LazyLinear(3)
        with torch.no_grad():
            self(torch.zeros(2, 3, 16, 16))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.operation(self.first(x)).flatten(1))


def gradients(operation: Operation, rules: RuleSet) -> Tensor:
    """∂ score / ∂ picture of the network under the rules, and the network's own answers meanwhile."""
    network = Differentiable(Classifier.from_module(Network(operation).eval(), Preprocessing(size=(16, 16))))
    _, (found,) = network.gradients(zoo.inputs(2)[..., :16, :16], [Target(1)], rules)
    return found


# --- Operations that went past the engine -------------------------------------------------------------------------


class Swish(torch.autograd.Function):
    """The memory-saving swish of older networks."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x.sigmoid()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        s = x.sigmoid()
        return gradients[0] * (s * (1 + x * (1 - s)))


class Sum(torch.autograd.Function):
    """One that is called as a linear operation is, and is none."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.square()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return 2 * gradients[0] * ctx.saved_tensors[0]


def in_a_thread(x: Tensor) -> Tensor:
    """A ReLU in a thread of the network's own, where no mode reaches."""
    found: list[Tensor] = []
    thread = threading.Thread(target=lambda: found.append(F.relu(x)))
    thread.start()
    thread.join()
    return found[0]


@torch.jit.script
def scripted(x: Tensor) -> Tensor:
    return torch.relu(x) * 2


UNSEEN: dict[str, tuple[str, Operation]] = {
    "autograd.Function": ("Swish", Swish.apply),
    "autograd.Function with a common name": ("Sum", Sum.apply),
    "scripted function": ("Mul", scripted),
    "traced module": (
        "Convolution",
        torch.jit.trace(nn.Conv2d(6, 6, 1).requires_grad_(False), torch.zeros(1, 6, 4, 4)),
    ),
    "another thread": ("Relu", in_a_thread),
    "vmap": ("Gelu", torch.vmap(F.gelu)),
    "nested in a checkpoint": ("Swish", lambda x: checkpoint(Swish.apply, x, use_reentrant=False)),
}


@pytest.mark.parametrize("rules", SETS, ids=lambda rules: rules.name)
@pytest.mark.parametrize("name", UNSEEN)
def test_what_no_rule_saw_is_refused_by_name(name, rules):
    operation, forward = UNSEEN[name]
    with pytest.raises(ExplainError, match=f"no rule of .* saw the operation '{operation}'"):
        gradients(forward, rules)


@pytest.mark.parametrize("name", UNSEEN)
def test_and_without_rules_has_its_own_gradient(name):
    assert gradients(UNSEEN[name][1], RuleSet("none")).any()


def test_linear_operations_need_not_be_seen():
    """Sums, moves and repeats of TorchScript are exact in any set."""
    moved = torch.jit.script(lambda_moved)
    torch.testing.assert_close(gradients(moved, LRP), gradients(lambda_moved, LRP))


def lambda_moved(x: Tensor) -> Tensor:
    return torch.cat([x.permute(0, 2, 3, 1) + 1, x.mean(1, keepdim=True).permute(0, 2, 3, 1)], -1).flatten(1)


def test_weights_that_are_no_parameters_of_the_network_are_no_fault():
    """A layer in a plain list keeps `requires_grad`."""
    hidden, weight = [nn.Conv2d(6, 6, 1)], nn.Parameter(torch.randn(6, 1, 1))
    plain = [nn.Conv2d(6, 6, 1).requires_grad_(False)]
    plain[0].load_state_dict(hidden[0].state_dict())
    wanted = gradients(lambda x: plain[0](x) * weight.data, LRP)
    torch.testing.assert_close(gradients(lambda x: hidden[0](x) * weight, LRP), wanted)


def test_what_a_network_keeps_of_its_weights_is_no_fault():
    """LeViT keeps its attention biases, chosen from a parameter before any rule was on."""
    biases = nn.Parameter(torch.randn(6, 4))
    cached = biases[:, torch.tensor([0, 2, 1, 3])].exp()
    constant = cached.detach()
    wanted = gradients(lambda x: x + constant[:, None], LRP)
    torch.testing.assert_close(gradients(lambda x: x + cached[:, None], LRP), wanted)


def test_the_check_sees_what_is_computed_of_the_scores():
    with applying(LRP) as mode:
        scores = zoo.inputs(2).requires_grad_().clone().sum((2, 3))
        mode.check([scores[:, 1].sum() - scores[:, 2].sum()])
        with pytest.raises(ExplainError, match="'Swish'"):
            mode.check([Swish.apply(scores).sum()])


# --- Choices that depend on the picture ---------------------------------------------------------------------------


def assigned(x: Tensor) -> Tensor:
    y = x.clone()
    y[y < 0] = 0
    return y


def scaled_in_place(x: Tensor) -> Tensor:
    y = x.clone()
    y[y < 0] *= 0.1
    return y


def written(x: Tensor) -> Tensor:
    mask = torch.zeros(x.shape)
    mask[:, 1:][x[:, 1:] > 0] = 1
    return x * mask


def without_recording(x: Tensor) -> Tensor:
    with torch.no_grad():
        scale = x.std(1, keepdim=True)
    return x / scale


CHOICES: dict[str, tuple[str, Operation]] = {
    "where": ("gt", lambda x: torch.where(x > 0, x, x / 5)),
    "where, zeros": ("ge", lambda x: torch.where(x >= 0, x, torch.zeros_like(x))),
    "masked_fill": ("lt", lambda x: x.masked_fill(x < 0, 0.0)),
    "masked_fill in place": ("lt", lambda x: x.clone().masked_fill_(x < 0, 0.0)),
    "masked_scatter": ("lt", lambda x: x.masked_scatter(x < 0, torch.zeros_like(x))),
    "masked_select": ("gt", lambda x: x.masked_select(x > -9).view(x.shape)),
    "times a mask": ("gt", lambda x: x * (x > 0)),
    "times a mask of floats": ("gt", lambda x: x * (x > 0).float()),
    "times a mask of another type": ("gt", lambda x: x * (x > 0).to(x.dtype)),
    "times an inverted mask": ("lt", lambda x: x * ~(x < 0)),
    "times two masks": ("gt", lambda x: x * torch.logical_and(x > 0, x < 9)),
    "plus a mask": ("gt", lambda x: x + (x > 0)),
    "beside a mask": ("gt", lambda x: torch.cat([x, (x > 0).float()], 1)),
    "row by row": ("gt", lambda x: torch.stack([row * (row > 0) for row in x])),
    "equal to the largest": ("eq", lambda x: x * x.eq(x.amax(1, keepdim=True))),
    "assignment": ("lt", assigned),
    "assignment in place": ("lt", scaled_in_place),
    "index_put": ("lt", lambda x: x.index_put((x < 0,), torch.tensor(0.0))),
    "a mask written into zeros": ("gt", written),
    "gather by argmax": ("argmax", lambda x: x.gather(1, x.argmax(1, keepdim=True))),
    "gather by max": ("max", lambda x: x.gather(1, x.max(1, keepdim=True)[1])),
    "take_along_dim by argsort": ("argsort", lambda x: torch.take_along_dim(x, x.argsort(1), 1)),
    "index_select": ("argsort", lambda x: x.index_select(1, x.mean((0, 2, 3)).argsort())),
    "index": ("argsort", lambda x: x[:, x.mean((0, 2, 3)).argsort()]),
    "nonzero": ("gt", lambda x: x[:, (x.mean((0, 2, 3)) > -9).nonzero()[:, 0]]),
    "scatter": ("argsort", lambda x: torch.zeros_like(x).scatter(1, x.argsort(1), x)),
    "one_hot": ("argmax", lambda x: x * F.one_hot(x.argmax(1), 6).movedim(-1, 1)),
    "whole numbers": ("long", lambda x: x + x.long()),
    "detached": ("detach", lambda x: x / x.detach().abs().sum(1, keepdim=True)),
    "straight through": ("detach", lambda x: x + (x.round() - x).detach()),
    "data": ("data", lambda x: x * x.data.sigmoid()),
    "a copy of the data": ("detach", lambda x: x * x.detach().clone().requires_grad_().sigmoid()),
    "no_grad": ("std", without_recording),
}


@pytest.mark.parametrize("rules", [LRP, GUIDED, References().recording], ids=lambda rules: rules.name)
@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_that_depends_on_the_picture_is_refused_by_name(name, rules):
    maker, forward = CHOICES[name]
    with pytest.raises(ExplainError, match=f"uses what '{maker}' made of the picture"):
        gradients(forward, rules)


@pytest.mark.parametrize(
    ("name", "forward"),
    [
        ("item", lambda x: x / x.abs().max().item()),
        ("int", lambda x: x[:, int(x.mean((0, 2, 3)).argmax()) :][:, :1]),
        ("float", lambda x: x * float(x.sum())),
        ("tolist", lambda x: x[:, x.mean((0, 2, 3)).argsort().tolist()]),
    ],
)
def test_a_number_read_off_the_picture_is_refused_by_name(name, forward):
    with pytest.raises(ExplainError, match=f"'{name}' takes a number that depends on the picture"):
        gradients(forward, LRP)


def windows(x: Tensor) -> Tensor:
    """A mask of windows made of shapes, as in Swin."""
    places = torch.zeros((1, *x.shape[2:]), device=x.device, dtype=x.dtype)
    places[:, 2:] = 1
    mask = (places.flatten()[None] - places.flatten()[:, None]).masked_fill(places.flatten()[None] != 0, -9.0)
    return x.flatten(2) @ torch.where(mask == 0, 0.0, mask)


KEPT: dict[str, Operation] = {
    "a mask of windows": windows,
    "a mask of ones": lambda x: x.masked_fill(torch.ones_like(x > 0).logical_not(), 0.0),
    "zeros of the same shape": lambda x: x + torch.zeros_like(x.detach()) + x.new_zeros(x.shape),
    "a type like": lambda x: x.type_as(x.detach()).expand_as(x > 0),
    "a constant of the same shape": lambda x: x * torch.arange(4.0).expand_as(x).to(x).type_as(x),
    "constants broadcast": lambda x: torch.mul(*torch.broadcast_tensors(x, torch.arange(4.0))),
    "places of the same shape": lambda x: x.scatter(1, torch.arange(4).view(1, 4, 1, 1).expand_as(x[:, :4]), 0.0),
    "what is not finite": lambda x: x.masked_fill(x.isnan(), 0.0),
    "an assertion": lambda x: x if bool(x.isfinite().all()) and bool((x > -1e9).all()) else -x,
    "a detached copy that is kept": lambda x: (kept.append(x.detach()), x)[1],
    "indices of a constant": lambda x: x[:, torch.arange(6.0).neg().argsort()],
}
kept: list[Tensor] = []


@pytest.mark.parametrize("name", KEPT)
def test_what_only_looks_like_a_choice_is_left_alone(name):
    assert gradients(KEPT[name], LRP).any()
    assert not any(each.requires_grad for each in kept)


def test_the_largest_is_known_to_rules_while_its_place_is_not_used():
    torch.testing.assert_close(
        gradients(lambda x: x.max(1)[0], LRP), gradients(lambda x: x.amax(1), LRP), rtol=1e-5, atol=1e-7
    )


# --- Answers without a gradient -----------------------------------------------------------------------------------


def unrecorded(x: Tensor) -> Tensor:
    with torch.inference_mode():
        return x * 2


CUT: dict[str, tuple[str, Operation]] = {
    "detach": ("detach", Tensor.detach),
    "inference_mode": ("mul", unrecorded),
    "argmax": ("argmax", lambda x: F.one_hot(x.argmax(1), 6).movedim(-1, 1).float()),
    "NumPy": ("PyTorch", lambda x: torch.from_numpy(x.detach().numpy())),
}


@pytest.mark.parametrize("rules", [None, LRP, GUIDED], ids=lambda rules: rules.name if rules else "gradient")
@pytest.mark.parametrize("name", CUT)
def test_an_answer_that_autograd_does_not_know_is_refused(name, rules):
    maker, forward = CUT[name]
    with pytest.raises(ExplainError, match=f"not through autograd: .*{maker}"):
        gradients(forward, rules)


def test_a_network_that_answers_always_alike_has_gradients_of_zero():
    assert not gradients(lambda x: torch.ones(len(x), 4), LRP).any()


# --- Work in place ------------------------------------------------------------------------------------------------


MADE: dict[str, Operation] = {
    "relu": F.relu,
    "gelu": F.gelu,
    "max pool": lambda x: F.max_pool2d(x, 3, 1, 1),
    "average pool": lambda x: F.avg_pool2d(x, 3, 1, 1),
    "product": lambda x: x * x.sigmoid(),
    "einsum": lambda x: torch.einsum("nchw,ncwv->nchv", [x, x]),
    "softmax": lambda x: x.softmax(1),
    "layer norm": lambda x: F.layer_norm(x, (4,)),
    "normalize": F.normalize,
    "attention": lambda x: F.scaled_dot_product_attention(x, x, x),
    "largest": lambda x: torch.maximum(x, -x),
    "convolution": nn.Conv2d(6, 6, 1).requires_grad_(False),
    "dense": lambda x: DENSE(x.contiguous()),  # whose result is a view
    "channels joined": lambda x: torch.einsum("nchw,cd->ndhw", x, torch.eye(6)),
}
DENSE = nn.Linear(4, 4).requires_grad_(False)
CONSTANT = torch.arange(16.0).view(4, 4) % 3 > 0


def sliced(y: Tensor, x: Tensor) -> Tensor:
    y[:, :2] += x[:, :2]
    return y


WORK: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]]] = {
    "+=": (Tensor.add_, Tensor.add),
    "*=": (Tensor.mul_, Tensor.mul),
    "relu": (lambda y, x: F.relu(y, inplace=True), lambda y, x: F.relu(y)),
    "masked_fill": (lambda y, x: y.masked_fill_(CONSTANT, 0.0), lambda y, x: y.masked_fill(CONSTANT, 0.0)),
    "a part": (sliced, lambda y, x: torch.cat([y[:, :2] + x[:, :2], y[:, 2:]], 1)),
    "the input": (lambda y, x: y + x.relu_(), lambda y, x: y + x.relu()),
}


RULES = ["DeepLIFT", None, *SETS[:5]]


@pytest.mark.parametrize(
    ("made", "work", "rules"),
    [  # two of the rules on each pair, all of them in time
        pytest.param(made, work, rules, marks=() if (row + column + number) % 7 in {0, 3} else pytest.mark.heavy)
        for row, made in enumerate(MADE)
        for column, work in enumerate(WORK)
        for number, rules in enumerate(RULES)
    ],
    ids=lambda each: getattr(each, "name", str(each)),
)
def test_what_a_rule_gave_may_be_overwritten(made, work, rules):
    make, (in_place, plain) = MADE[made], WORK[work]
    found, wanted = (
        changes(lambda x, how=how: how(make(x), x))
        if rules == "DeepLIFT"
        else gradients(lambda x, how=how: how(make(x), x), rules)
        for how in (in_place, plain)
    )
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5 * float(wanted.abs().max()))


def changes(operation: Operation) -> Tensor:
    """DeepLIFT's multipliers of one picture against another."""
    network = Differentiable(Classifier.from_module(Network(operation).eval(), Preprocessing(size=(16, 16))))
    x, other = (zoo.inputs(2, seed=seed)[..., :16, :16] for seed in (0, 1))
    references = References.of(lambda rules: network.gradients(other, (), rules))
    return network.gradients(x, [Target(1)], references.comparing)[1][0]
