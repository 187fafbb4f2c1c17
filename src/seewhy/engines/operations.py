"""What kind each operation of PyTorch is, for the backward-rule engine."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any, Literal

from torch import Tensor
from torch.nn import functional as F

Kind = Literal[
    "activation",  # elementwise in its first argument
    "max_pool",
    "product",  # bilinear in two tensors
    "division",
    "softmax",
    "layer_norm",
    "group_norm",
    "normalize",
    "attention",
    "multi_head_attention",
    "convolution",
    "dense",
    "linear",  # in the data, whatever its constants: autograd is exact
]

_MEMBERS: dict[Kind, str] = {
    "activation": """relu relu6 hardtanh leaky_relu elu selu celu gelu silu mish sigmoid logsigmoid tanh hardswish
        hardsigmoid softplus softsign threshold exp expm1 log log1p sqrt rsqrt reciprocal square pow __pow__ __rpow__
        __rdiv__ __rtruediv__ abs clamp clamp_min clamp_max clip erf sin cos""",
    "max_pool": "max_pool2d adaptive_max_pool2d",
    "product": "mul __mul__ __rmul__ multiply matmul __matmul__ bmm mm einsum",
    "division": "div __truediv__ true_divide divide",
    "softmax": "softmax",
    "layer_norm": "layer_norm",
    "group_norm": "group_norm",
    "normalize": "normalize",
    "attention": "scaled_dot_product_attention",
    "multi_head_attention": "multi_head_attention_forward",
    "convolution": "conv1d conv2d conv3d conv_transpose2d",
    "dense": "linear addmm",
    "linear": """unflatten add __add__ __radd__ sub __sub__ __rsub__ rsub subtract neg __neg__ mean sum cumsum cat
        concat stack hstack vstack flatten reshape reshape_as view view_as permute transpose swapaxes movedim t
        squeeze unsqueeze expand expand_as repeat repeat_interleave chunk split tensor_split unbind
        getitem __getitem__ select narrow index_select gather take_along_dim masked_fill where roll flip
        rot90 pad unfold fold contiguous clone to type_as float double half bfloat16 cpu cuda avg_pool2d
        adaptive_avg_pool2d batch_norm dropout dropout2d dropout3d alpha_dropout interpolate upsample
        pixel_shuffle pixel_unshuffle channel_shuffle detach tril triu diagonal setitem
        __setitem__ copy zero requires_grad""",
}

KINDS: dict[str, Kind] = {name: kind for kind, names in _MEMBERS.items() for name in names.split()}

# Functions that PyTorch wraps so that they lost their names.
_NAMELESS = {
    id(F.max_pool2d): "max_pool2d",
    id(F.adaptive_max_pool2d): "adaptive_max_pool2d",
    id(F.threshold): "threshold",
}


def operation_name(function: Callable[..., Any]) -> str:
    """The operation's name without the underscore that marks work in place: `relu` for `torch.relu_`."""
    name = _NAMELESS.get(id(function)) or getattr(function, "__name__", str(function))
    if name.startswith("__i") and f"__{name[3:]}" in KINDS:
        return f"__{name[3:]}"
    return name if name.startswith("__") else name.removesuffix("_")


@cache
def out_of_place(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same operation without work in place: `torch.relu` for `torch.relu_`, `Tensor.mul` for `Tensor.__imul__`."""
    name = getattr(function, "__name__", "")
    plain = operation_name(function)
    if name in {plain, ""} or id(function) in _NAMELESS:
        return function
    return getattr(Tensor, plain)


@cache
def inplace_position(function: Callable[..., Any]) -> int | None:
    """Where a function of `torch.nn.functional` takes its `inplace` flag, if it has one."""
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # built in
        return None
    return names.index("inplace") if "inplace" in names else None
