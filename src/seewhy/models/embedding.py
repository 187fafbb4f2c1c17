"""What goes into the scores: the penultimate, found by following the scores back to the last weights that made them.

One forward is traced, operation by operation. From the scores back, everything is passed that has no matrix of weights
in it: softmax, scales, means over members or places. What goes into the first operations that have one is the
embedding: of two heads both their inputs, of a head before pooling the map before it. What is computed from another
part of the embedding alone, as the low-rank side of an adapter is, adds nothing and is left out; so are weights that
only calibrate the scores.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from typing_extensions import override

from seewhy.errors import ExplainError


def _words(names: str) -> frozenset[str]:
    return frozenset(names.split())


# Operations with a tensor of weights, whatever its shape; any other has one where a whole matrix takes part.
WEIGHING = _words("linear conv1d conv2d conv3d matmul rmatmul mm bmm mv addmm baddbmm einsum tensordot inner cdist")
# Those that put tensors beside each other, so that one is no weight of the other.
GATHERING = _words("cat concat concatenate stack hstack vstack where setitem")
# What may lie between scores and the weights that calibrate them.
CALIBRATED = _words(
    """softmax log_softmax log sigmoid logsigmoid log_sigmoid clamp clamp_min clip mul rmul multiply div divide
    truediv rtruediv true_divide add radd sub subtract dropout flatten view reshape squeeze unsqueeze contiguous clone
    float to type getitem"""
)


@dataclass(frozen=True)
class Tap:
    """One input of one operation: the `place`-th tensor given to the `run`-th call of the function called `name`.

    `shape` is that for one picture.
    """

    name: str
    run: int
    place: int
    shape: tuple[int, ...]

    def features(self, tensor: Tensor) -> Tensor:
        """`(N, D)` of what was tapped: features at several positions are averaged."""
        if self.single:
            return tensor.reshape(1, -1)
        if self.name.startswith("conv"):
            return tensor.flatten(2).mean(2)
        if self.name == "linear":
            return tensor.flatten(1, -2).mean(1) if tensor.dim() > 2 else tensor
        return tensor.flatten(1)

    def slopes(self, gradients: Tensor) -> Tensor:
        """What each feature `(1, D)` counts, of ∂ score / ∂ tapped: a mean counts what its parts do together."""
        features = self.features(gradients)
        return features * (gradients.numel() // features.numel())

    @property
    def single(self) -> bool:
        """Whether it has to be asked one picture at a time, since its rows are no pictures."""
        return len(self.shape) < 2 or self.shape[0] != 1


@dataclass(frozen=True, eq=False)
class _Step:
    """One operation: its name and which call of it, and by place the steps that gave what it takes of the picture."""

    name: str
    run: int
    taken: Mapping[int, _Step | None]  # None is the picture, or what no step is known of
    shapes: Mapping[int, tuple[int, ...]]
    weighs: bool  # whether weights take part
    columns: int  # of its result, if that is a matrix


class _Counting(TorchFunctionMode):
    """Sees every operation with its name and which call of it that is."""

    def __init__(self) -> None:
        super().__init__()
        self._runs: Counter[str] = Counter()

    @override
    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name = str(getattr(func, "__name__", func)).strip("_")
        self._runs[name] += 1
        given = list(_tensors((args, kwargs or {})))
        self.before(name, self._runs[name], given)
        result = func(*args, **(kwargs or {}))
        self.after(name, self._runs[name], given, list(_tensors(args[0] if name == "setitem" else result)))
        return result

    def before(self, name: str, run: int, given: list[Tensor]) -> None:
        """Told of the tensors that an operation takes."""

    def after(self, name: str, run: int, given: list[Tensor], made: list[Tensor]) -> None:
        """Told of those that it gave."""


class _Trace(_Counting):
    """What each operation that depends on the picture `x` takes, and from where."""

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self._made: dict[int, _Step | None] = {id(x): None}
        self._kept = [x]  # so that no other tensor gets the same identity

    @override
    def after(self, name: str, run: int, given: list[Tensor], made: list[Tensor]) -> None:
        # What passed a function that is not seen, a script or one with a gradient of its own, is known by autograd.
        taken = {
            place: self._made.get(id(each))
            for place, each in enumerate(given)
            if id(each) in self._made or each.requires_grad
        }
        self._kept += made
        if not taken or not made:
            return
        weights = [each for place, each in enumerate(given) if place not in taken and each.dim() > 0]
        matrices = [each for each in weights if sum(side > 1 for side in each.shape) > 1]
        step = _Step(
            name,
            run,
            taken,
            shapes={place: tuple(given[place].shape) for place in taken},
            weighs=bool(weights if name in WEIGHING else matrices) and name not in GATHERING,
            columns=made[0].shape[1] if made[0].dim() == 2 else 0,
        )
        self._made.update((id(each), step) for each in made)

    def step_of(self, tensor: Tensor) -> _Step | None:
        """The operation that gave a tensor; None where none is known."""
        return self._made.get(id(tensor))


class _Reading(_Counting):
    """Keeps what passes the taps of a forward."""

    def __init__(self, taps: Sequence[Tap], *, gradients: bool) -> None:
        super().__init__()
        self.found: dict[Tap, Tensor] = {}
        self._taps = taps
        self._gradients = gradients

    @override
    def before(self, name: str, run: int, given: list[Tensor]) -> None:
        for tap in self._taps:
            if (tap.name, tap.run) == (name, run) and tap.place < len(given):
                self.found[tap] = tensor = given[tap.place]
                if self._gradients and not tensor.requires_grad:
                    tensor.requires_grad_()  # the first that autograd records


class Embedding(nn.Module):
    """A network that answers with what goes into its scores, `(N, D)`, instead of them."""

    def __init__(self, module: nn.Module, ask: Callable[[nn.Module, Tensor], Tensor], taps: Sequence[Tap]) -> None:
        super().__init__()
        self.module, self.ask, self.taps = module, ask, taps

    @override
    def forward(self, x: Tensor) -> Tensor:
        with reading(self.taps, gradients=False) as found:
            self.ask(self.module, x)
        return torch.cat([tap.features(found[tap]) for tap in self.taps], dim=1)


def find_taps(run: Callable[[Tensor], Tensor], probe: Tensor) -> tuple[Tap, ...]:
    """Where to find what goes into the scores `(1, K)` that `run` gives for a `probe` `(1, C, h, w)`.

    Raises:
        ExplainError: no weights are seen between the picture and the scores.
    """
    with _Trace(probe) as trace:
        scores = run(probe)
    last = trace.step_of(scores)
    sources = {} if last is None else _sources(last, scores.shape[1])
    taps = tuple(
        Tap(step.name, step.run, place, step.shapes[place])
        for before, (step, place) in sources.items()
        if not _follows(before, sources.keys() - {before})
        # The mean colour of a picture is nothing that the network made; all of its pixels do go into the scores.
        and (_learnt(before) or len(step.shapes[place]) == 2)
    )
    if not taps:
        raise ExplainError(
            "no weights are seen between the picture and this network's scores, so there is no embedding to read"
        )
    return taps


@contextmanager
def reading(taps: Sequence[Tap], *, gradients: bool) -> Generator[Mapping[Tap, Tensor]]:
    """Keep what passes the taps of the forward inside; with `gradients` it takes part in autograd."""
    with _Reading(taps, gradients=gradients) as mode:
        yield mode.found


def _sources(last: _Step, classes: int) -> dict[_Step | None, tuple[_Step, int]]:
    """What gave the inputs of the last operations with weights, and which operation takes each at which place."""
    found: dict[_Step | None, tuple[_Step, int]] = {}
    waiting, seen = [last], {last}
    while waiting:
        step = waiting.pop(0)
        for place, before in step.taken.items():
            further = _calibrated(before, classes) if step.weighs else before
            if step.weighs and further is None:
                found.setdefault(before, (step, place))
            elif further is not None and further not in seen:
                seen.add(further)
                waiting.append(further)
    return found


def _calibrated(step: _Step | None, classes: int) -> _Step | None:
    """The operation with weights that gave scores, which only calibrations follow; None where it is no score."""
    while step is not None and step.columns == classes:
        if step.weighs:
            return step
        (before, *others) = set(step.taken.values())
        if others or step.name not in CALIBRATED:
            return None
        step = before
    return None


def _follows(step: _Step | None, others: AbstractSet[_Step | None]) -> bool:
    """Whether a step is computed from the results of `others` alone."""
    if step is None:
        return False
    waiting, seen = [step], {step}
    while waiting:
        for before in waiting.pop().taken.values():
            if before in others or before in seen:
                continue
            if before is None:
                return False
            seen.add(before)
            waiting.append(before)
    return True


def _learnt(step: _Step | None) -> bool:
    """Whether weights took part in a step or before it."""
    waiting, seen = [step], {step}
    while waiting:
        last = waiting.pop()
        if last is not None and last.weighs:
            return True
        before = set(last.taken.values()) - seen if last is not None else set[_Step | None]()
        seen |= before
        waiting += before
    return False


def _tensors(value: Any) -> Iterator[Tensor]:
    """Every tensor in nested arguments."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _tensors(each)
    elif isinstance(value, tuple | list):
        for each in value:
            yield from _tensors(each)
