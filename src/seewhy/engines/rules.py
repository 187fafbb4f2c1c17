"""The backward-rule engine: the network as it is, with another derivative for its non-linear operations.

A `TorchFunctionMode` sees every operation of one forward, whoever calls it: modules, functions, operators, in place
or not, the same activation any number of times. Operations that are linear in the data are left to autograd, which is
exact for them; the others go to the rule that a rule set names for their kind. Nothing is hooked, nothing is changed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from typing_extensions import override

from seewhy.errors import ExplainError

Kind = Literal[
    "activation",  # elementwise in its first argument
    "extremum",  # the greatest or the least of each window or along a dimension
    "pair",  # elementwise in two tensors
    "product",  # bilinear in two tensors
    "division",
    "softmax",
    "logsumexp",
    "composed",  # of operations that have rules
    "sampling",  # linear in its first argument alone
    "convolution",
    "dense",
    "linear",  # in the data, whatever its constants: autograd is exact
]

_MEMBERS: dict[Kind, str] = {
    "activation": """relu relu6 hardtanh leaky_relu prelu rrelu elu selu celu gelu silu mish sigmoid log_sigmoid tanh
        hardswish hardsigmoid softplus softsign threshold hardshrink softshrink tanhshrink exp exp2 expm1 log log2 log10
        log1p logit sqrt rsqrt reciprocal square pow float_power __pow__ __rpow__ __rdiv__ __rtruediv__ abs absolute
        clamp clamp_min clamp_max clip sin cos tan asin acos atan sinh cosh asinh acosh atanh arcsin arccos arctan
        arcsinh arccosh arctanh sinc erf erfc erfinv sign sgn round floor ceil trunc fix frac fmod remainder
        __mod__ copysign special_expit special_logit special_erf special_erfc special_erfcx special_erfinv
        special_exp2 special_expm1 special_log1p special_log_ndtr special_ndtr special_ndtri special_entr special_sinc
        special_round special_i0 special_i0e special_i1 special_i1e""",
    "extremum": """max min amax amin max_pool1d max_pool2d max_pool3d max_pool1d_with_indices max_pool2d_with_indices
        max_pool3d_with_indices adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d
        adaptive_max_pool1d_with_indices adaptive_max_pool2d_with_indices adaptive_max_pool3d_with_indices""",
    "pair": "maximum minimum fmax fmin hypot atan2 arctan2",
    "product": """mul __mul__ __rmul__ multiply matmul __matmul__ __rmatmul__ linalg_matmul bmm mm mv dot vdot inner
        outer ger kron cross linalg_cross linalg_vecdot tensordot einsum""",
    "division": "div __truediv__ true_divide divide",
    "softmax": "softmax special_softmax",
    "logsumexp": "logsumexp special_logsumexp",
    "composed": """layer_norm native_layer_norm rms_norm group_norm instance_norm normalize local_response_norm var std
        var_mean std_mean norm linalg_norm linalg_vector_norm linalg_matrix_norm cosine_similarity pairwise_distance
        cdist lp_pool1d lp_pool2d lp_pool3d glu aminmax log_softmax special_log_softmax softmin logaddexp prod lerp
        addcmul addcdiv addmm addmv addr addbmm baddbmm bilinear scaled_dot_product_attention
        multi_head_attention_forward""",
    "sampling": "grid_sample grid_sampler",
    "convolution": "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d",
    "dense": "linear",
    "linear": """add __add__ __radd__ sub __sub__ __rsub__ rsub subtract neg negative __neg__ positive __pos__ real
        imag conj resolve_conj resolve_neg complex view_as_real view_as_complex deg2rad rad2deg nan_to_num mean nanmean
        sum nansum sum_to_size cumsum diff trapz trapezoid cumulative_trapezoid trace cat concat concatenate stack
        hstack vstack dstack row_stack column_stack block_diag flatten unflatten ravel reshape reshape_as view view_as
        permute transpose swapaxes swapdims movedim moveaxis t adjoint T H mT mH squeeze unsqueeze atleast_1d
        atleast_2d atleast_3d expand expand_as broadcast_to broadcast_tensors meshgrid repeat tile repeat_interleave
        chunk unsafe_chunk split unsafe_split split_with_sizes tensor_split hsplit vsplit dsplit unbind getitem
        __getitem__ select narrow take take_along_dim gather masked_select index_select index_add index_copy index_fill
        index_put scatter scatter_add masked_fill masked_scatter select_scatter slice_scatter diagonal_scatter setitem
        __setitem__ fill where as_strided roll flip fliplr flipud rot90 pad unfold fold tril triu diag diagonal
        diag_embed diagflat embedding contiguous clone to type type_as float double half bfloat16 cpu cuda detach copy
        zero requires_grad dropout dropout1d dropout2d dropout3d alpha_dropout feature_dropout feature_alpha_dropout
        avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d batch_norm
        interpolate upsample upsample_nearest upsample_bilinear affine_grid pixel_shuffle pixel_unshuffle
        channel_shuffle native_channel_shuffle fft_fft fft_ifft fft_rfft fft_irfft fft_fft2 fft_ifft2 fft_rfft2
        fft_irfft2 fft_fftn fft_ifftn fft_rfftn fft_irfftn fft_fftshift fft_ifftshift stft istft""",
}

KINDS: dict[str, Kind] = {name: kind for kind, names in _MEMBERS.items() for name in names.split()}

# Functions that PyTorch wraps so that they lost their names.
_NAMELESS = {
    id(getattr(F, name)): name
    for name in ("threshold", *(f"{kind}max_pool{dims}d" for kind in ("", "adaptive_") for dims in (1, 2, 3)))
}

LAYERS = {"convolution", "dense"}


def operation_name(function: Callable[..., Any]) -> str:
    """The operation's name without the underscore that marks work in place: `relu` for `torch.relu_`."""
    name = _NAMELESS.get(id(function)) or getattr(function, "__name__", str(function))
    if name == "__get__":  # an attribute: `x.mT`
        return getattr(function, "__self__", function).__name__
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


@dataclass(frozen=True)
class Call:
    """One operation of the forward, out of place: its kind, the function, and what it was called with.

    A rule written in operations that have rules of their own runs them inside `with call.rules:`.
    """

    kind: Kind
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    rules: AbstractContextManager[Any]
    in_place: bool  # the result will be written over the first argument

    @property
    def name(self) -> str:
        """The operation's; see `KINDS`."""
        return operation_name(self.function)

    def plain(self) -> Any:
        """The operation with its own gradient."""
        if self.in_place:  # autograd may keep the first argument, which must not change then
            return self.on(self.args[0].clone())
        return self.function(*self.args, **self.kwargs)

    def on(self, u: Tensor) -> Tensor:
        """The operation on another first argument."""
        return self.function(u, *self.args[1:], **self.kwargs)


Rule = Callable[[Call], Any]


@dataclass(frozen=True)
class RuleSet:
    """A rule per kind of operation; kinds without one keep their own gradient.

    A rule takes a `Call` and returns the operation's value with another gradient. `first` is for the first convolution
    or dense layer, instead of the rule for its kind. A `strict` set refuses operations of no known kind; otherwise
    they keep their own gradient too.
    """

    name: str
    rules: Mapping[Kind, Rule] = field(default_factory=dict)
    first: Rule | None = None
    strict: bool = True


@contextmanager
def applying(rule_set: RuleSet) -> Generator[None]:
    """Run a forward inside, with a network whose parameters are `frozen`, to have it differentiated by `rule_set`."""
    with torch.inference_mode(False), torch.enable_grad(), _RuleMode(rule_set):
        yield


@contextmanager
def frozen(module: nn.Module) -> Generator[None]:
    """Take the parameters out of autograd, so that what requires a gradient is what depends on the input."""
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    try:
        for parameter in parameters:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


def with_slope(u: Tensor, value: Callable[[Tensor], Tensor], slope: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """`y = value(u)` with the gradient `slope(u, y)`; a slope for half the batch serves both halves."""
    return _Slope.apply(u, value, slope)  # pyright: ignore[reportReturnType]


def surrogate(linear: Tensor, value: Callable[[], Tensor]) -> Tensor:
    """`value()`, a fresh tensor, with the gradient of `linear`."""
    return _Surrogate.apply(linear, value)  # pyright: ignore[reportReturnType]


class _RuleMode(TorchFunctionMode):
    def __init__(self, rule_set: RuleSet) -> None:
        super().__init__()
        self.rule_set = rule_set
        self._layers = 0

    @override
    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = operation_name(func)
        kind = _known_kind(name, args, kwargs)
        if kind == "linear" or not _depends((*args, *kwargs.values())):
            return func(*args, **kwargs)
        if kind is None:
            return self._unknown(name, func(*args, **kwargs))
        args, kwargs = _positional(args, kwargs)
        rule = self._rule(_narrowed(kind, args))
        if rule is None:
            return func(*args, **kwargs)
        plain, plain_args, plain_kwargs, in_place = _out_of_place(func, args, kwargs)
        result = rule(Call(kind, plain, plain_args, plain_kwargs, self, in_place))
        return _Overwrite.apply(args[0], result) if in_place else result

    def _rule(self, kind: Kind) -> Rule | None:
        if kind in LAYERS:
            self._layers += 1
            if self._layers == 1 and self.rule_set.first:
                return self.rule_set.first
        return self.rule_set.rules.get(kind)

    def _unknown(self, name: str, result: Any) -> Any:
        if self.rule_set.strict and _depends((result,)):
            raise ExplainError(
                f"the {self.rule_set.name} rules have none for the operation '{name}', so the result would not add up; "
                "use integrated-gradients, or pass strict=false to let the operation's own gradient stand"
            )
        return result


class _Slope(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, u: Tensor, value: Callable[[Tensor], Tensor], slope: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        u = u.detach()
        y = value(u)
        ctx.save_for_backward(slope(u, y))
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (slope,), gradient = ctx.saved_tensors, gradients[0]
        # Into memory laid out as the operation's own: a gradient that comes otherwise would slow down all before it.
        is_last = slope.dim() == 4 and slope.is_contiguous(memory_format=torch.channels_last)
        layout = torch.channels_last if is_last else torch.preserve_format
        found = torch.empty_like(gradient, memory_format=layout)
        for part, of in zip(found.split(len(slope)), gradient.split(len(slope)), strict=True):
            torch.mul(of, slope, out=part)
        return found, None, None


class _Surrogate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, linear: Tensor, value: Callable[[], Tensor]) -> Tensor:  # noqa: ARG004
        return value()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:  # noqa: ARG004
        return gradients[0], None


class _Overwrite(torch.autograd.Function):
    """What `tensor.copy_(result)` does, at no cost on the way back: none of the gradient belongs to what was there."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, result: Tensor) -> Tensor:
        ctx.mark_dirty(tensor)
        ctx.is_view = tensor._is_view()  # noqa: SLF001
        return tensor.copy_(result)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        # Of a part of a tensor autograd wants the zeros: without them it drops the gradient of all the rest.
        return torch.zeros_like(gradients[0]) if ctx.is_view else None, gradients[0]


def _depends(values: tuple[Any, ...]) -> bool:
    """Whether a tensor among `values`, at any depth of lists, depends on the input."""
    return any(
        value.requires_grad if isinstance(value, Tensor) else isinstance(value, tuple | list) and _depends(tuple(value))
        for value in values
    )


def _known_kind(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Kind | None:
    """The operation's kind; BatchNorm is linear unless it takes its statistics from the batch."""
    kind = KINDS.get(name)
    if name == "batch_norm" and (kwargs.get("training") or any(each is True for each in args[5:6])):
        return None
    others = (*args[1:], *(value for key, value in kwargs.items() if key != "input"))
    if kind == "activation" and _depends(others):  # two to the power of what depends on the picture, say
        return None
    return kind


def _narrowed(kind: Kind, args: tuple[Any, ...]) -> Kind:
    """A product with a constant is linear, and so is a division by one."""
    if kind == "product" and sum(_depends((value,)) for value in args) < 2:
        return "linear"
    if kind == "division" and not _depends(args[1:]):
        return "linear"
    return kind


def _positional(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The same arguments with the tensors of the operation in their places, where rules look for them."""
    named = [name for name in ("input", "other", "grid") if name in kwargs]
    rest = {key: value for key, value in kwargs.items() if key not in named}
    return (*args, *(kwargs[name] for name in named)), rest


def _out_of_place(
    func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], bool]:
    """The same call without work in place, and whether it was to work in place."""
    plain = out_of_place(func)
    if plain is not func:
        return plain, args, kwargs, True
    position = inplace_position(func)
    asked = bool(kwargs.get("inplace", position is not None and len(args) > position and args[position]))
    rest = {key: value for key, value in kwargs.items() if key != "inplace"}
    return func, args if position is None else args[:position], rest, asked
