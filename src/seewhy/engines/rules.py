"""The backward-rule engine: the network as it is, with another derivative for its non-linear operations.

A `TorchFunctionMode` sees every operation of one forward, whoever calls it: modules, functions, operators, in place
or not, the same activation any number of times. Operations that are linear in the data are left to autograd, which is
exact for them; the others go to the rule that a rule set names for their kind. Nothing is hooked, nothing is changed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from typing_extensions import override

from seewhy.engines.graph import CutOff, Watched, dependent, next_number, tensors_in, used
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
    "softmax": "softmax special_softmax _softmax",
    "logsumexp": "logsumexp special_logsumexp",
    "composed": """layer_norm native_layer_norm rms_norm group_norm instance_norm normalize local_response_norm var std
        var_mean std_mean norm linalg_norm linalg_vector_norm linalg_matrix_norm cosine_similarity pairwise_distance
        cdist lp_pool1d lp_pool2d lp_pool3d glu aminmax log_softmax special_log_softmax softmin logaddexp prod lerp
        addcmul addcdiv addmm addmv addr addbmm baddbmm bilinear scaled_dot_product_attention
        multi_head_attention_forward""",
    "sampling": "grid_sample grid_sampler",
    "convolution": "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d convolution",
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
        diag_embed diagflat embedding contiguous as_tensor clone to type type_as float double half bfloat16 cpu cuda
        detach copy zero requires_grad dropout dropout1d dropout2d dropout3d alpha_dropout feature_dropout
        feature_alpha_dropout avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d
        adaptive_avg_pool3d batch_norm interpolate upsample upsample_nearest upsample_bilinear affine_grid
        pixel_shuffle pixel_unshuffle channel_shuffle native_channel_shuffle fft_fft fft_ifft fft_rfft fft_irfft
        fft_fft2 fft_ifft2 fft_rfft2 fft_irfft2 fft_fftn fft_ifftn fft_rfftn fft_irfftn fft_fftshift fft_ifftshift stft
        istft data alias slice lift_fresh _unsafe_view _to_copy _adaptive_avg_pool2d""",
}

KINDS: dict[str, Kind] = {name: kind for kind, names in _MEMBERS.items() for name in names.split()}

# Functions that PyTorch wraps so that they lost their names.
_NAMELESS = {
    id(getattr(F, name)): name
    for name in ("threshold", *(f"{kind}max_pool{dims}d" for kind in ("", "adaptive_") for dims in (1, 2, 3)))
}

LAYERS = {"convolution", "dense"}
_NUMBERS = {"item", "tolist", "__int__", "__float__", "__index__"}


def operation_name(function: Callable[..., Any]) -> str:
    """The operation's name without the underscore that marks work in place: `relu` for `torch.relu_`.

    Of an overload it is the operation's, `relu` for `aten.relu_.default`; of an attribute its own, `T` for `.T`.
    """
    if isinstance(function, OpOverload):
        name = function.overloadpacket.__name__
    elif getattr(function, "__name__", "") == "__get__":
        name = getattr(getattr(function, "__self__", None), "__name__", "__get__")
    else:
        name = _NAMELESS.get(id(function)) or getattr(function, "__name__", str(function))
    if name.startswith("__i") and f"__{name[3:]}" in KINDS:
        return f"__{name[3:]}"
    return name if name.startswith("__") else name.removesuffix("_")


@cache
def out_of_place(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same operation without work in place: `torch.relu` for `torch.relu_`, `Tensor.mul` for `Tensor.__imul__`."""
    plain = operation_name(function)
    if isinstance(function, OpOverload):
        in_place = function.overloadpacket.__name__.endswith("_")
    else:
        in_place = getattr(function, "__name__", plain) != plain and id(function) not in _NAMELESS
    return getattr(Tensor, plain) if in_place and function.__name__ != "__get__" else function


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
    overwrite: Callable[[Tensor], Tensor] | None = None  # of work in place: the operation, in place on a first argument

    @property
    def in_place(self) -> bool:
        """Whether the result will be written over the first argument."""
        return self.overwrite is not None

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

    def over(self, u: Tensor) -> Tensor:
        """The same, written over that argument where the network wants the result there."""
        return self.overwrite(u) if self.overwrite else self.on(u)


Rule = Callable[[Call], Any]


@dataclass(frozen=True)
class RuleSet:
    """A rule per kind of operation; kinds without one keep their own gradient, and so do the operations named `own`.

    A rule takes a `Call` and returns the operation's value with another gradient. `first` is for the first convolution
    or dense layer, instead of the rule for its kind. A `strict` set refuses operations of no known kind; otherwise
    they keep their own gradient too. `begin` is called before each forward, for rules that count.
    """

    name: str
    rules: Mapping[Kind, Rule] = field(default_factory=dict)
    first: Rule | None = None
    strict: bool = True
    begin: Callable[[], None] | None = None
    own: frozenset[str] = frozenset()


@contextmanager
def applying(rule_set: RuleSet) -> Generator[RuleMode]:
    """Run a forward inside, with a network whose parameters are `frozen`, to have it differentiated by `rule_set`."""
    if rule_set.begin:
        rule_set.begin()
    with torch.inference_mode(False), torch.enable_grad(), RuleMode(rule_set) as mode:
        yield mode


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
    """`y = value(u)` with the gradient `slope(u, y)`."""
    with torch.no_grad():
        x = u.detach()
        y = value(x)
        its = slope(x, y)
    return with_slopes(y, (u, its))


def with_slopes(y: Tensor, *slopes: tuple[Tensor, Tensor]) -> Tensor:
    """`y`, a fresh tensor, with a gradient given for each of some tensors."""
    return _Slopes.apply((fresh(y), [slope for _, slope in slopes]), *(u for u, _ in slopes))  # pyright: ignore[reportReturnType]


def surrogate(linear: Tensor, value: Callable[[], Tensor]) -> Tensor:
    """`value()`, a fresh tensor, with the gradient of `linear`."""
    return _Surrogate.apply(linear, value)  # pyright: ignore[reportReturnType]


class RuleMode(TorchFunctionMode):
    """Sees every operation while it is on; afterwards it is asked what came of them."""

    def __init__(self, rule_set: RuleSet) -> None:
        super().__init__()
        self.rule_set = rule_set
        self._layers = 0
        self._in_rule = False
        self._watched = Watched()
        self._cut_off = CutOff()

    @override
    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if self._in_rule:
            return self._ruled(operation_name(func), func, args, kwargs)[0]
        first, name = next_number(), operation_name(func)
        numbers = used(name, args, kwargs)
        depends, maker = bool(dependent(numbers)), self._cut_off.maker(tensors_in(numbers))
        # Under no_grad, and inside an autograd.Function, nothing has a gradient that could be wrong.
        if depends and maker and self.rule_set.rules and torch.is_grad_enabled():
            raise ExplainError(
                f"'{name}' uses what '{maker}' made of the picture, a choice or a detached value. It has no gradient, "
                f"so no rule of {self.rule_set.name} can follow; write it as an activation or pooling that PyTorch has "
                "(F.relu, amax), without detach() and no_grad(), or use integrated-gradients"
            )
        if (depends or maker) and name in _NUMBERS and self.rule_set.rules and torch.is_grad_enabled():
            raise ExplainError(
                f"'{name.strip('_')}' takes a number that depends on the picture out of PyTorch, where no rule of "
                f"{self.rule_set.name} can follow; leave it a tensor, or use integrated-gradients"
            )
        result, constant = self._ruled(name, func, args, kwargs)
        if depends or any(tensor.requires_grad for tensor in tensors_in(args, kwargs)):  # inside torch.vmap none has
            self._watched.add(first)
        if maker or depends:
            made = tensors_in(args[:1] if result is None else result)  # assignment to items gives nothing
            in_place = result is None or (args and result is args[0]) or "out" in kwargs
            self._cut_off.add(
                name,
                maker,
                (each for each in made if not (constant and each.is_floating_point())),
                () if in_place else tensors_in(numbers),
            )
        return result

    def check(self, scores: Sequence[Tensor]) -> None:
        """Refuse scores that an operation had a part in which no rule saw."""
        missed = self._watched.missed(scores) if self.rule_set.rules else None
        if missed:
            raise ExplainError(
                f"no rule of {self.rule_set.name} saw the operation '{missed}': it ran in TorchScript, a compiled "
                "graph, torch.vmap or an autograd.Function of the network's own; give the network without them, in "
                "plain PyTorch, or use integrated-gradients"
            )

    def cut_off(self, tensor: Tensor) -> str | None:
        """The operation that first left autograd on the way to what was computed without a gradient, if one did."""
        return self._cut_off.maker((tensor,))

    def _ruled(
        self, name: str, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Any, bool]:
        """The operation's result, and whether a rule counts what has no gradient in it as constant."""
        if not dependent(args, kwargs):
            return func(*args, **kwargs), False
        name, func, args, kwargs = _usual(name, func, args, kwargs)
        kind = _known_kind(name, args, kwargs)
        if kind == "linear":
            return func(*args, **kwargs), False
        if kind is None:
            return self._unknown(name, func(*args, **kwargs)), False
        args, kwargs = _positional(kind, args, kwargs)
        rule = None if name in self.rule_set.own else self._rule(_narrowed(kind, args))
        if rule is None:
            return func(*args, **kwargs), False
        plain, plain_args, plain_kwargs, in_place = _out_of_place(func, args, kwargs)
        outermost, self._in_rule = not self._in_rule, True
        try:
            overwrite = (lambda u: func(u, *args[1:], **kwargs)) if in_place else None
            result = rule(Call(kind, plain, plain_args, plain_kwargs, self, overwrite))
        finally:
            self._in_rule = not outermost
        # Under no_grad nothing has a gradient, whatever a rule says.
        return (_Overwrite.apply(args[0], result) if in_place else result), torch.is_grad_enabled()

    def _rule(self, kind: Kind) -> Rule | None:
        if kind in LAYERS:
            self._layers += 1
            if self._layers == 1 and self.rule_set.first:
                return self.rule_set.first
        return self.rule_set.rules.get(kind)

    def _unknown(self, name: str, result: Any) -> Any:
        if self.rule_set.strict and dependent(result):
            form = " as it is used here" if name in KINDS else ""
            raise ExplainError(
                f"the {self.rule_set.name} rules have none for the operation '{name}'{form}, so the result would not "
                "add up; use integrated-gradients, which needs no rules"
            )
        return result


class _Slopes(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, given: tuple[Tensor, Sequence[Tensor]], *_: Tensor) -> Tensor:
        y, slopes = given
        ctx.save_for_backward(*slopes)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return None, *(_times(slope, gradients[0]) for slope in ctx.saved_tensors)


def _times(slope: Tensor, gradient: Tensor) -> Tensor:
    # Into memory laid out as the operation's own: a gradient that comes otherwise would slow down all before it.
    is_last = slope.dim() == 4 and slope.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if is_last else torch.preserve_format
    return torch.mul(gradient, slope, out=torch.empty_like(gradient, memory_format=layout))


class _Surrogate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, linear: Tensor, value: Callable[[], Tensor]) -> Tensor:  # noqa: ARG004
        return fresh(value())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:  # noqa: ARG004
        return gradients[0], None


class _Overwrite(torch.autograd.Function):
    """What `tensor.copy_(result)` does, at no cost on the way back: none of the gradient belongs to what was there."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, result: Tensor) -> Tensor:
        ctx.mark_dirty(tensor)
        ctx.is_view = tensor._is_view()  # noqa: SLF001
        # A rule may have written it there already.
        return tensor if _same_place(tensor, result) else tensor.copy_(result)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        # Of a part of a tensor autograd wants the zeros: without them it drops the gradient of all the rest.
        return torch.zeros_like(gradients[0]) if ctx.is_view else None, gradients[0]


def _same_place(one: Tensor, other: Tensor) -> bool:
    return one.data_ptr() == other.data_ptr() and one.shape == other.shape and one.stride() == other.stride()


def fresh(y: Tensor) -> Tensor:
    """A view, as `einsum` may give one, is copied: autograd lets nobody work in place on views that rules give."""
    return y.clone() if y._is_view() else y  # noqa: SLF001


def _known_kind(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Kind | None:
    """The operation's kind; BatchNorm is linear unless it takes its statistics from the batch."""
    kind = KINDS.get(name)
    if kind == "division" and kwargs.get("rounding_mode"):
        kind = "activation"
    others = (*args[1:], *(value for key, value in kwargs.items() if key != "input"))
    if kind == "activation" and dependent(others):  # two to the power of what depends on the picture, say
        return None
    if name == "batch_norm":
        from_batch = kwargs.get("training") or any(each is True for each in args[5:6])
        return None if from_batch or dependent(others) else kind
    return kind


def _narrowed(kind: Kind, args: tuple[Any, ...]) -> Kind:
    """A product with a constant is linear, and so is a division by one."""
    if kind == "product" and len(dependent(args)) < 2:
        return "linear"
    if kind == "division" and not dependent(args[1:]):
        return "linear"
    return kind


def _usual(
    name: str, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[str, Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
    """The same call in the form that rules know, where there are others."""
    if name == "einsum" and len(args) == 2 and isinstance(args[1], tuple | list):
        return name, func, (args[0], *args[1]), kwargs
    if name == "addmm" and len(args) == 3 and not kwargs and not dependent(args[0], args[2]):
        return "linear", F.linear, (args[1], args[2].t(), args[0]), {}
    if name == "convolution":  # aten's own: input, weight, bias, stride, padding, dilation, transposed, more, groups
        given: list[Any] = list(args)
        x, weight, bias, stride, padding, dilation, transposed, more, groups = given
        name = f"conv_transpose{x.dim() - 2}d" if transposed else f"conv{x.dim() - 2}d"
        rest = (more, groups, dilation) if transposed else (dilation, groups)
        return name, getattr(F, name), (x, weight, bias, stride, padding, *rest), {}
    return name, func, args, kwargs


def _positional(kind: Kind, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The same arguments with the tensors of the operation in their places, where rules look for them."""
    names = ("input", "A", "other", "grid")
    if kind == "product":
        names = ("input", "x", "a", "other", "mat2", "vec", "vec2", "tensor", "y", "b")
    named = [name for name in names if name in kwargs]
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
