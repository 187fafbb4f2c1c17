"""What PyTorch's operations are said to be, against what they do, and how the engine comes to know them."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from seewhy.engines.rules import KINDS, inplace_position, operation_name, out_of_place

pytestmark = pytest.mark.usefixtures("one_thread")

LEFT = torch.randn((2, 4, 6, 6), generator=torch.Generator().manual_seed(0)).double()
RIGHT = torch.randn((2, 4, 6, 6), generator=torch.Generator().manual_seed(1)).double()
MASK = LEFT > RIGHT
LAST = torch.tensor([3])
LINEAR: dict[str, Callable[[Tensor], Tensor]] = {
    "add": lambda x: x + 3,
    "__radd__": lambda x: 3 + x,
    "add, in place": lambda x: x.clone().add_(x, alpha=2),
    "sub": lambda x: x - RIGHT,
    "__rsub__": lambda x: RIGHT - x,
    "neg": lambda x: -x,
    "mean": lambda x: x.mean((2, 3)),
    "sum": lambda x: x.sum(1, keepdim=True),
    "cumsum": lambda x: x.cumsum(1),
    "cat": lambda x: torch.cat([x, RIGHT, 2 + x], 1),
    "stack": lambda x: torch.stack([x, x], 1),
    "flatten": lambda x: x.flatten(1),
    "unflatten": lambda x: x.unflatten(1, (2, 2)),
    "reshape": lambda x: x.reshape(2, -1),
    "view": lambda x: x.view(2, 2, -1),
    "permute": lambda x: x.permute(0, 2, 3, 1),
    "transpose": lambda x: x.transpose(1, 2),
    "squeeze": lambda x: x[:, :1].squeeze(1),
    "expand": lambda x: x[:, None].expand(-1, 3, -1, -1, -1),
    "repeat": lambda x: x.repeat(1, 2, 1, 1),
    "chunk": lambda x: x.chunk(2, 1)[1],
    "split": lambda x: x.split([1, 3], 1)[1],
    "unbind": lambda x: x.unbind(1)[2],
    "getitem": lambda x: x[:, [3, 0], ::2],
    "index_select": lambda x: x.index_select(1, torch.tensor([2, 2])),
    "gather": lambda x: x.gather(1, MASK.long()),
    "masked_fill": lambda x: x.masked_fill(MASK, 7.0),
    "where": lambda x: torch.where(MASK, x, RIGHT),
    "roll": lambda x: x.roll((1, 2), (2, 3)),
    "flip": lambda x: x.flip(3),
    "pad": lambda x: F.pad(x, (1, 2, 0, 1), mode="reflect"),
    "unfold": lambda x: F.unfold(x, 2),
    "avg_pool2d": lambda x: F.avg_pool2d(x, 3, 2, padding=1),
    "adaptive_avg_pool2d": lambda x: F.adaptive_avg_pool2d(x, 4),
    "batch_norm": lambda x: F.batch_norm(x, RIGHT[0, :, 0, 0], RIGHT[0, :, 1, 1].abs(), RIGHT[0, :, 2, 2]),
    "dropout": lambda x: F.dropout(x, training=False),
    "interpolate": lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"),
    "pixel_shuffle": lambda x: F.pixel_shuffle(x, 2),
    "tril": lambda x: x.tril(),
    "diagonal": lambda x: x.diagonal(0, 2, 3),
    "clone": lambda x: x.contiguous().clone().to(torch.float64),
    "setitem": lambda x: (y := RIGHT.clone(), operator.setitem(y, (slice(None), 0), x[:, 1]))[0],
    "copy": lambda x: torch.zeros_like(x).copy_(x),
    "attributes": lambda x: x.mT + x[0, 0].T.mH.real,
    "diff": lambda x: x.diff(dim=1),
    "trapezoid": lambda x: torch.trapezoid(x) + torch.trapz(x) + torch.cumulative_trapezoid(x)[..., -1],
    "stacks": lambda x: torch.concatenate(
        [torch.dstack([x, x]).mT, torch.column_stack([x, x]).reshape(2, 4, 6, 12)], 2
    ),
    "splits": lambda x: torch.dsplit(torch.hsplit(x, 2)[0], 2)[0].unsafe_chunk(2)[1].split_with_sizes([1])[0],
    "moves": lambda x: x.swapdims(1, 2).moveaxis(1, 3).ravel().tile(2).broadcast_to(3, -1),
    "as_strided": lambda x: x.contiguous().as_strided((2, 3), (144, 7), 2),
    "scatter": lambda x: torch.zeros_like(x).scatter_add(1, MASK.long(), x).index_copy(1, LAST, x[:, :1]),
    "index_put": lambda x: torch.zeros_like(x).index_put((torch.arange(2),), x).index_fill(1, LAST, 3.0),
    "masked_scatter": lambda x: RIGHT.masked_scatter(MASK, x),
    "diagonals": lambda x: torch.diag_embed(x[:, :, 0]) + x[0, 0].trace() + x[0, 0].diag().sum(),
    "pools": lambda x: F.adaptive_avg_pool1d(x[0], 2) + F.avg_pool1d(x[1], 3) + F.avg_pool3d(x, (1, 1, 3))[0],
    "fourier": lambda x: torch.fft.irfft2(torch.fft.rfft2(x) * (2 + 1j)) + torch.view_as_real(torch.fft.fft(x))[..., 1],
    "type": lambda x: +x.type(torch.float64).double(),
    "nan_to_num": lambda x: x.nan_to_num() + x.nanmean(),
}
ARGUMENTS: dict[str, tuple[float, ...]] = {
    "threshold": (0.2, 0.1),
    "pow": (2,),
    "__pow__": (2,),
    "__rpow__": (2,),
    "__rdiv__": (2,),
    "__rtruediv__": (2,),
    "clamp": (-0.5, 0.5),
    "clip": (-0.5, 0.5),
    "clamp_min": (0.1,),
    "clamp_max": (0.1,),
    "prelu": (torch.tensor([0.2]).double(),),
    "float_power": (0.5,),
    "fmod": (0.3,),
    "remainder": (0.3,),
    "__mod__": (0.3,),
    "copysign": (-2,),
}
POSITIVE = ["log", "log2", "log10", "log1p", "sqrt", "rsqrt", "float_power", "special_log1p", "special_entr"]
UNIT = ["logit", "erfinv", "asin", "acos", "atanh", "arcsin", "arccos", "arctanh"]
UNIT += ["special_logit", "special_erfinv", "special_ndtri"]
HOMES = {"special_": torch.special, "fft_": torch.fft, "linalg_": torch.linalg}


def inside(name: str, x: Tensor) -> Tensor:
    """Positive numbers `x`, moved to where the function called `name` is defined."""
    return x / (1 + x) if name in UNIT else 1 + x if name in {"acosh", "arccosh"} else x


class Recording(TorchFunctionMode):
    """Notes the name of every operation."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.names.append(operation_name(func))
        return func(*args, **(kwargs or {}))


def homes(name: str) -> list[tuple[Any, str]]:
    """Where PyTorch may keep the function called `name`, and its name there."""
    if name == "log_sigmoid":  # as it names itself
        return [(F, "logsigmoid")]
    inner = [(home, name.removeprefix(prefix)) for prefix, home in HOMES.items() if name.startswith(prefix)]
    return [*inner, (F, name), (torch, name), (Tensor, name), (torch.ops.aten, name)]


def found(name: str) -> Callable[..., Any]:
    """The function called `name`, wherever PyTorch keeps it."""
    return next(getattr(home, each) for home, each in homes(name) if hasattr(home, each))


# --- Kinds --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LINEAR)
def test_what_is_linear_maps_lines_to_lines(name):
    call = LINEAR[name]
    middle = call(0.25 * LEFT + 0.75 * RIGHT)
    torch.testing.assert_close(middle, 0.25 * call(LEFT.clone()) + 0.75 * call(RIGHT.clone()), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", LINEAR)
def test_what_is_linear_is_known_to_be(name):
    with Recording() as seen:
        LINEAR[name](LEFT.clone())
    unknown = [each for each in seen.names if KINDS.get(each) != "linear"]
    assert set(unknown) <= {"long", "abs", "zeros_like", "tensor", "arange", "dim", "__mul__", "mul"}, (
        "which the data do not go through"
    )


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind == "activation"])
def test_an_activation_works_on_each_number_by_itself(name):
    def call(x: Tensor) -> Tensor:
        return found(name)(x, *ARGUMENTS.get(name, ()))

    x = inside(name, LEFT.abs() + 0.01)
    order = torch.randperm(x.numel(), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(call(x).flatten()[order], call(x.flatten()[order]))
    slopes = torch.autograd.functional.jacobian(call, x[0, 0, 0])
    assert torch.equal(slopes, slopes.diag().diag())


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind == "activation"])
def test_an_activation_is_not_linear(name):
    x = torch.linspace(0.01, 9, 50).double()
    x = inside(name, x) if name in {*POSITIVE, *UNIT, "acosh", "arccosh"} else torch.cat([-x.flip(0), x])
    y = found(name)(x, *ARGUMENTS.get(name, ()))
    bends = (y[2:] - 2 * y[1:-1] + y[:-2]).abs()
    assert bends.max() > 1e-3


@pytest.mark.parametrize("name", KINDS)
def test_every_name_is_one_that_pytorch_has(name):
    assert any(hasattr(home, each) for home, own in homes(name) for each in (own, f"{own}_", f"__{own}__"))


# --- Names --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "name", "plain"),
    [
        (torch.relu, "relu", torch.relu),
        (torch.relu_, "relu", Tensor.relu),
        (F.relu_, "relu", Tensor.relu),
        (Tensor.relu_, "relu", Tensor.relu),
        (F.relu, "relu", F.relu),
        (Tensor.add_, "add", Tensor.add),
        (Tensor.__iadd__, "__add__", Tensor.__add__),
        (Tensor.__imul__, "__mul__", Tensor.__mul__),
        (Tensor.div_, "div", Tensor.div),
        (Tensor.__mul__, "__mul__", Tensor.__mul__),
        (Tensor.__rmul__, "__rmul__", Tensor.__rmul__),
        (Tensor.__invert__, "__invert__", Tensor.__invert__),
        (F.max_pool2d, "max_pool2d", F.max_pool2d),
        (F.adaptive_max_pool2d, "adaptive_max_pool2d", F.adaptive_max_pool2d),
        (F.scaled_dot_product_attention, "scaled_dot_product_attention", F.scaled_dot_product_attention),
    ],
    ids=lambda value: value if isinstance(value, str) else "",  # a function's own text may hold its address
)
def test_an_operation_is_named_and_found_without_work_in_place(function, name, plain):
    assert operation_name(function) == name
    assert out_of_place(function) is plain


@pytest.mark.parametrize(
    ("function", "position"),
    [(F.relu, 1), (F.hardtanh, 3), (F.elu, 2), (F.silu, 1), (F.threshold, 3), (F.gelu, None), (F.dropout, 3)],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_where_the_flag_stands(function, position):
    assert inplace_position(function) == position


def test_operations_without_a_signature_have_no_flag():
    assert inplace_position(torch.relu) is None
    assert inplace_position(Tensor.add_) is None


IN_PLACE = [name for name, kind in KINDS.items() if kind == "activation" and hasattr(Tensor, f"{name}_")]


@pytest.mark.parametrize("name", IN_PLACE)
def test_work_in_place_and_not_are_one_operation(name):
    in_place = getattr(Tensor, f"{name}_")
    assert KINDS[operation_name(in_place)] == "activation"
    x, arguments = inside(name, LEFT.abs() + 0.01), ARGUMENTS.get(name, ())
    assert torch.equal(out_of_place(in_place)(x, *arguments), in_place(x.clone(), *arguments))


CALLS: dict[str, Callable[[Tensor], Any]] = {
    "relu": lambda x: torch.nn.ReLU(inplace=True)(x.clone()),
    "mul": lambda x: 2 * x,
    "div": lambda x: operator.itruediv(x.clone(), 2),
    "__rdiv__": lambda x: 2 / x,
    "__rpow__": lambda x: 2**x,
    "max_pool2d": lambda x: F.max_pool2d(x, 2),
    "adaptive_max_pool2d": lambda x: F.adaptive_max_pool2d(x, 2),
    "softmax": lambda x: (x.softmax(1), F.softmax(x, 1), torch.softmax(x, 1)),
    "matmul": lambda x: x @ x,
    "einsum": lambda x: torch.einsum("nchw,nchv->nhwv", x, x),
    "conv2d": lambda x: torch.nn.Conv2d(4, 3, 3).double()(x),
    "linear": lambda x: torch.nn.Linear(6, 3).double()(x),
    "layer_norm": lambda x: torch.nn.LayerNorm(6).double()(x),
    "group_norm": lambda x: torch.nn.GroupNorm(2, 4).double()(x),
    "normalize": lambda x: F.normalize(x),
    "scaled_dot_product_attention": lambda x: F.scaled_dot_product_attention(x, x, x),
    "multi_head_attention_forward": lambda x: torch.nn.MultiheadAttention(6, 2).double()(x[0], x[0], x[0]),
}


@pytest.mark.parametrize("name", CALLS)
def test_what_modules_and_operators_call_is_seen_by_its_name(name):
    with Recording() as seen:
        CALLS[name](LEFT)
    assert name in seen.names
