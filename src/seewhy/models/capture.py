"""The capture engine: what named layers put out during one forward, and gradients with respect to it.

A context manager over forward hooks, gone when it ends; the network is owned while it lasts, see `seewhy.models.state`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from seewhy.core.names import nearest
from seewhy.errors import ExplainError, UnknownName
from seewhy.models.blame import explaining
from seewhy.models.state import owning
from seewhy.models.wrappers import parts_to_hook, without_gradient, without_layers

Side = Literal["output", "input"]
Identity = tuple[int, tuple[int, ...], int]  # memory, shape and version of a tensor that is kept alive


@dataclass
class Captured:
    """Activations by layer name; of a layer that runs several times, the last run."""

    activations: dict[str, Tensor] = field(default_factory=dict)
    obstacle: str | None = None  # that gradients met, as far as is known

    def __getitem__(self, layer: str) -> Tensor:
        if layer not in self.activations:
            raise ExplainError(f"layer '{layer}' did not run in this forward; `seewhy list layers` shows those that do")
        return self.activations[layer]

    def gradients(self, score: Tensor, layers: Sequence[str], *, differentiable: bool = False) -> dict[str, Tensor]:
        """∂ score / ∂ activation of each layer; `score` may be a sum over the batch. Can be called again.

        `differentiable` gradients can be differentiated in turn.
        """
        if not score.requires_grad:
            raise ExplainError(
                self.obstacle
                or "the network's answer does not depend on the captured layers through autograd: it runs under "
                "inference_mode, detaches, or leaves PyTorch; choose a later layer or a method that needs scores only"
            )
        tensors = [self[layer] for layer in layers]
        found = gradients_of(score, tensors, differentiable=differentiable)
        gradients: dict[str, Tensor] = {}
        for layer, gradient in zip(layers, found, strict=True):
            if gradient is None:
                raise ExplainError(
                    self.obstacle or f"the network's answer does not depend on layer '{layer}'; choose another"
                )
            gradients[layer] = gradient
        return gradients

    def curvatures(self, score: Tensor, layers: Sequence[str]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The gradients at each layer, and H·A: the layer's activations times the score's second derivatives."""
        gradients = self.gradients(score, layers, differentiable=True)
        curvatures: dict[str, Tensor] = {}
        for layer, gradient in gradients.items():
            found = None
            if gradient.requires_grad:  # else the network is linear from here on
                (found,) = gradients_of((gradient * self[layer].detach()).sum(), [self[layer]])
            curvatures[layer] = torch.zeros_like(self[layer]) if found is None else found
        return gradients, curvatures


@contextmanager
def capture(
    module: nn.Module, layers: Sequence[str], *, side: Side = "output", gradients: bool = True
) -> Generator[Captured]:
    """Capture `layers` of `module` while the context lasts; run the forward inside it.

    With `gradients`, the captured tensors take part in autograd (those that nothing before them records become its
    leaves). Without, nothing is recorded. The network is left as it was, with its flags and its `.grad`.
    """
    seen = Captured(obstacle=without_gradient(module) if gradients else None)
    with ExitStack() as stack:
        stack.enter_context(owning(module))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(_recording(module) if gradients else torch.no_grad())
        for name in layers:
            stack.enter_context(_hooked(find_layer(module, name), name, seen, side, gradients))
        yield seen


@dataclass(frozen=True)
class Visit:
    """One run of one submodule: which tensor it took, which it gave, and by what node of autograd's graph."""

    name: str
    part: nn.Module
    took: Identity | None
    gave: Identity
    output: Tensor
    node: Any = None
    shape_in: tuple[int, ...] = ()
    terms: tuple[Identity, ...] = ()  # all that was added up to what it took or gave

    @property
    def idle(self) -> bool:
        """Whether it handed on what it took, as a Dropout does in evaluation mode."""
        return self.took == self.gave

    @property
    def learns(self) -> bool:
        """Whether it has weights."""
        return next(self.part.parameters(), None) is not None

    @property
    def passive(self) -> bool:
        """Whether it hands on, shrinks, pads, enlarges or reshapes what another computed: it says nothing new."""
        return not self.learns and (self.idle or (self.took is not None and self.shape_in != tuple(self.output.shape)))


@contextmanager
def watch(
    module: nn.Module, then: Callable[[Visit], None] | None = None, only: str | None = None
) -> Generator[list[Visit]]:
    """Note every run of every submodule while the context lasts, in order of completion.

    With `then`, each is told to it instead, before what follows can change its output in place; `only` names one
    submodule whose runs are noted.
    """
    visits: list[Visit] = []
    tell = then or visits.append
    started: list[tuple[Identity | None, tuple[int, ...]]] = []

    def start(_part: nn.Module, args: Any, kwargs: Any) -> None:
        # What is done in place changes what the input is, so it is looked at before.
        given = next((each for each in (*args, *kwargs.values()) if isinstance(each, Tensor)), None)
        started.append((None, ()) if given is None else (_identity(given), tuple(given.shape)))

    def finish(name: str, part: nn.Module, _args: Any, output: Any) -> None:
        took, shape = started.pop()
        first = output[0] if isinstance(output, tuple | list) and output else output
        if isinstance(first, Tensor) and first.is_floating_point():
            tell(Visit(name, part, took, _identity(first), first, first.grad_fn, shape))

    with ExitStack() as stack:
        stack.enter_context(owning(module))
        for name, part in parts_to_hook(module):
            if only not in (None, name):
                continue
            stack.callback(part.register_forward_pre_hook(start, with_kwargs=True).remove)
            stack.callback(part.register_forward_hook(partial(finish, name)).remove)
        yield visits


class Sums(TorchDispatchMode):
    """Notes what is added up while the context lasts: the terms of each sum that are as large as it."""

    def __init__(self) -> None:
        super().__init__()
        self._terms: dict[Identity, tuple[Identity, ...]] = {}
        self._kept: list[Tensor] = []  # alive, so that no other tensor gets their memory

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: to skip the compiler, PyTorch would import it first, which takes seconds of each start."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        terms = [_identity(each) for each in args[:2] if isinstance(each, Tensor)] if func in _ADDING else []
        found = func(*args, **(kwargs or {}))
        if terms:
            memory, shape, version = _identity(found)
            in_place = func is torch.ops.aten.add_.Tensor and not found.is_inference()
            whole = memory, shape, version + in_place  # which is counted when this is over
            self._terms[whole] = tuple(term for term in terms if term[1] == shape and term != whole)
            self._kept.append(found)
        return found

    def terms(self, *tensors: Identity | None) -> tuple[Identity, ...]:
        """These tensors and all that was added up to them, the nearest first."""
        found = dict.fromkeys(each for each in tensors if each is not None)
        waiting = list(found)
        for tensor in waiting:  # grows meanwhile
            new = [term for term in self._terms.get(tensor, ()) if term not in found]
            found.update(dict.fromkeys(new))
            waiting += new
        return tuple(found)


_ADDING = {torch.ops.aten.add.Tensor, torch.ops.aten.add_.Tensor}


def gradients_of(score: Tensor, tensors: Sequence[Tensor], *, differentiable: bool = False) -> Sequence[Tensor | None]:
    """∂ score / ∂ each tensor, None where the score does not depend on it; the graph stays for another call."""
    with explaining("the backward pass"):
        return torch.autograd.grad(score, tensors, retain_graph=True, allow_unused=True, create_graph=differentiable)


def find_layer(module: nn.Module, name: str) -> nn.Module:
    """The submodule called `name`; an unknown name is answered with the nearest ones."""
    if name:  # the empty name is the whole network, which is no layer
        with suppress(AttributeError):
            part = module.get_submodule(name)
            if isinstance(part, torch.jit.ScriptModule):
                raise ExplainError(without_layers(part))
            return part
    known = [known for known, _ in module.named_modules()]
    near = nearest(name, known)
    raise UnknownName(f"the network has no layer '{name}'; nearest: {', '.join(near) or 'none'} "
                      "(`seewhy list layers` shows all)")  # fmt: skip


@contextmanager
def _recording(module: nn.Module) -> Generator[None]:
    """Have autograd on, but idle until a layer is captured: the parameters take no part meanwhile.

    Off until then would cost as little, but what is made while it is off may not be changed in place while it is on.
    """
    learning = [parameter for parameter in module.parameters() if parameter.requires_grad]
    if any(parameter.is_inference() for parameter in learning):
        raise ExplainError(
            "the network was made under torch.inference_mode, which rules out gradients for good; make it outside"
        )
    try:
        for parameter in learning:
            parameter.requires_grad_(False)
        with torch.enable_grad():
            yield
    finally:
        for parameter in learning:
            parameter.requires_grad_(True)


@contextmanager
def _hooked(layer: nn.Module, name: str, seen: Captured, side: Side, gradients: bool) -> Generator[None]:
    def keep(value: Any) -> Any:
        held = leading_tensor(value, name)
        if gradients and _in_vmap(held):
            raise ExplainError(f"layer '{name}' runs inside torch.vmap, where no gradient can be taken; choose another")
        if gradients:
            torch.set_grad_enabled(True)  # for a network that runs under no_grad, whose own exit undoes it
            held = held if held.requires_grad else held.detach().requires_grad_()
        seen.activations[name] = held
        # The network goes on with a copy: what follows may work in place on it (residual additions, ReLU).
        return with_leading_tensor(value, held.clone())

    if side == "output":
        handle = layer.register_forward_hook(lambda _module, _args, output: keep(output))
    else:
        handle = layer.register_forward_pre_hook(lambda _module, args: keep(args))
    try:
        yield
    finally:
        handle.remove()


def _in_vmap(tensor: Tensor) -> bool:
    functorch: Any = torch._C  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    return functorch._functorch.is_functorch_wrapped_tensor(tensor)  # noqa: SLF001


def _identity(tensor: Tensor) -> Identity:
    # Work in place bumps the version: the same memory then holds another layer's output.
    version = 0 if tensor.is_inference() else tensor._version  # noqa: SLF001
    try:
        return tensor.data_ptr(), tuple(tensor.shape), version
    except RuntimeError:  # inside torch.vmap tensors have no memory of their own
        return id(tensor), tuple(tensor.shape), version


def leading_tensor(value: Any, name: str) -> Tensor:
    """The activations in what the layer called `name` returned: the tensor, or the first of several."""
    first = value
    while isinstance(first, tuple | list | Mapping) and len(first):
        first = next(iter(first.values())) if isinstance(first, Mapping) else first[0]
    if not isinstance(first, Tensor) or not first.is_floating_point():
        raise ExplainError(f"layer '{name}' yields {type(value).__name__}, not activations; choose another layer")
    return first


def with_leading_tensor(value: Any, tensor: Tensor) -> Any:
    """What a layer returned, with `tensor` for its activations."""
    if isinstance(value, Tensor):
        return tensor
    if isinstance(value, Mapping):
        key = next(iter(value))
        # Output classes of transformers are ordered dicts that rebuild from their own fields.
        return type(value)(**{**value, key: with_leading_tensor(value[key], tensor)})
    rest = value[1:]
    first = with_leading_tensor(value[0], tensor)
    if hasattr(value, "_fields"):
        return type(value)(first, *rest)
    return type(value)((first, *rest))
