"""Composed operations written out in simple ones, so that rules for the simple ones carry over to them.

Each has PyTorch's own signature. `fixed` is what becomes of a norm's statistics: themselves, or constants that take no
part in the gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from seewhy.engines.rules import Call
from seewhy.errors import ExplainError

Statistic = Callable[[Tensor], Tensor]
Dims = int | Sequence[int] | None

_MULTI_HEAD = (
    *("query", "key", "value", "embed_dim_to_check", "num_heads", "in_proj_weight", "in_proj_bias", "bias_k"),
    *("bias_v", "add_zero_attn", "dropout_p", "out_proj_weight", "out_proj_bias", "training", "key_padding_mask"),
    *("need_weights", "attn_mask", "use_separate_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight"),
    *("static_k", "static_v", "average_attn_weights", "is_causal"),
)


def written_out(call: Call, *, constant: bool = False) -> Any:
    """The operation in simple ones, each under the rules of the call; with `constant`, statistics are constants."""
    with call.rules:
        if call.name in _NORMS:
            return _NORMS[call.name](*call.args, **call.kwargs, fixed=Tensor.detach if constant else _itself)
        return _OTHERS[call.name](*call.args, **call.kwargs)


def computed_weight(call: Call) -> bool:
    """Whether a layer's weight is made from the picture, and no parameter."""
    weight = call.args[1] if len(call.args) > 1 else call.kwargs["weight"]
    return weight.requires_grad and not weight.is_leaf


def sampled(call: Call) -> Any:
    """Reading a picture at given places is linear in it, but not in where it is read."""
    if call.args[1].requires_grad:
        raise ExplainError(f"there is no rule for {call.name} at positions that depend on the picture")
    return call.plain()


# Norms. The statistics of a picture scale it.


def layer_norm(
    x: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *_: object,
    fixed: Statistic,
) -> Tensor:
    """(x − mean) · rsqrt(mean of squares + ε), scaled and shifted."""
    return native_layer_norm(x, normalized_shape, weight, bias, eps, fixed=fixed)[0]


def native_layer_norm(
    x: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    *,
    fixed: Statistic,
) -> tuple[Tensor, Tensor, Tensor]:
    """The same, with the mean and the inverse deviation, which have no gradient."""
    mean, inverse = _statistics(x, tuple(range(-len(normalized_shape), 0)), eps)
    return _affine((x - mean) * fixed(inverse), weight, bias), mean.detach(), inverse.detach()


def rms_norm(
    x: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
    *,
    fixed: Statistic,
) -> Tensor:
    """X · rsqrt(mean of squares + ε), scaled. Source: Zhang 2019, eq. 4."""
    dims = tuple(range(-len(normalized_shape), 0))
    squares = (x * x).mean(dims, keepdim=True) + (torch.finfo(x.dtype).eps if eps is None else eps)
    return _affine(x * fixed(squares.rsqrt()), weight, None)


def group_norm(
    x: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *_: object,
    fixed: Statistic,
) -> Tensor:
    """Layer norm over each group of channels and all positions."""
    grouped = x.reshape(len(x), num_groups, -1)
    mean, inverse = _statistics(grouped, (-1,), eps)
    normal = ((grouped - mean) * fixed(inverse)).reshape(x.shape)
    return _affine(normal, _per_channel(weight, x), _per_channel(bias, x))


def instance_norm(x: Tensor, *args: Any, fixed: Statistic, **kwargs: Any) -> Tensor:
    """Layer norm over the positions of each channel; with the statistics of training, BatchNorm."""
    names = ("running_mean", "running_var", "weight", "bias", "use_input_stats", "momentum", "eps")
    if len(args) > len(names):  # torch.instance_norm has another order, and takes everything
        names = ("weight", "bias", *names[:2], *names[4:])
    given: dict[str, Any] = {"use_input_stats": True, "eps": 1e-5} | dict(zip(names, args, strict=False)) | kwargs
    weight, bias = given.get("weight"), given.get("bias")
    if not given["use_input_stats"]:
        return F.batch_norm(x, given["running_mean"], given["running_var"], weight, bias, eps=given["eps"])
    mean, inverse = _statistics(x, tuple(range(2, x.dim())), given["eps"])
    return _affine((x - mean) * fixed(inverse), _per_channel(weight, x), _per_channel(bias, x))


def normalize(
    x: Tensor,
    p: float = 2.0,
    dim: Dims = 1,
    eps: float = 1e-12,
    *,
    fixed: Statistic,
    out: None = None,  # noqa: ARG001
) -> Tensor:
    """X / max(‖x‖, ε)."""
    if p != 2:
        return x * fixed(_p_norm(x, p, dim, keepdim=True).clamp(min=eps).reciprocal())
    return x * fixed((x * x).sum(_dims(x, dim), keepdim=True).clamp(min=eps**2).rsqrt())


def local_response_norm(
    x: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0, *, fixed: Statistic
) -> Tensor:
    """X / (k + α · mean of squares over neighbouring channels)^β. Source: Krizhevsky 2012, section 3.3."""
    squares = F.pad((x * x).flatten(2).transpose(1, 2), (size // 2, (size - 1) // 2))
    means = F.avg_pool1d(squares, size, stride=1).transpose(1, 2).reshape(x.shape)
    return x * fixed((k + alpha * means).pow(-beta))


def _statistics(x: Tensor, dims: tuple[int, ...], eps: float) -> tuple[Tensor, Tensor]:
    """The mean and the inverse deviation."""
    mean = x.mean(dims, keepdim=True)
    centred = x - mean
    return mean, ((centred * centred).mean(dims, keepdim=True) + eps).rsqrt()


def _affine(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    scaled = x if weight is None else x * weight
    return scaled if bias is None else scaled + bias


def _per_channel(values: Tensor | None, x: Tensor) -> Tensor | None:
    return None if values is None else values.view(-1, *[1] * (x.dim() - 2))


# Spread and length.


def variance(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """The mean square of what differs from the mean, times n / (n − correction)."""
    return _moments(x, *args, **kwargs)[0]


def deviation(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """The root of the variance."""
    return variance(x, *args, **kwargs).sqrt()


def variance_and_mean(x: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
    """Both."""
    return _moments(x, *args, **kwargs)


def deviation_and_mean(x: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
    """Both."""
    spread, mean = _moments(x, *args, **kwargs)
    return spread.sqrt(), mean


def _moments(x: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
    """Variance and mean; PyTorch takes (unbiased), (dim, unbiased, keepdim), and all by name."""
    names = ("unbiased",) if args and isinstance(args[0], bool) else ("dim", "unbiased", "keepdim")
    given = dict(zip(names, args, strict=False)) | kwargs
    dims = _dims(x, given.get("dim", given.get("axis")))
    correction = given.get("correction")
    correction = int(given.get("unbiased", True)) if correction is None else correction
    keepdim = given.get("keepdim", False)
    centred = x - x.mean(dims, keepdim=True)
    count = math.prod(x.shape[dim] for dim in dims)
    return (centred * centred).sum(dims, keepdim=keepdim) / max(count - correction, 0), x.mean(dims, keepdim=keepdim)


def norm(x: Tensor, p: float | str | None = "fro", dim: Dims = None, keepdim: bool = False, **kwargs: Any) -> Tensor:
    """The length of what lies along `dim`."""
    if p == "nuc":
        raise ExplainError("there is no rule for the nuclear norm")
    return _p_norm(_cast(x, kwargs), 2.0 if p is None or p == "fro" else float(p), dim, keepdim=keepdim)


def vector_norm(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """`torch.linalg.vector_norm`."""
    order, dim, keepdim = _norm_options(args, kwargs, 2.0, None)
    return _p_norm(_cast(x, kwargs), float(order), dim, keepdim=keepdim)


def matrix_norm(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """`torch.linalg.matrix_norm`: Frobenius's, the length of all numbers together."""
    order, dim, keepdim = _norm_options(args, kwargs, "fro", (-2, -1))
    if order != "fro":
        raise ExplainError(f"there is no rule for the matrix norm '{order}', only for Frobenius's ('fro')")
    return _p_norm(_cast(x, kwargs), 2.0, dim, keepdim=keepdim)


def linalg_norm(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """`torch.linalg.norm`: of vectors or of matrices."""
    order, dim, keepdim = _norm_options(args, kwargs, None, None)
    if order is None:
        return _p_norm(_cast(x, kwargs), 2.0, dim, keepdim=keepdim)
    return (matrix_norm if len(_dims(x, dim)) == 2 else vector_norm)(x, order, _dims(x, dim), keepdim)


def _norm_options(args: tuple[Any, ...], kwargs: dict[str, Any], order: Any, dim: Dims) -> tuple[Any, Dims, bool]:
    given: dict[str, Any] = {"ord": order, "dim": dim, "keepdim": False}
    given |= dict(zip(given, args, strict=False)) | {name: kwargs[name] for name in given if name in kwargs}
    return given["ord"], given["dim"], given["keepdim"]


def _p_norm(x: Tensor, p: float, dim: Dims, *, keepdim: bool) -> Tensor:
    dims = _dims(x, dim)
    if p == 2:
        return (x * x).sum(dims, keepdim=keepdim).sqrt()
    if math.isinf(p):
        return x.abs().amax(dims, keepdim=keepdim) if p > 0 else x.abs().amin(dims, keepdim=keepdim)
    if p == 0:
        raise ExplainError("there is no rule for the norm that counts what is not zero (p=0)")
    return x.abs().pow(p).sum(dims, keepdim=keepdim).pow(1 / p)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The product of two directions."""
    first, second = (_p_norm(each, 2.0, dim, keepdim=True).clamp(min=eps) for each in (x1, x2))
    return ((x1 / first) * (x2 / second)).sum(dim)


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """‖x₁ − x₂ + ε‖ along the last dimension."""
    return _p_norm(x1 - x2 + eps, p, -1, keepdim=keepdim)


def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, *_: object, **__: object) -> Tensor:
    """The distance of each row of one to each row of the other."""
    return _p_norm(x1[..., :, None, :] - x2[..., None, :, :], p, -1, keepdim=False)


# Pools, gates, logarithms of softmax.


def lp_pool(
    x: Tensor,
    norm_type: float,
    kernel_size: int | Sequence[int],
    stride: Any = None,
    ceil_mode: bool = False,
    *,
    dims: int,
) -> Tensor:
    """(Σ x^p)^(1/p) of each window."""
    size = (kernel_size,) * dims if isinstance(kernel_size, int) else tuple(kernel_size)
    pool: Callable[..., Tensor] = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[dims - 1]
    means = pool(x.pow(norm_type), size, stride, 0, ceil_mode)
    return (means * math.prod(size)).pow(1 / norm_type)


def glu(x: Tensor, dim: int = -1) -> Tensor:
    """One half gates the other. Source: Dauphin 2017, eq. 1."""
    values, gates = x.chunk(2, dim)
    return values * torch.sigmoid(gates)


def aminmax(x: Tensor, *, dim: int | None = None, keepdim: bool = False) -> Any:
    """The least and the greatest."""
    dims = () if dim is None else dim
    return torch.return_types.aminmax((x.amin(dims, keepdim=keepdim), x.amax(dims, keepdim=keepdim)))


def log_softmax(x: Tensor, dim: int | None = None, *_: object, **kwargs: Any) -> Tensor:
    """X − log Σ exp x."""
    x = _cast(x, kwargs)
    return x - torch.logsumexp(x, softmax_dim(x, dim), keepdim=True)


def softmin(x: Tensor, dim: int | None = None, *_: object, **kwargs: Any) -> Tensor:
    """Softmax of −x."""
    return F.softmax(-_cast(x, kwargs), softmax_dim(x, dim))


def logaddexp(x: Tensor, other: Tensor) -> Tensor:
    """Log(exp x + exp y), elementwise."""
    return torch.logsumexp(torch.stack(torch.broadcast_tensors(x, other)), 0)


def softmax_dim(x: Tensor, dim: int | None) -> int:
    """Where `F.softmax` works if it is not told."""
    return dim if dim is not None else int(x.dim() not in {0, 1, 3})


# Products and sums of products.


def prod(x: Tensor, dim: int | None = None, keepdim: bool = False, **kwargs: Any) -> Tensor:
    """All factors along `dim`, multiplied two by two."""
    x, place = _cast(x, kwargs), 0 if dim is None else dim
    factors = (x.flatten() if dim is None else x).movedim(place, -1)
    while factors.shape[-1] > 1:
        half = factors.shape[-1] // 2
        paired = factors[..., :half] * factors[..., half : 2 * half]
        factors = torch.cat([paired, factors[..., 2 * half :]], -1)
    return factors.movedim(-1, place) if keepdim else factors[..., 0]


def lerp(start: Tensor, end: Tensor, weight: Tensor | float) -> Tensor:
    """Start + w · (end − start)."""
    return start + weight * (end - start)


def addcmul(x: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """X + v · a · b."""
    return x + value * (tensor1 * tensor2)


def addcdiv(x: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """X + v · a / b."""
    return x + value * (tensor1 / tensor2)


def baddbmm(x: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """β x + α a b, for batches of matrices."""
    return beta * x + alpha * torch.bmm(batch1, batch2)


def addmv(x: Tensor, mat: Tensor, vec: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """The same for a matrix and a vector."""
    return beta * x + alpha * torch.mv(mat, vec)


def addmm(x: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """The same as a dense layer, which it is where the second factor is a weight."""
    return beta * x + alpha * F.linear(mat1, mat2.t())


def addbmm(x: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """The same, summed over the batch."""
    return beta * x + alpha * torch.bmm(batch1, batch2).sum(0)


def addr(x: Tensor, vec1: Tensor, vec2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """The same for the outer product of vectors."""
    return beta * x + alpha * torch.outer(vec1, vec2)


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x₁ᵀ W x₂ + b, for each output."""
    return _affine(torch.einsum("...i,oij,...j->...o", input1, weight, input2), None, bias)


# Attention.


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,  # noqa: ARG001 - 0 in evaluation
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(q kᵀ · scale + mask) v, in place of the fused kernel."""
    if enable_gqa:
        raise ExplainError("there is no rule for attention with shared heads (enable_gqa)")
    mask = attn_mask
    if is_causal:
        mask = torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool, device=query.device).tril()
    scores = torch.matmul(query * (1 / math.sqrt(query.shape[-1]) if scale is None else scale), key.transpose(-2, -1))
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    return torch.matmul(F.softmax(scores, dim=-1), value)


def multi_head_attention(*args: Any, **kwargs: Any) -> tuple[Tensor, None]:
    """`F.multi_head_attention_forward` in its plain form: one projection of queries, keys and values, no masks."""
    given = dict(zip(_MULTI_HEAD, args, strict=False)) | kwargs
    refused = ("bias_k", "bias_v", "key_padding_mask", "attn_mask", "static_k", "static_v")
    flags = ("use_separate_proj_weight", "add_zero_attn")
    if any(given.get(name) is not None for name in refused) or any(given.get(name) for name in flags):
        raise ExplainError("there is no rule for multi-head attention with masks or separate projections")
    weights, biases = given["in_proj_weight"].chunk(3), [None] * 3
    if given["in_proj_bias"] is not None:
        biases = given["in_proj_bias"].chunk(3)
    # (length, batch, width) comes in
    inputs = (given[name].transpose(0, 1) for name in ("query", "key", "value"))
    projected = [F.linear(x, w, b) for x, w, b in zip(inputs, weights, biases, strict=True)]
    q, k, v = (each.unflatten(-1, (given["num_heads"], -1)).transpose(1, 2) for each in projected)
    mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
    return F.linear(mixed, given["out_proj_weight"], given["out_proj_bias"]).transpose(0, 1), None


def _itself(x: Tensor) -> Tensor:
    return x


def _dims(x: Tensor, dim: Dims) -> tuple[int, ...]:
    if isinstance(dim, int):
        return (dim,)
    return tuple(dim) if dim else tuple(range(x.dim()))


def _cast(x: Tensor, kwargs: dict[str, Any]) -> Tensor:
    dtype = kwargs.get("dtype")
    return x if dtype is None else x.to(dtype)


_NORMS: dict[str, Callable[..., Any]] = {
    "layer_norm": layer_norm,
    "native_layer_norm": native_layer_norm,
    "rms_norm": rms_norm,
    "group_norm": group_norm,
    "instance_norm": instance_norm,
    "normalize": normalize,
    "local_response_norm": local_response_norm,
}
_OTHERS: dict[str, Callable[..., Any]] = {
    "var": variance,
    "std": deviation,
    "var_mean": variance_and_mean,
    "std_mean": deviation_and_mean,
    "norm": norm,
    "linalg_norm": linalg_norm,
    "linalg_vector_norm": vector_norm,
    "linalg_matrix_norm": matrix_norm,
    "cosine_similarity": cosine_similarity,
    "pairwise_distance": pairwise_distance,
    "cdist": cdist,
    "lp_pool1d": partial(lp_pool, dims=1),
    "lp_pool2d": partial(lp_pool, dims=2),
    "lp_pool3d": partial(lp_pool, dims=3),
    "glu": glu,
    "aminmax": aminmax,
    "log_softmax": log_softmax,
    "special_log_softmax": log_softmax,
    "softmin": softmin,
    "logaddexp": logaddexp,
    "prod": prod,
    "lerp": lerp,
    "addcmul": addcmul,
    "addcdiv": addcdiv,
    "addmm": addmm,
    "addmv": addmv,
    "addr": addr,
    "addbmm": addbmm,
    "baddbmm": baddbmm,
    "bilinear": bilinear,
    "scaled_dot_product_attention": attention,
    "multi_head_attention_forward": multi_head_attention,
}
