"""The end of a network alone: run it again from one layer on, with other activations in that layer's place.

What had finished before the layer is not computed again: one forward is watched, for as many layers as there are, and
during each later one the outermost modules that had finished by then return what they returned, once for each image of
the batch. Functions called between modules do run again. The network is changed for the length of a call only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from seewhy.errors import ExplainError, SeewhyError
from seewhy.models.capture import find_layer, leading_tensor, with_leading_tensor
from seewhy.models.state import owning
from seewhy.models.wrappers import parts_to_hook

Forward = Callable[[Tensor], Tensor]
Spread = Callable[[Tensor, int], Tensor]  # a kept tensor, for a batch of so many images
Answer = Callable[[], Any] | None  # to one call of a module; None is its own
Answers = dict[nn.Module, list[Answer]]


@dataclass(frozen=True, eq=False)
class Tail:
    """A network from one layer on, for one input; see `Run.tail`.

    `activation` `(1, …)` is what the layer puts out, `logits` `(1, K)` what the network says.
    """

    activation: Tensor
    logits: Tensor
    _module: nn.Module
    _forward: Forward
    _x: Tensor
    _layer: nn.Module
    _output: Any  # of the layer
    _before: Sequence[tuple[nn.Module, Any]]  # what returns again what it returned, in the order it ran
    _spread: Spread
    _alone: bool
    _earlier_runs: int = 0  # of the layer that have to run again

    def __call__(self, activations: Tensor, *, gradients: bool = False) -> Tensor:
        """Logits `(n, K)` with `activations` `(n, …)` for what the layer puts out; with `gradients`, by autograd."""
        count = len(activations)
        if self._alone and count > 1:
            return torch.cat([self(each, gradients=gradients) for each in activations.split(1)])
        recording = torch.enable_grad() if gradients else torch.no_grad()
        answering = _answering(self._module, self._answers(activations, count))
        with torch.inference_mode(False), recording, answering:
            return self._forward(self._x.expand(count, *self._x.shape[1:]))

    def _answers(self, activations: Tensor, count: int) -> Answers:
        answers: Answers = {}
        for part, output in self._before:
            answers.setdefault(part, []).append(partial(_batched, output, self._spread, count))
        mine = answers.setdefault(self._layer, [None] * self._earlier_runs)
        # A copy, since what follows may work in place on it.
        mine.append(lambda: with_leading_tensor(_batched(self._output, self._spread, count), activations.clone()))
        return answers

    def agrees(self) -> bool:
        """Whether it says what the whole network says when nothing is replaced, and leaves what it keeps as it was."""
        kept = (self._before, self._output)
        versions = _versions(kept)
        try:
            found = self(self.activation.expand(2, *self.activation.shape[1:]))
        except (RuntimeError, TypeError, ValueError, SeewhyError):  # shapes, or work in place on shared memory
            return False
        error = (found - self.logits).abs().max()
        slack = torch.finfo(found.dtype).eps ** 0.5 * self.logits.abs().max()
        return bool(error <= slack) and _versions(kept) == versions


@dataclass(frozen=True, eq=False)
class Run:
    """One forward of a network, watched for several layers: from each of them on it can be run again; see `watched`.

    `logits` `(1, K)` is what the network says.
    """

    logits: Tensor
    _module: nn.Module
    _forward: Forward
    _x: Tensor
    _alone: bool
    _watch: _Watch

    def activation(self, layer: str) -> Tensor:
        """What the layer put out, `(1, …)`; of one that ran several times, the last time."""
        return leading_tensor(self._kept(layer)[-1][1], layer)

    def tail(self, layer: str) -> Tail:
        """The network from `layer` on, ready to run again.

        Of a layer that runs several times, the last run is the one replaced. The result is compared with the whole
        network; a network that cannot be run in part (its modules keep state, or mix images) is run in whole each time.
        """
        kept, part = self._kept(layer), find_layer(self._module, layer)
        made = partial(Tail, self.activation(layer), self.logits, self._module, self._forward, self._x, part)
        with torch.inference_mode(False):
            clones = [(each, _mapped(given, torch.clone)) for each, given in kept]  # what is shared may be written to
        for (*before, (_, output)), spread in ((clones, _shared), (kept, _copied)):
            if (found := made(output, before, spread, self._alone)).agrees():
                return found
        return made(kept[-1][1], [], _copied, self._alone, self._watch.runs[part] - 1)

    def _kept(self, layer: str) -> list[tuple[nn.Module, Any]]:
        found = self._watch.kept.get(find_layer(self._module, layer))
        if found is None:
            raise ExplainError(f"layer '{layer}' did not run in this forward; `seewhy list layers` shows those that do")
        return found


def watched(module: nn.Module, layers: Sequence[str], forward: Forward, x: Tensor, *, alone: bool = False) -> Run:
    """Run `forward(x)` once, with `x` `(1, C, h, w)`, and keep what it takes to run `module` again from `layers` on.

    With `alone`, images go in one by one.
    """
    watch = _Watch(frozenset(find_layer(module, layer) for layer in layers))
    with torch.inference_mode(False), torch.no_grad(), watch.during(module):
        logits = forward(x)
    return Run(logits, module, forward, x, alone, watch)


def tail(module: nn.Module, layer: str, forward: Forward, x: Tensor, *, alone: bool = False) -> Tail:
    """Run `forward(x)` once, and give `module` from `layer` on; see `Run.tail`."""
    return watched(module, [layer], forward, x, alone=alone).tail(layer)


@dataclass
class _Watch:
    """Watches a forward for the outermost modules that had finished when each layer last did, itself among them."""

    layers: frozenset[nn.Module]
    runs: Counter[nn.Module] = field(default_factory=Counter[nn.Module])
    kept: dict[nn.Module, list[tuple[nn.Module, Any]]] = field(default_factory=dict[nn.Module, Any])
    _finished: list[tuple[nn.Module, Any]] = field(default_factory=list)
    _starts: list[int] = field(default_factory=list)

    @contextmanager
    def during(self, module: nn.Module) -> Generator[None]:
        with ExitStack() as stack:
            stack.enter_context(owning(module))
            for _, part in parts_to_hook(module):
                stack.callback(part.register_forward_pre_hook(self._start).remove)
                stack.callback(part.register_forward_hook(self._finish, prepend=True).remove)
            yield

    def _start(self, _part: nn.Module, _args: Any) -> None:
        self._starts.append(len(self._finished))

    def _finish(self, part: nn.Module, _args: Any, output: Any) -> None:
        del self._finished[self._starts.pop() :]  # what ran inside it
        # A copy, since what follows may work in place on it.
        self._finished.append((part, _mapped(output, lambda tensor: tensor.detach().clone())))
        if part in self.layers:
            self.runs[part] += 1
            self.kept[part] = list(self._finished)


@contextmanager
def _answering(module: nn.Module, answers: Answers) -> Generator[None]:
    with owning(module), ExitStack() as stack:
        for part, its in answers.items():
            stack.enter_context(_replaced(part, iter(its)))
        yield


@contextmanager
def _replaced(part: nn.Module, answers: Iterator[Answer]) -> Generator[None]:
    """Have each call of `part` answered by the next of `answers`; when they are used up, by itself."""
    own = vars(part)
    given, real = own.get("forward"), part.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        answer = next(answers, None)
        return answer() if answer else real(*args, **kwargs)

    own["forward"] = forward
    try:
        yield
    finally:
        del own["forward"]
        if given is not None:
            own["forward"] = given


def _batched(output: Any, spread: Spread, count: int) -> Any:
    return _mapped(output, lambda tensor: spread(tensor, count) if tensor.dim() else tensor)


def _shared(tensor: Tensor, count: int) -> Tensor:
    """The same memory for every image, where that can be."""
    return tensor.expand(count, *tensor.shape[1:]) if len(tensor) == 1 else _copied(tensor, count)


def _copied(tensor: Tensor, count: int) -> Tensor:
    """Image after image, as batches of windows are laid out too."""
    return tensor.repeat(count, *(1 for _ in tensor.shape[1:]))


def _mapped(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """`value` with every tensor in it changed."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, Mapping):
        return type(value)(**{name: _mapped(each, change) for name, each in value.items()})
    if isinstance(value, tuple | list):
        parts = [_mapped(each, change) for each in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value


def _versions(outputs: Any) -> list[int]:
    """How often each tensor in `outputs` was written to."""
    if isinstance(outputs, Tensor):
        return [outputs._version]  # noqa: SLF001
    if isinstance(outputs, Mapping):
        outputs = list(outputs.values())
    parts = outputs if isinstance(outputs, tuple | list) else []
    return [version for each in parts for version in _versions(each)]
