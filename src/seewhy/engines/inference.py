"""A private copy of a network that does nothing but answer, as fast as the machine can, and how much to ask it at once.

BatchNorm is folded into the convolution before it, memory is channels-last, and the arithmetic is half precision
where the machine is built for it; the last linear layer stays in float32, since rounding a logit is rounding a score.
The network that was given is never changed. How many images to ask at once is found by trial, and halved when memory
runs out.
"""

from __future__ import annotations

import copy
import ctypes
import os
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from threading import Lock
from typing import Any, Literal
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from seewhy.engines.compiled import Compiled, compiled, graph_of, has_openvino
from seewhy.engines.graph import tensors_in
from seewhy.errors import ExplainError, ModelError, NonFinite, UsageError
from seewhy.models.blame import short_of_memory
from seewhy.models.capture import Identity, Visit, watch
from seewhy.models.classifier import Classifier
from seewhy.models.head import Head
from seewhy.models.state import evaluating, owning

Precision = Literal["float64", "float32", "bfloat16", "float16"]
FOLDING_ERROR = 1e-3  # of the largest logit: folding reorders sums, a wrong fold changes everything

FIRST = {"cpu": 16}  # from 16 on, float32 convolutions of one image do not depend on their neighbours
LARGEST = {"cpu": 64}
FIRST_ON_GPU, LARGEST_ON_GPU = 32, 1024
PAYS = 1.08  # a larger batch has to be this much faster to be worth its memory
RUNS = 2  # of each size on trial: the first of them pays for what is set up on first use

REPAID = 128  # forwards from which on it is worth while to compile a network, which is kept for the next time
COMPILED_SIZE = 16  # larger batches are no faster there
HALF = 16  # bits
ITSELF = "The network itself"  # whatever it computes with
PRECISIONS = {16: "half precision", 32: "single precision", 64: "double precision"}

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
NEVER = 2**31 - 1


@dataclass(frozen=True, eq=False)
class Inference:
    """A network's fast copy: normalised inputs `(N, C, h, w)` to float32 logits `(N, K)`.

    Args:
        module: the copy in PyTorch.
        head: what its numbers mean.
        dtype: what the copy takes.
        bits: what it computes with.
        size: how much it is asked at once; found by trial, and kept with the network it was found for.
        compiled: what answers in its place, where that is faster.
        backend: what answers, in words.
        aside: sentences on what would have been faster, and why it was left aside.
    """

    module: nn.Module
    head: Head
    dtype: torch.dtype
    bits: int
    size: BatchSize
    compiled: Compiled | None = None
    backend: str = "PyTorch"
    aside: tuple[str, ...] = ()

    @property
    def layout(self) -> torch.memory_format:
        """How it wants its inputs to lie in memory, so that none is copied."""
        return torch.contiguous_format if self.compiled else torch.channels_last

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


def fast_precision(device: torch.device) -> Precision:
    """The half precision that `device` computes faster than float32, or float32."""
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    abilities = torch.cpu.get_capabilities() if device.type == "cpu" else {}
    return "bfloat16" if abilities.get("avx512_bf16") or abilities.get("amx_bf16") else "float32"


_COPIES: WeakKeyDictionary[Classifier, dict[tuple[Any, ...], Inference]] = WeakKeyDictionary()
_COMPILED: WeakKeyDictionary[Classifier, dict[tuple[Any, ...], Compiled | str]] = WeakKeyDictionary()
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


def answering_copy(classifier: Classifier, plain: Inference, forwards: int) -> Inference:
    """What answers so many `forwards` soonest in the precision of `plain`: compiled where that repays, else `plain`."""
    if forwards < REPAID or plain.compiled or not _can_compile(classifier, plain):
        return plain
    with owning(classifier.module):
        made = _COMPILED.setdefault(classifier, {})
        key = (plain.bits, torch.get_num_threads(), classifier.weights_version)
        if key not in made:
            for stale in [old for old in made if old[2] != key[2]]:
                del made[stale]
            made[key] = _compiled(classifier, half=plain.bits == HALF)
        found = made[key]
    if isinstance(found, str):
        return replace(plain, aside=(*plain.aside, f"OpenVINO was left aside: {found}."))
    size = FIXED.get(classifier) if plain.bits != HALF else None
    size = size or BatchSize(classifier.device, COMPILED_SIZE)
    return replace(plain, dtype=torch.float32, compiled=found, size=size, backend="OpenVINO")


def _can_compile(classifier: Classifier, plain: Inference) -> bool:
    return (
        has_openvino()
        and classifier.device.type == "cpu"
        and classifier.dtype == torch.float32
        and plain.dtype in {torch.float32, torch.bfloat16}
        # A network that could not be copied is not traced, either; a graph in a file is read as it is.
        and (plain.module is not classifier.module or graph_of(plain.module) is not None)
        and not classifier.head.alone
        and os.environ.get("SEEWHY_OPENVINO") != "0"
    )


def _compiled(classifier: Classifier, *, half: bool) -> Compiled | str:
    """The classifier compiled, or why it cannot be."""
    copy = inference_copy(classifier, "float32").module
    try:
        return compiled(classifier, copy, half=half)
    except ModelError as error:
        return str(error)
    except MemoryError:
        return "memory ran out"


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
    network = _private(classifier.module)
    for part in network.modules():
        if getattr(part, "training", False):  # a frozen script has no flag
            part.training = False
    network = network.requires_grad_(False)
    exact = torch.float64 if dtype == torch.float64 else torch.float32
    network = _folded(network.to(exact), classifier.head, classifier.probe().to(exact))
    if dtype != exact:
        network = _half(network, classifier, dtype)
    last: Any = {"memory_format": torch.channels_last}
    with suppress(RuntimeError):  # of another rank, as the weights of a 3d convolution
        network = network.to(**last)
    return _inference(network, classifier, dtype)


def _inference(module: nn.Module, classifier: Classifier, dtype: torch.dtype) -> Inference:
    return Inference(module, classifier.head, dtype, 8 * dtype.itemsize, BatchSize(classifier.device))


def _private(module: nn.Module) -> nn.Module:
    """A copy of the network, with what it holds that cannot be copied and need not be.

    Scripted functions have no state; tensors that it computed of its weights and keeps have a history that is theirs.
    """
    held = [value for part in module.modules() for value in vars(part).values()]
    memo: dict[int, Any] = {id(value): value for value in held if isinstance(value, torch.jit.ScriptFunction)}
    memo |= {id(each): each.detach().clone() for each in tensors_in(held) if not each.is_leaf}
    return copy.deepcopy(module, memo)


def _half(network: nn.Module, classifier: Classifier, dtype: torch.dtype) -> nn.Module:
    try:
        name = classifier.head_layer
    except ExplainError:
        return network.to(dtype)
    exact = copy.deepcopy(network.get_submodule(name))
    network = network.to(dtype)
    _replace(network, {name: _Float32(exact)})
    return network


def _folded(network: nn.Module, head: Head, probe: Tensor) -> nn.Module:
    """The network with each BatchNorm folded into the layer before it, where that changes nothing that it says."""
    with evaluating(network), torch.no_grad(), watch(network) as visits:
        before = head.ask(network, probe)
    folds: list[dict[str, nn.Module]] = []
    for layer, norm, shape in _foldable(visits):
        parts = network.get_submodule(layer), network.get_submodule(norm)
        with suppress(Exception):  # a norm that keeps its numbers in another way stays
            fused, rest = _fused(*parts)
            if _agree(nn.Sequential(*parts), nn.Sequential(fused, rest), probe.new_empty(shape)):
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


class BatchSize:
    """Doubles while that pays, halves when memory runs out, then stays."""

    def __init__(self, device: torch.device, fixed: int | None = None) -> None:
        if fixed is not None and fixed < 1:
            raise UsageError(f"a batch holds at least one image, not {fixed}")
        self.size = fixed or FIRST.get(device.type, FIRST_ON_GPU)
        self._largest = LARGEST.get(device.type, LARGEST_ON_GPU)
        self._settled = fixed is not None
        self._rates: list[float] = []
        self._best = 0.0
        self._lock = Lock()  # the threads that ask one network try sizes together

    def ran(self, count: int, seconds: float) -> None:
        """A batch of `count` images took `seconds`."""
        with self._lock:
            if not self._settled and count >= self.size:
                self._tried(count / seconds)

    def _tried(self, rate: float) -> None:
        self._rates.append(rate)
        if len(self._rates) < RUNS:
            return
        rate, self._rates = max(self._rates), []
        if rate < PAYS * self._best:
            self.size, self._settled = self.size // 2, True
        elif self.size * 2 > self._largest:
            self._settled = True
        else:
            self.size, self._best = self.size * 2, rate

    def halve(self, cause: Exception) -> None:
        """Memory ran out at this size; raises `ExplainError` where that was a single image."""
        with self._lock:
            if self.size == 1:
                raise ExplainError(
                    "memory runs out with a single image in the batch; use a smaller model, --device cpu, or free "
                    "memory"
                ) from cause
            self.size, self._settled = self.size // 2, True


def batches(run: Callable[[slice], Tensor], count: int, size: BatchSize) -> Iterator[Tensor]:
    """What `run` answers, `(n, …)`, for parts of `range(count)` in turn; for smaller ones where memory runs out."""
    start = 0
    while start < count:
        part = slice(start, min(start + size.size, count))
        began = time.perf_counter()
        try:
            rows = run(part)
        except (RuntimeError, MemoryError) as error:
            if not short_of_memory(error):
                raise
            size.halve(error)
            rows = None
        if rows is None:  # out of the handler, which keeps what was on its way from being freed
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            continue
        size.ran(part.stop - part.start, time.perf_counter() - began)
        start = part.stop
        yield rows


@cache
def keep_large_blocks() -> bool:
    """Keep large blocks of memory instead of giving them back after every layer; says whether that could be set.

    glibc returns blocks above 32 MiB to the system when they are freed, so that a convolutional network on a CPU
    spends most of its time on page faults. Asking the allocator to keep them makes large batches several times faster.
    It is done once per process, on Linux with glibc only, and not at all where SEEWHY_KEEP_MEMORY=0.
    """
    if os.environ.get("SEEWHY_KEEP_MEMORY") == "0" or platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    # No block comes by mmap, and the heap is never trimmed: a freed block stays ours for the next layer.
    return bool(libc.mallopt(M_MMAP_MAX, 0) and libc.mallopt(M_TRIM_THRESHOLD, NEVER))
