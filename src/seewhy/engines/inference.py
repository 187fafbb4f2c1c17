"""A private copy of a network that does nothing but answer, as fast as PyTorch can.

BatchNorm is folded into the convolution before it, memory is channels-last, and the arithmetic is half precision
where the machine is built for it; the last linear layer stays in float32, since rounding a logit is rounding a score.
The network that was given is never changed.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from seewhy.engines.batches import BatchSize
from seewhy.engines.graph import tensors_in
from seewhy.errors import ModelError, NonFinite
from seewhy.models.capture import Identity, Visit, watch
from seewhy.models.classifier import Classifier
from seewhy.models.head import Head
from seewhy.models.state import evaluating, owning

Precision = Literal["float64", "float32", "bfloat16", "float16"]
Numbers: TypeAlias = Callable[[Tensor], Tensor]  # of network inputs, as the network gives them

FOLDING_ERROR = 1e-3  # of the largest logit: folding reorders sums, a wrong fold changes everything
CORNER = 8  # places a side, at which a layer and a norm are tried
TRIED = 3  # pictures of the check: another number than were traced shows what a trace fixed
HALF = 16  # bits
ITSELF = "The network itself"  # whatever it computes with
PRECISIONS = {16: "half precision", 32: "single precision", 64: "double precision"}


@dataclass(frozen=True, eq=False)
class Inference:
    """A network's fast copy: normalised inputs `(N, C, h, w)` to float32 logits `(N, K)`.

    Args:
        module: the copy in PyTorch.
        head: what its numbers mean.
        dtype: what the copy takes.
        precision: what it computes with.
        size: how much it is asked at once; found by trial, and kept with the network it was found for.
        layout: how its inputs are to lie in memory, so that none is copied.
        compiled: what gives the network's numbers in its place, where that is faster.
        backend: what answers, in words.
        aside: sentences on what would have been faster, and why it was left aside.
    """

    module: nn.Module
    head: Head
    dtype: torch.dtype
    precision: torch.dtype
    size: BatchSize
    layout: torch.memory_format = torch.channels_last
    compiled: Numbers | None = None
    backend: str = "PyTorch"
    aside: tuple[str, ...] = ()

    @property
    def bits(self) -> int:
        """Of the numbers that it computes with."""
        return 8 * self.precision.itemsize

    @property
    def told(self) -> tuple[str, ...]:
        """What answers, and what was left aside, in sentences."""
        precision = "" if self.backend == ITSELF else f" in {PRECISIONS[self.bits]}"
        return (f"{self.backend} computed the answers{precision}.", *self.aside)

    def __call__(self, x: Tensor) -> Tensor:
        """Raises `NonFinite` where half precision overflows."""
        if self.compiled:
            return self.head.scores(self.compiled(x))
        with evaluating(self.module), torch.inference_mode():
            x = x.to(self.dtype).contiguous(memory_format=torch.channels_last)
            logits = self.head.ask(self.module, x)
            return logits if logits.dtype == torch.float64 else logits.float()


def fast_precisions(device: torch.device) -> tuple[Precision, ...]:
    """The half precisions that `device` computes faster than float32, the one that is to be tried first at the front.

    A GPU is as fast at both, and float16 rounds an eighth as much, but overflows sooner. A processor with `avx512_fp16`
    is slower in float16 than in float32: 0.88 (EfficientNet-Lite0) and 0.68 times as fast (ResNet-50), by OpenVINO.
    """
    if device.type == "cuda":
        bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
        return ("float16", "bfloat16") if bfloat16 else ("float16",)
    abilities = torch.cpu.get_capabilities() if device.type == "cpu" else {}
    return ("bfloat16",) if abilities.get("avx512_bf16") or abilities.get("amx_bf16") else ()


_COPIES: WeakKeyDictionary[Classifier, dict[tuple[Any, ...], Inference]] = WeakKeyDictionary()
# Batches that the float32 copy of a classifier is asked in meanwhile, also where memory ran out before.
FIXED: WeakKeyDictionary[Classifier, BatchSize] = WeakKeyDictionary()


def inference_copy(classifier: Classifier, precision: Precision) -> Inference:
    """The classifier's fast copy in `precision`; made once, and again when its weights have changed.

    A network that cannot be copied, or that offers nothing but scores, answers for itself.
    """
    with owning(classifier.module):  # nobody else's hooks and flags are to be copied
        made = _COPIES.setdefault(classifier, {})
        key = (precision, classifier.device, classifier.weights_version)
        if key not in made:
            for stale in [old for old in made if old[1:] != key[1:]]:
                del made[stale]
            with torch.inference_mode(False):  # tensors made inside could never take part in autograd again
                made[key] = _make(classifier, getattr(torch, precision))
        found = made[key]
    if precision == "float32" and (fixed := FIXED.get(classifier)):
        return replace(found, size=fixed)
    return found


def refuse_unlike(classifier: Classifier, wanted: Numbers, found: Numbers, allowed: float, *, often: int = 3) -> None:
    """Refuse what answers other pictures, or another number of them, or in another order, otherwise than is wanted.

    Args:
        classifier: what it is about.
        wanted: the copy.
        found: what is to stand in for it.
        allowed: how far they may lie apart, as a share of the largest number.
        often: how many batches are tried, at most 3.

    Raises:
        ModelError: it does not stand in for the copy; the message says by how much.
    """
    probe = classifier.probe().float()
    others = torch.randn((TRIED, *probe.shape[1:]), generator=torch.Generator().manual_seed(1)).to(probe)
    for x in (torch.cat([probe, others]), -probe, others.neg())[:often]:
        before, after = wanted(x.clone()), found(x)
        if after.shape != before.shape:
            raise ModelError(f"it gives {tuple(after.shape)} instead of {tuple(before.shape)}")
        gap = float((after - before).abs().max() / before.abs().max().clamp(min=1e-3))
        if not gap <= allowed:
            raise ModelError(f"its answers differ by {gap:.1%}")


def exact_copy(classifier: Classifier) -> Inference:
    """The classifier's private copy in full precision: float64 for a float64 network, else float32."""
    return inference_copy(classifier, "float64" if classifier.dtype == torch.float64 else "float32")


def _make(classifier: Classifier, dtype: torch.dtype) -> Inference:
    if "layers" in classifier.offers:
        try:
            return _copied(classifier, dtype)
        except NonFinite:  # the network's own answer
            raise
        except Exception as error:  # noqa: BLE001  # whatever it holds that cannot be copied, cast or laid out
            reason = f"A faster copy was left aside: the network cannot be copied ({type(error).__name__})."
            return replace(_itself(classifier), aside=(reason,))
    return _itself(classifier)


def _itself(classifier: Classifier) -> Inference:
    """The network as it was given."""
    return replace(_inference(classifier.module, classifier, classifier.dtype), backend=ITSELF)


def _copied(classifier: Classifier, dtype: torch.dtype) -> Inference:
    network = _exact(classifier, dtype) if dtype in {torch.float32, torch.float64} else _half(classifier, dtype)
    last: Any = {"memory_format": torch.channels_last}
    with suppress(RuntimeError):  # of another rank, as the weights of a 3d convolution
        network = network.to(**last)
    return _inference(network, classifier, dtype)


def _exact(classifier: Classifier, dtype: torch.dtype) -> nn.Module:
    network = _private(classifier.module)
    for part in network.modules():
        if getattr(part, "training", False):  # a frozen script has no flag
            part.training = False
    return _folded(network.requires_grad_(False).to(dtype), classifier.head, classifier.probe().to(dtype))


def _inference(module: nn.Module, classifier: Classifier, dtype: torch.dtype) -> Inference:
    return Inference(module, classifier.head, dtype, dtype, BatchSize(classifier.device))


def _private(module: nn.Module) -> nn.Module:
    """A copy of the network, with what it holds that cannot be copied and need not be.

    Scripted functions have no state; tensors that it computed of its weights and keeps have a history that is theirs.
    """
    held = [value for part in module.modules() for value in vars(part).values()]
    memo: dict[int, Any] = {id(value): value for value in held if isinstance(value, torch.jit.ScriptFunction)}
    memo |= {id(each): each.detach().clone() for each in tensors_in(held) if not each.is_leaf}
    return copy.deepcopy(module, memo)


def _half(classifier: Classifier, dtype: torch.dtype) -> nn.Module:
    """The float32 copy in half precision, but for the last layer."""
    network = _private(inference_copy(classifier, "float32").module)
    name = _last_layer(network, classifier)
    exact = copy.deepcopy(network.get_submodule(name)) if name else None
    network = network.to(dtype)
    if name and exact:
        _replace(network, {name: _Float32(exact)})
    return network


def _last_layer(network: nn.Module, classifier: Classifier) -> str | None:
    """The last linear layer or convolution that gives as many numbers as the network does; None where there is none."""
    with evaluating(network), torch.no_grad(), watch(network) as visits:
        numbers = classifier.head.numbers(network(classifier.probe().float()))
    layers = [visit for visit in visits if isinstance(visit.part, nn.Linear | nn.Conv2d)]
    fitting = [visit.name for visit in layers if visit.output.shape[1:2] == numbers.shape[1:]]
    return fitting[-1] if fitting else None


def _folded(network: nn.Module, head: Head, probe: Tensor) -> nn.Module:
    """The network with each BatchNorm folded into the layer before it, where that changes nothing that it says."""
    with evaluating(network), torch.no_grad(), watch(network) as visits:
        before = head.ask(network, probe)
    folds: list[dict[str, nn.Module]] = []
    for layer, norm, shape in _foldable(visits):
        parts = network.get_submodule(layer), network.get_submodule(norm)
        with suppress(Exception):  # a norm that keeps its numbers in another way stays
            fused, rest = _fused(*parts)
            if _agree(nn.Sequential(*parts), nn.Sequential(fused, rest), probe.new_empty(_corner(parts[0], shape))):
                folds.append({layer: fused, norm: rest})

    def fold(some: Sequence[dict[str, nn.Module]]) -> None:
        made = {name: part for each in some for name, part in each.items()}
        given = {name: network.get_submodule(name) for name in made}
        _replace(network, made)
        with evaluating(network), torch.no_grad():
            wrong = _differ(before, head.ask(network, probe))
        if wrong:  # a function reads what one of the layers gives
            _replace(network, given)
            for half in (some[: len(some) // 2], some[len(some) // 2 :]) if len(some) > 1 else ():
                fold(half)

    fold(folds)
    return network


def _foldable(visits: Sequence[Visit]) -> list[tuple[str, str, tuple[int, ...]]]:
    """Convolutions and linear layers, the norms that take exactly their output, each run once, and their input's shape.

    A norm with fixed statistics is known by what it keeps, since libraries have their own.
    """
    runs = Counter(visit.name for visit in visits)
    makers = {
        visit.gave: visit
        for visit in visits
        # The weight of a convolution with weight or spectral norm is computed, so there is nothing to write to.
        if isinstance(visit.part, nn.Conv2d | nn.Linear) and isinstance(visit.part.weight, nn.Parameter)
    }
    takers: dict[Identity, list[str]] = {}
    for visit in visits:
        if visit.took in makers and not visit.idle:
            takers.setdefault(visit.took, []).append(visit.name)
    return [
        (makers[visit.took].name, visit.name, makers[visit.took].shape_in)
        for visit in visits
        if visit.took in makers
        and isinstance(getattr(visit.part, "running_mean", None), Tensor)  # else its statistics are the batch's
        and isinstance(getattr(visit.part, "running_var", None), Tensor)
        and runs[visit.name] == runs[makers[visit.took].name] == 1
        # A module around it takes the same.
        and all(f"{visit.name}.".startswith(f"{taker}.") for taker in takers[visit.took])
    ]


def _fused(layer: nn.Module, norm: Any) -> tuple[nn.Module, nn.Module]:
    """The layer with the norm in its weights, and what the norm does beside norming, as timm's do: its activation."""
    fused: Any = copy.deepcopy(layer)
    scale = (norm.running_var + norm.eps).rsqrt()
    scale = scale if norm.weight is None else scale * norm.weight
    bias = 0 if fused.bias is None else fused.bias
    shift = (bias - norm.running_mean) * scale
    shift = shift if norm.bias is None else shift + norm.bias
    fused.weight = nn.Parameter(
        fused.weight * scale.view(-1, *(1 for _ in fused.weight.shape[1:])), requires_grad=False
    )
    fused.bias = nn.Parameter(shift, requires_grad=False)
    rest = [part for part in norm.children() if not isinstance(part, nn.Identity)]
    return fused, nn.Sequential(*rest) if rest else nn.Identity()


def _corner(layer: nn.Module, shape: Sequence[int]) -> tuple[int, ...]:
    """So much of an input as a convolution needs to give a few numbers; all of a linear layer's."""
    if not isinstance(layer, nn.Conv2d):
        return tuple(shape)
    reach = [CORNER + step * (size - 1) for step, size in zip(layer.dilation, layer.kernel_size, strict=True)]
    return (*shape[:-2], *map(min, shape[-2:], reach))


def _agree(one: nn.Module, other: nn.Module, like: Tensor) -> bool:
    """Whether two modules in evaluation mode answer alike on noise."""
    x = torch.randn(like.shape, generator=torch.Generator().manual_seed(0)).to(like)
    with evaluating(one), evaluating(other), torch.no_grad():
        return not _differ(one(x.clone()), other(x.clone()))


def _differ(before: Tensor, after: Tensor) -> bool:
    return bool((after - before).abs().max() > FOLDING_ERROR * before.abs().max().clamp(min=1e-3))


def _replace(network: nn.Module, parts: Mapping[str, nn.Module]) -> None:
    for name, part in parts.items():
        parent, _, child = name.rpartition(".")
        setattr(network.get_submodule(parent), child, part)


class _Float32(nn.Module):
    """A layer that computes in float32 among half-precision ones."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.float())
