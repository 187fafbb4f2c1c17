"""DeepLIFT's secants, operation by operation: exact sums, slow literal twins, where floats end."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from seewhy.engines import References, RuleSet, applying, frozen
from seewhy.errors import ExplainError

pytestmark = pytest.mark.usefixtures("one_thread")

Function = Callable[[Tensor], Tensor]


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def shares(f: Function, x: Tensor, reference: Tensor, weights: Tensor | None = None) -> Tensor:
    """(x − r) ⊙ m of the sum of what `f` gives, weighted by random numbers."""

    def run(points: Tensor, rules: RuleSet) -> Tensor:
        with applying(rules):
            return f(points.clone())

    before = References.of(lambda rules: run(reference.clone().requires_grad_(), rules))
    leaf = x.clone().requires_grad_()
    y = run(leaf, before.comparing)
    assert before.complete
    torch.testing.assert_close(y.detach(), f(x.clone()), rtol=1e-9, atol=1e-12)  # the rules change no value
    (found,) = torch.autograd.grad((y * (random(*y.shape, seed=9) if weights is None else weights)).sum(), leaf)
    return (x - reference) * found


def change(f: Function, x: Tensor, reference: Tensor) -> float:
    y = f(x.clone())
    return float(((y - f(reference.clone())) * random(*y.shape, seed=9)).sum())


X, R = random(4, 5, 6), random(4, 5, 6, seed=1)
TWO: Function = lambda x: x.flip(0) * 2 - 1  # noqa: E731 - another tensor that depends on the picture
EXACT: dict[str, Function] = {
    "softmax": lambda x: x.softmax(1),
    "softmax without a dimension": lambda x: torch.cat([F.softmax(x), F.softmax(x[0])[None]]),
    "softmax in another dtype": lambda x: F.softmax(x, -1, dtype=torch.float64),
    "softmin": lambda x: F.softmin(x, 2),
    "log_softmax": lambda x: x.log_softmax(-1),
    "logsumexp": lambda x: x.logsumexp((1, 2)),
    "logsumexp, dimension kept": lambda x: torch.logsumexp(x, dim=1, keepdim=True) * x,
    "logaddexp": lambda x: torch.logaddexp(x, TWO(x)),
    "max": lambda x: x.max(),
    "max, of a dimension": lambda x: x.max(1).values,
    "max, dimension kept": lambda x: torch.max(x, dim=-1, keepdim=True)[0] - x,
    "max, of two": lambda x: torch.max(x, TWO(x)),
    "amax": lambda x: x.amax((1, 2)),
    "amin": lambda x: x.amin(-1, keepdim=True) * x,
    "min": lambda x: x.min() + x.min(2)[0],
    "aminmax": lambda x: x.aminmax(dim=1).max - x.aminmax(dim=1).min,
    "maximum": lambda x: torch.maximum(x, TWO(x)),
    "maximum with a constant": lambda x: torch.maximum(torch.zeros(6).double(), x),
    "maximum, one smaller": lambda x: torch.maximum(x, x[:, :1] + 0.2),
    "minimum": lambda x: torch.minimum(TWO(x), x),
    "fmax, fmin": lambda x: torch.fmax(x, TWO(x)) + torch.fmin(x, x * x),
    "hypot": lambda x: torch.hypot(x, TWO(x)),
    "atan2": lambda x: torch.atan2(x, TWO(x)),
    "max pools": lambda x: F.max_pool1d(x, 2).sum(-1) + F.max_pool2d(x, 2).sum() + F.adaptive_max_pool1d(x, 2)[..., 0],
    "max pool of volumes": lambda x: F.max_pool3d(x[:, None], (1, 2, 3)).sum() + F.adaptive_max_pool3d(x[:, None], 1),
    "max pool with indices": lambda x: F.max_pool1d(x, 3, return_indices=True)[0],
    "adaptive max pool with indices": lambda x: F.adaptive_max_pool2d(x, 2, return_indices=True)[0],
    "overlapping max pool, then work in place": lambda x: F.max_pool1d(x, 3, 1).mul_(2).add_(1),
    "input of a max pool, written over": lambda x: (F.max_pool1d(y := 2 * x, 2).sum(-1), y.relu_())[0],
    "layer_norm": lambda x: F.layer_norm(x, (6,), random(6), random(6, seed=1)),
    "native_layer_norm": lambda x: torch.native_layer_norm(x, (5, 6), None, None, 1e-5)[0],
    "rms_norm": lambda x: F.rms_norm(x, (6,), random(6)),
    "group_norm": lambda x: F.group_norm(x[:, :4], 2),
    "instance_norm": lambda x: F.instance_norm(x),
    "local_response_norm": lambda x: F.local_response_norm(x, 3, alpha=1.0),
    "normalize": lambda x: F.normalize(x, p=3, dim=-1),
    "norms": lambda x: x.norm(dim=1) + torch.linalg.norm(x, 1, 1) + torch.linalg.vector_norm(x, float("inf"), 1),
    "x / |x|": lambda x: x / torch.linalg.matrix_norm(x, keepdim=True),
    "spread": lambda x: x.var(1) + x.std(1) + torch.var_mean(x, 1)[1] * torch.std_mean(x, 1, correction=0)[0],
    "cosine_similarity": lambda x: F.cosine_similarity(x, TWO(x), dim=-1),
    "distances": lambda x: F.pairwise_distance(x, TWO(x)) + torch.cdist(x, TWO(x)).sum(-1),
    "distance to prototypes": lambda x: torch.log((1 + (d := torch.cdist(x, random(3, 6)))) / (d + 1e-4)).amax(1),
    "glu": lambda x: F.glu(x),
    "lp_pool": lambda x: F.lp_pool1d(x.abs() + 0.1, 3.0, 2),
    "prod": lambda x: x.prod(-1),
    "addcmul, addcdiv": lambda x: torch.addcdiv(torch.addcmul(x, x, TWO(x), value=2), x, TWO(x).square() + 1),
    "baddbmm, addbmm": lambda x: torch.baddbmm(x.mT @ x, x.mT, TWO(x)) + torch.addbmm(random(6, 6), x.mT, x),
    "addmm, addmv, addr": lambda x: torch.addmm(x[0], x[1], x[2].T @ x[3]) * torch.addmv(x[0, 0], x[1].T, x[2, :, 0]),
    "lerp": lambda x: torch.lerp(x, TWO(x), x.sigmoid()),
    "bilinear": lambda x: F.bilinear(x, TWO(x), random(3, 6, 6), random(3)),
    "linalg products": lambda x: torch.linalg.matmul(x, TWO(x).mT).sum(-1) + torch.linalg.vecdot(x, TWO(x)),
    "cross": lambda x: torch.linalg.cross(x[..., :3], TWO(x)[..., 3:]),
    "tensordot": lambda x: torch.tensordot(x[0], TWO(x)[1], 2) + torch.inner(x[0, 0], x[1, 1]) * x[0, 1].dot(x[1, 0]),
    "einsum of a list": lambda x: torch.einsum("bij,bkj->bik", [x, TWO(x)]),
    "einsum of three": lambda x: torch.einsum("bij,bkj,bkl->bil", x, TWO(x), x),
    "einsum of three, one constant": lambda x: torch.einsum("bij,jk,bik->bi", x, random(6, 6), TWO(x)),
    "a layer with its own weight": lambda x: F.linear(x, x[0].sigmoid(), random(5)),
    "a convolution with its own weight": lambda x: F.conv1d(x.view(1, 20, 6), x[:, :1, :3].repeat(5, 1, 1), groups=20),
    "a transposed convolution": lambda x: F.conv_transpose1d(x, random(5, 2, 3)).relu(),
    "batch last": lambda x: torch.softmax(x.permute(1, 2, 0), 1).relu().permute(2, 0, 1) * x,
    "picture by picture": lambda x: torch.stack([each.softmax(-1) @ each.T for each in x]),
    "rounding": lambda x: x.round() + x.floor() * x.sign() + x.frac() + x.remainder(0.7),
    "fourier": lambda x: torch.fft.irfft2(torch.fft.rfft2(x) * torch.fft.rfft2(TWO(x))),
    "grid_sample": lambda x: F.grid_sample(x[:, None], random(4, 3, 3, 2).tanh(), align_corners=True).relu(),
    "division, rounded": lambda x: torch.div(x, 0.3, rounding_mode="floor") + x.div(0.3, rounding_mode="trunc"),
    "by name": lambda x: torch.bmm(input=x, mat2=TWO(x).mT).sum(-1) + torch.linalg.vecdot(x=x, y=TWO(x)),
    "by name, composed": lambda x: F.bilinear(input1=x, input2=TWO(x), weight=random(3, 6, 6)).mul(x.norm()),
    "by name, one or two": lambda x: torch.maximum(input=x, other=TWO(x)) + torch.amax(input=x, dim=1, keepdim=True),
    "pools by name": lambda x: F.max_pool1d(kernel_size=2, input=x) + F.softmax(input=x, dim=1)[..., :3],
    "places shaped as the picture": lambda x: x.scatter(1, torch.arange(5)[:, None].expand_as(x), x * x),
    "prelu, rrelu": lambda x: F.prelu(x, random(5)) + F.rrelu(x),
    "activations": lambda x: x.atan() + x.sinh().cosh().asinh() + F.logsigmoid(x) + torch.special.expit(x),
    "powers": lambda x: x.abs().float_power(0.7) + x.exp2().log2() * x.erfc() + F.tanhshrink(F.hardshrink(x)),
}  # fmt: skip


@pytest.mark.parametrize("name", EXACT)
def test_shares_add_up_to_the_change(name):
    found = shares(EXACT[name], X, R)
    assert torch.isfinite(found).all()
    assert float(found.sum()) == pytest.approx(change(EXACT[name], X, R), rel=1e-9, abs=1e-10)


@pytest.mark.parametrize("name", EXACT)
def test_and_do_where_much_of_the_reference_is_the_same(name):
    reference = torch.where(torch.rand(X.shape, generator=torch.Generator().manual_seed(3)) < 0.5, X, R)
    found = shares(EXACT[name], X, reference)
    assert torch.isfinite(found).all()
    assert float(found.sum()) == pytest.approx(change(EXACT[name], X, reference), rel=1e-9, abs=1e-10)


# --- Literal twins ------------------------------------------------------------------------------------------------


def log_mean(p: float, q: float) -> float:
    return p if p == q else (p - q) / (math.log(p) - math.log(q))


def test_softmax_as_written():
    """Δpᵢ = Lᵢ (Δxᵢ − Σ LⱼΔxⱼ / ΣL), one number at a time."""
    x, reference, weights = X[0, :1], R[0, :1], random(1, 6, seed=9)
    p, q = x.softmax(-1)[0], reference.softmax(-1)[0]
    means = [log_mean(float(a), float(b)) for a, b in zip(p, q, strict=True)]
    slopes = [[means[i] * ((i == j) - means[j] / sum(means)) for j in range(6)] for i in range(6)]
    wanted = [sum(float(weights[0, i]) * slopes[i][j] for i in range(6)) for j in range(6)]
    found = shares(lambda x: x.softmax(-1), x, reference, weights)[0]
    torch.testing.assert_close(
        found, (x - reference)[0] * torch.tensor(wanted, dtype=torch.float64), rtol=1e-10, atol=1e-13
    )


def test_softmax_of_equal_scores_has_its_own_gradient():
    leaf = X.clone().requires_grad_()
    y = leaf.softmax(-1)
    (wanted,) = torch.autograd.grad((y * random(*y.shape, seed=9)).sum(), leaf)
    nearly = X + 1e-9
    found = shares(lambda x: x.softmax(-1), nearly, X) / 1e-9
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("f", [torch.maximum, torch.minimum, torch.hypot])
def test_a_function_of_two_is_shared_as_by_shapley(f):
    """Each of two numbers takes the mean of what it changes before and after the other: two players, two orders."""
    a, b, a0, b0 = (random(8, seed=seed) for seed in range(4))
    found = shares(lambda x: f(x[..., 0], x[..., 1]), torch.stack([a, b], -1), torch.stack([a0, b0], -1), torch.ones(8))
    first = (f(a, b) - f(a0, b) + f(a, b0) - f(a0, b0)) / 2
    second = (f(a, b) - f(a, b0) + f(a0, b) - f(a0, b0)) / 2
    torch.testing.assert_close(found, torch.stack([first, second], -1).double(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("reduce", "sign"), [(Tensor.amax, 1), (Tensor.amin, -1)])
@pytest.mark.parametrize("seed", range(5))
def test_winners_share_the_change_as_written(reduce, sign, seed):
    x, reference = random(1, 6, seed=seed), random(1, 6, seed=seed + 50)
    a, b = sign * x[0], sign * reference[0]
    high, low, wanted = a.max(), b.max(), torch.zeros(6).double()
    top = max(high, low)
    wanted[a.argmax()] += sign * (top - low)
    wanted[b.argmax()] += sign * (high - top)
    found = shares(lambda x: reduce(x, 1), x, reference, torch.ones(1))
    torch.testing.assert_close(found[0], wanted, rtol=1e-9, atol=1e-12)


# --- Where floats end ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sharp", [1, 40, 4e3, 1e8])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_softmax_does_not_explode_however_far_the_scores_went(sharp, dtype):
    x, reference = X.to(dtype), R.to(dtype)
    weights = random(*X.shape, seed=9).to(dtype)
    leaf = x.clone().requires_grad_()
    before = References.of(lambda rules: softmax_of(sharp * reference.clone().requires_grad_(), rules))
    y = softmax_of(scores := sharp * leaf, before.comparing)
    (slopes,) = torch.autograd.grad((y * weights).sum(), scores)
    assert float(slopes.abs().max()) <= 2 * float(weights.abs().max())
    wanted = float(((x.double() * sharp).softmax(-1) - (reference.double() * sharp).softmax(-1)).mul(weights).sum())
    found = float((sharp * (x - reference) * slopes).double().sum())
    assert found == pytest.approx(wanted, rel=1e-3 if dtype == torch.float32 else 1e-7)


def softmax_of(scores: Tensor, rules: RuleSet) -> Tensor:
    with applying(rules):
        return scores.softmax(-1)


@given(st.lists(st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4)), min_size=2, max_size=6))
@settings(max_examples=60)
def test_softmax_and_its_logarithm_add_up_for_any_scores(pairs):
    x, reference = torch.tensor(pairs).double().T[:, None].unbind()
    for f in (lambda x: x.softmax(-1), lambda x: x.log_softmax(-1), lambda x: x.logsumexp(-1)):
        found = shares(f, x, reference)
        assert torch.isfinite(found).all()
        assert float(found.sum()) == pytest.approx(change(f, x, reference), rel=1e-7, abs=1e-9)


def test_masked_scores_take_nothing():
    mask = torch.tensor([False, True, False, False, True, False])
    f: Function = lambda x: x.masked_fill(mask, -torch.inf).softmax(-1)  # noqa: E731
    found = shares(f, X, R)
    assert not found[..., mask].any()
    assert float(found.sum()) == pytest.approx(change(f, X, R), rel=1e-9)


def test_what_overflows_on_the_way_and_comes_back_adds_up():
    f: Function = lambda x: (x * 9).exp().exp().log().atan()  # noqa: E731 - e to the power of e^27 is infinite
    x, reference = X.float(), R.float()
    assert torch.isinf((x * 9).exp().exp()).any()
    found = shares_in_float32(f, x, reference)
    assert float(found.sum()) == pytest.approx(float((f(x) - f(reference)).sum()), rel=1e-3)


def shares_in_float32(f: Function, x: Tensor, reference: Tensor) -> Tensor:
    before = References.of(lambda rules: ruled(f, reference.clone().requires_grad_(), rules))
    leaf = x.clone().requires_grad_()
    return (x - reference) * torch.autograd.grad(ruled(f, leaf, before.comparing).sum(), leaf)[0]


def ruled(f: Function, points: Tensor, rules: RuleSet) -> Tensor:
    with applying(rules):
        return f(points.clone())


def test_the_length_of_nothing_has_a_finite_slope():
    x = torch.cat([torch.zeros(1, 5, 6), torch.randn(3, 5, 6)]).double()
    assert torch.isfinite(shares(lambda x: x.norm(dim=-1), x, torch.zeros_like(x))).all()


# --- References ---------------------------------------------------------------------------------------------------


class Turning(nn.Module):
    """Decides by the picture what it computes."""

    def __init__(self, first: Function, second: Function) -> None:
        super().__init__()
        self.first, self.second = first, second

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            way = self.first if float(x.sum()) > 0 else self.second
        return way(x)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (torch.relu, torch.tanh),
        (torch.relu, lambda x: x.relu().tanh()),
        (lambda x: x.relu()[:, :2].tanh(), lambda x: x.relu()[:, 1:].tanh()),
    ],
)
def test_another_way_for_the_picture_than_for_its_reference_is_refused(first, second):
    with pytest.raises((ExplainError, AssertionError), match=r"another way|complete"):
        shares(Turning(first, second), X.abs(), -R.abs())


def test_a_network_that_writes_over_what_its_rules_saw_is_run_again_with_copies():
    def f(x: Tensor) -> Tensor:
        y = 2 * x
        z = y.sigmoid()
        y *= z
        y += 1
        return y.tanh()

    runs: list[str] = []

    def run(rules: RuleSet) -> None:
        runs.append(rules.name)
        ruled(f, R.clone().requires_grad_(), rules)

    References.of(run)
    assert len(runs) == 2
    assert float(shares(f, X, R).sum()) == pytest.approx(change(f, X, R), rel=1e-9)


def test_the_references_keep_no_graph():
    def f(x: Tensor) -> Tensor:
        seen.append(x.sigmoid())
        return seen[-1]

    seen: list[Any] = []
    References.of(lambda rules: ruled(f, R.clone().requires_grad_(), rules))
    assert "Surrogate" in type(seen[0].grad_fn).__name__


def test_complex_numbers_pass_products_only():
    with pytest.raises(ExplainError, match="'abs' on complex numbers"):
        shares(lambda x: torch.fft.rfft2(x).abs(), X, R)


def test_division_by_what_depends_with_a_rounding_mode_is_refused():
    with pytest.raises(ExplainError, match="'div'"):
        shares(lambda x: torch.div(x, x.square() + 1, rounding_mode="floor"), X, R)


def test_places_that_depend_on_the_picture_are_refused():
    grid: Function = lambda x: x[:, :4, :4].reshape(4, 2, 4, 2).tanh()  # noqa: E731
    with pytest.raises(ExplainError, match="positions that depend"):
        shares(lambda x: F.grid_sample(x[:, None], grid(x), align_corners=True), X, R)


def test_batches_of_one_and_of_odd_size():
    f: Function = lambda x: F.layer_norm(x, (6,)).softmax(-1)  # noqa: E731
    for count in (1, 3):
        found = shares(f, X[:count], R[:count])
        assert float(found.sum()) == pytest.approx(change(f, X[:count], R[:count]), rel=1e-9)


def test_a_frozen_network_without_a_rule_runs_as_it_is():
    network = nn.Sequential(nn.Flatten(), nn.Linear(30, 3)).double()
    with frozen(network):
        found = shares(network, X, R)
    wanted = (X - R) * (random(4, 3, seed=9) @ network[1].weight.detach()).view(4, 5, 6)
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-12)
