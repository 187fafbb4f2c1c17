"""A network's layers in the order they run, how each covers the picture, and which of them to explain by default."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from seewhy.core.names import nearest
from seewhy.errors import ExplainError, UnknownName

# Layers that pass on, shrink or reshape what another computed: their maps say nothing new.
PASSIVE = ("Pool", "Dropout", "DropPath", "StochasticDepth", "Identity", "Flatten", "Permute", "Pad", "Upsample")
CANDIDATES = 12

MOST_PREFIX_TOKENS = 16  # class token, distillation token, registers
MOST_DISTORTION = 0.5  # of maps: small ones are rounded coarsely, 2 × 1 for 4:3
MOST_TOKEN_DISTORTION = 0.1

Side = Literal["output", "input"]
Identity = tuple[int, tuple[int, ...], int]  # memory, shape and version of a tensor that is kept alive


@dataclass(frozen=True)
class Layer:
    """One submodule as it ran: its name, class, output shape for one image, and how that covers the picture."""

    name: str
    kind: str
    shape: tuple[int, ...]
    grid: Grid | None
    output: int  # equal for submodules that returned the very same tensor
    passive: bool = False


def layers_of(visits: Iterable[Visit], input_size: tuple[int, int]) -> tuple[Layer, ...]:
    """The layers that `watch` saw run on one input of (height, width), in order of completion."""
    order: dict[Identity, int] = {}
    return tuple(
        Layer(
            name=visit.name,
            kind=type(visit.part).__name__,
            shape=tuple(visit.output.shape),
            grid=find_grid(tuple(visit.output.shape), input_size),
            output=order.setdefault(visit.gave, len(order)),
            passive=any(word in type(visit.part).__name__ for word in PASSIVE),
        )
        for visit in visits
    )


def default_candidates(layers: Sequence[Layer]) -> list[Layer]:
    """The deepest layers that cover the picture with values of their own, in the order they run."""
    candidates = _distinct(layers)[-CANDIDATES:]
    if not candidates:
        raise ExplainError(
            "no layer of this network keeps a grid over the picture, so CAM methods have nothing to draw; "
            "use a method that needs scores or gradients only"
        )
    return candidates


def deepest_used(candidates: Sequence[Layer], seen: Captured, features: Tensor) -> str:
    """The deepest of the captured `candidates` that `features` still depend on, place by place.

    For a CNN that is its last convolutional stage before pooling; for a vision transformer with a class token it is
    the last block's first norm, since the patch tokens after it are never read.
    """
    with torch.enable_grad():
        score = features.square().sum()
    if score.requires_grad:
        gradients = gradients_of(score, [seen[layer.name] for layer in candidates])
        for layer, gradient in reversed(list(zip(candidates, gradients, strict=True))):
            if gradient is not None and layer.grid and bool(layer.grid.fold(gradient).any()):
                return layer.name
    return candidates[-1].name


def _distinct(layers: Sequence[Layer]) -> list[Layer]:
    """One layer per computed output: the outermost module that returns it."""
    runs = {layer.name: index for index, layer in enumerate(layers)}
    makers: dict[int, Layer] = {}
    outermost: dict[int, Layer] = {}
    for index, layer in enumerate(layers):
        makers.setdefault(layer.output, layer)
        # Of a module that runs several times, its last run is what capture gives; an idle one does not wrap anything.
        if runs[layer.name] == index and not layer.passive:
            outermost[layer.output] = layer
    return [
        layer
        for key, layer in outermost.items()
        # Among tokens a bare linear layer makes queries, keys or values, which are no features of the patch.
        if layer.grid and not makers[key].passive and (layer.grid.layout, layer.kind) != ("tokens", "Linear")
    ]


@dataclass(frozen=True)
class Grid:
    """How a layer's output covers the picture: `height` by `width` cells of `channels` numbers."""

    layout: Literal["channels first", "channels last", "tokens"]
    channels: int
    height: int
    width: int
    prefix: int = 0

    def fold(self, tensor: Tensor) -> Tensor:
        """`(N, C, h, w)`, `(N, h, w, C)` or `(N, prefix + h·w, C)` to `(N, C, h, w)`; a view where it can be."""
        if self.layout == "channels first":
            return tensor
        if self.layout == "channels last":
            return tensor.permute(0, 3, 1, 2)
        patches = tensor[:, self.prefix :]
        return patches.transpose(1, 2).reshape(len(tensor), self.channels, self.height, self.width)


def find_grid(shape: tuple[int, ...], input_size: tuple[int, int]) -> Grid | None:
    """The grid in an output of `shape` for one picture of (height, width), or None where there is none.

    A 4-d output is read in the layout whose grid comes nearer to the proportions of the input; tokens are read as the
    fewest prefix tokens that leave a full grid.
    """
    if shape[:1] != (1,):  # windows of the picture, one beside the other
        return None
    if len(shape) == 4:
        first = Grid("channels first", shape[1], shape[2], shape[3])
        last = Grid("channels last", shape[3], shape[1], shape[2])
        fits = [grid for grid in (first, last) if _covers(grid, input_size)]
        return min(fits, key=lambda grid: _distortion(grid, input_size), default=None)
    return _grid_of_tokens(shape[1], shape[2], input_size) if len(shape) == 3 else None


def _covers(grid: Grid, input_size: tuple[int, int]) -> bool:
    smaller = grid.height <= input_size[0] and grid.width <= input_size[1]
    return smaller and grid.height * grid.width > 1 and _distortion(grid, input_size) < MOST_DISTORTION


def _distortion(grid: Grid, input_size: tuple[int, int]) -> float:
    return abs(math.log(grid.height * input_size[1] / (grid.width * input_size[0])))


def _grid_of_tokens(tokens: int, channels: int, input_size: tuple[int, int]) -> Grid | None:
    for prefix in range(min(MOST_PREFIX_TOKENS, tokens - 1) + 1):
        patches = tokens - prefix
        height = round(math.sqrt(patches * input_size[0] / input_size[1]))
        width = patches // height if height else 0
        grid = Grid("tokens", channels, height, width, prefix)
        if patches > 1 and height * width == patches and _distortion(grid, input_size) < MOST_TOKEN_DISTORTION:
            return grid
    return None


def folded(grid: Grid, tensor: Tensor) -> Tensor:
    """`tensor` as detached maps `(N, C, h, w)`, in float32 at least: sums over a map overflow in half precision."""
    return grid.fold(tensor.detach()).to(torch.promote_types(tensor.dtype, torch.float32))


@dataclass
class Captured:
    """Activations by layer name; of a layer that runs several times, the last run."""

    activations: dict[str, Tensor] = field(default_factory=dict)

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
                "the network's answer does not depend on the captured layers through autograd: it runs under "
                "inference_mode, detaches, or leaves PyTorch; choose a later layer or a method that needs scores only"
            )
        tensors = [self[layer] for layer in layers]
        found = gradients_of(score, tensors, differentiable=differentiable)
        gradients: dict[str, Tensor] = {}
        for layer, gradient in zip(layers, found, strict=True):
            if gradient is None:
                raise ExplainError(f"the network's answer does not depend on layer '{layer}'; choose another")
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
    seen = Captured()
    with ExitStack() as stack:
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


@contextmanager
def watch(module: nn.Module) -> Generator[list[Visit]]:
    """Note every run of every submodule while the context lasts, in order of completion."""
    visits: list[Visit] = []

    def note(name: str, part: nn.Module, args: Any, output: Any) -> None:
        first = output[0] if isinstance(output, tuple | list) and output else output
        if isinstance(first, Tensor) and first.is_floating_point():
            took = _identity(args[0]) if args and isinstance(args[0], Tensor) else None
            visits.append(Visit(name, part, took, _identity(first), first, first.grad_fn))

    with ExitStack() as stack:
        for name, part in module.named_modules():
            if name:
                stack.callback(part.register_forward_hook(partial(note, name)).remove)
        yield visits


def gradients_of(score: Tensor, tensors: Sequence[Tensor], *, differentiable: bool = False) -> Sequence[Tensor | None]:
    """∂ score / ∂ each tensor, None where the score does not depend on it; the graph stays for another call."""
    return torch.autograd.grad(score, tensors, retain_graph=True, allow_unused=True, create_graph=differentiable)


def find_layer(module: nn.Module, name: str) -> nn.Module:
    """The submodule called `name`; an unknown name is answered with the nearest ones."""
    if name:  # the empty name is the whole network, which is no layer
        with suppress(AttributeError):
            return module.get_submodule(name)
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


def _identity(tensor: Tensor) -> Identity:
    # Work in place bumps the version: the same memory then holds another layer's output.
    version = 0 if tensor.is_inference() else tensor._version  # noqa: SLF001
    return tensor.data_ptr(), tuple(tensor.shape), version


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


@contextmanager
def evaluating(module: nn.Module) -> Generator[None]:
    """Put `module` in evaluation mode, with random numbers of its own; restore its flags and the global state."""
    flags = [(part, part.training) for part in module.modules()]
    # A network that draws random numbers must neither disturb its caller's nor be disturbed by them.
    found = {tensor.device for tensor in module.parameters()} if torch.cuda.is_initialized() else set()
    devices = [device for device in found if device.type == "cuda"]
    with torch.random.fork_rng(devices):
        # Not torch.manual_seed, which would seed every device there is.
        torch.default_generator.manual_seed(0)
        for device in devices:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(0)
        try:
            for part, training in flags:
                if training:  # to set is slow, and hundreds of parts mostly have nothing to set
                    part.training = False
            yield
        finally:
            for part, training in flags:
                if part.training != training:
                    part.training = training
