"""A network's layers in the order they run, how each covers the picture, and which of them to explain by default."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from seewhy.errors import ExplainError, SeewhyError
from seewhy.models.capture import Captured, Identity, Sums, Visit, gradients_of, watch
from seewhy.models.grids import LOCAL, REVERSED, Grid, coarser, in_line, locality, possible_grids

TRIALS = 1  # pictures whose halves are changed
CANDIDATES = 12  # looked at first, from the end
MOST_BRANCHES = 8

Run = Callable[[Tensor], object]
# Of one run of one layer: how much each cell changed, by the axis that the channels are on, with the left half of each
# picture and with the upper half.
Changes = dict[int, tuple[list[Tensor], list[Tensor]]]


@dataclass(frozen=True)
class Layer:
    """One submodule as it ran: its name, class, output shape for one image, and how that covers the picture."""

    name: str
    kind: str
    shape: tuple[int, ...]
    grid: Grid | None
    output: int  # equal for submodules that returned the very same tensor
    passive: bool = False
    idle: bool = False  # it returned what it took


def watched_layers(module: nn.Module, run: Run, probe: Tensor) -> tuple[Layer, ...]:
    """Every run of every submodule of `module`, in order of completion, while it runs on a `probe` `(1, C, h, w)`.

    The network runs a few times more, with halves of its input changed, to see which outputs are grids.
    """
    with torch.inference_mode(False), torch.no_grad():
        visits, changes = _visits(module, run, probe)
    grids = grids_of(visits, changes, (probe.shape[2], probe.shape[3]))
    order: dict[Identity, int] = {}
    known = {visit.gave for visit, grid in zip(visits, grids, strict=True) if grid}
    return tuple(
        Layer(
            name=visit.name,
            kind=type(visit.part).__name__,
            shape=tuple(visit.output.shape),
            grid=grid,
            output=order.setdefault(visit.gave, len(order)),
            # What lays out windows as a grid again says something new: before, there was no grid.
            passive=visit.passive and (grid is None or visit.took in known),
            idle=visit.idle,
        )
        for visit, grid in zip(visits, grids, strict=True)
    )


def grid_alone(module: nn.Module, run: Run, probe: Tensor, name: str) -> Grid | None:
    """How the last output of one layer covers the picture, where that is seen without looking at any other layer.

    `watched_layers` says the same of it, and needs to hook all layers to say it.
    """
    size = (probe.shape[2], probe.shape[3])
    with torch.inference_mode(False), torch.no_grad():
        visits, changes = _visits(module, run, probe, name)
    if not visits or changes is None:
        return None
    last = len(visits) - 1
    fits = possible_grids(tuple(visits[last].output.shape), size)
    if any(grid.layout == "tokens" for grid in fits):  # what they are depends on the grids before them
        return None
    return next((grid for grid in fits if min(_agreement(grid, changes.get(last, {}))) >= LOCAL), None)


def makers(layers: Iterable[Layer]) -> dict[int, Layer]:
    """The innermost layer that computed each output, or what came nearest to it, and did not only hand it on."""
    found: dict[int, Layer] = {}
    for layer in layers:
        if not layer.idle:
            found.setdefault(layer.output, layer)
    return found


def distinct(layers: Sequence[Layer]) -> list[Layer]:
    """One layer for each grid that was computed, in the order they run: the outermost module that returns it."""
    runs = {layer.name: index for index, layer in enumerate(layers)}
    made = makers(layers)
    outermost: dict[int, Layer] = {}
    for index, layer in enumerate(layers):
        # Of a module that runs several times, its last run is what capture gives; an idle one does not wrap anything.
        if runs[layer.name] == index and not layer.passive:
            outermost[layer.output] = layer
    return [
        layer
        for key, layer in outermost.items()
        # Among tokens a bare linear layer makes queries, keys or values, which are no features of the patch.
        if layer.grid and not made[key].passive and (layer.grid.layout, layer.kind) != ("tokens", "Linear")
    ]


def default_candidates(layers: Sequence[Layer], hidden: str | None = None) -> list[Layer]:
    """The layers that cover the picture with values of their own, in the order they run.

    `hidden` says why there may be none to see.
    """
    candidates = distinct(layers)
    if not candidates:
        raise ExplainError(
            hidden
            or "no layer of this network keeps a grid over the picture, so CAM methods have nothing to draw; "
            "use a method that needs scores or gradients only"
        )
    return candidates


def deepest_used(
    candidates: Sequence[Layer], seen: Captured, features: Tensor, layers: Sequence[Layer]
) -> tuple[str, ...]:
    """The deepest of the captured `candidates` that `features` still depend on, place by place.

    For a CNN that is its last convolutional stage before pooling; for a vision transformer with a class token it is
    the last block's first norm, since the patch tokens after it are never read. What one branch of a block puts out
    is passed over for what the whole block takes. The others named are beside the first, in branches of the whole
    network: each carries a part.
    """
    score = _number(features)
    if not score.requires_grad:
        return (candidates[-1].name,)
    last = _Flow(candidates[-CANDIDATES:], seen, score).read() or _Flow(candidates, seen, score).read()
    if not last:
        return (candidates[-1].name,)
    if _passes(score, seen[last[-1]], [seen[layer.name] for layer in candidates]):
        return (last[-1],)
    flow = _Flow(candidates, seen, score)
    used = flow.read()
    found = _beside(flow, used[-1:])
    for _ in range(MOST_BRANCHES):
        before = _before(found, candidates, layers)
        carries = before in used and all(before in flow.upstream(name) for name in found)
        if before is None or not carries or (len(found) == 1 and before not in flow.read(without=found)):
            break
        found = [before]
    return tuple(found)


@dataclass(frozen=True)
class _Flow:
    """Which layers' cells a score depends on."""

    candidates: Sequence[Layer]
    seen: Captured
    score: Tensor

    def read(self, *, without: Iterable[str] = ()) -> list[str]:
        """The layers whose cells it reads, in the order they run, where nothing is read by way of those `without`."""
        handles = [self.seen[name].register_hook(torch.zeros_like) for name in without]
        try:
            return self._reached(self.score)
        finally:
            for handle in handles:
                handle.remove()

    def upstream(self, name: str) -> set[str]:
        """The layers whose cells the cells of `name` depend on, itself among them."""
        (grid,) = [layer.grid for layer in self.candidates if layer.name == name]
        cells = self.seen[name] if grid is None else grid.fold(self.seen[name])
        return {name, *self._reached(_number(cells))}

    def _reached(self, score: Tensor) -> list[str]:
        if not score.requires_grad:
            return []
        gradients = gradients_of(score, [self.seen[layer.name] for layer in self.candidates])
        return [
            layer.name
            for layer, gradient in zip(self.candidates, gradients, strict=True)
            if gradient is not None and layer.grid and bool(layer.grid.fold(gradient).any())
        ]


def _beside(flow: _Flow, found: Sequence[str]) -> list[str]:
    """`found` and the deepest layers that are read, too, and that neither lead to it nor come from it."""
    found = list(found)
    leading = set().union(*(flow.upstream(name) for name in found))
    while len(found) < MOST_BRANCHES:
        beside = [name for name in flow.read(without=found) if name not in leading]
        if not beside:
            break
        found.append(beside[-1])
        leading |= flow.upstream(beside[-1])
    return found


def _before(found: Sequence[str], candidates: Sequence[Layer], layers: Sequence[Layer]) -> str | None:
    """The last candidate to run before the innermost module that holds all of `found`; None where there is none."""
    ran = {layer.name for layer in layers}
    around = [parent for parent in _parents(found[0]) if parent in ran]
    holds = next((parent for parent in around if all(name.startswith(f"{parent}.") for name in found)), None)
    if holds is None:
        return None
    first = next(number for number, layer in enumerate(layers) if layer.name.startswith(f"{holds}."))
    last = {layer.name: number for number, layer in enumerate(layers)}
    return next((layer.name for layer in reversed(candidates) if last[layer.name] < first), None)


def _number(tensor: Tensor) -> Tensor:
    """A number that depends on all of a tensor. Not a sum, nor one of squares: a norm's are always the same."""
    weights = torch.randn(tensor.shape, generator=torch.Generator().manual_seed(0)).to(tensor)
    with torch.enable_grad():
        return (tensor * weights).sum()


def _passes(score: Tensor, tensor: Tensor, others: Sequence[Tensor]) -> bool:
    """Whether every way from a score to one of the `others` leads through `tensor`."""
    end, nodes = _node_of(tensor), {_node_of(other) for other in others}
    waiting: list[Any] = [score.grad_fn]
    seen: set[Any] = {end, score.grad_fn}
    while waiting:
        for node, _ in waiting.pop().next_functions:
            if node is not None and node not in seen:
                if node in nodes:
                    return False
                seen.add(node)
                waiting.append(node)
    return True


def _node_of(tensor: Tensor) -> Any:
    """What stands for a tensor in autograd's graph."""
    return torch.autograd.graph.get_gradient_edge(tensor).node


def _parents(name: str) -> list[str]:
    """The modules that a module is in, innermost first."""
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(len(parts) - 1, 0, -1)]


def grids_of(
    visits: Sequence[Visit], changes: Mapping[int, Changes] | None, input_size: tuple[int, int]
) -> list[Grid | None]:
    """The grid of each visit's output: one that its shape allows and that depends on the picture place by place.

    Where that is too little to be seen, as in a deep network's attention, a layer that makes as many cells of a grid
    has the same, unless it turns over what was seen before it; a residual sum has the grid of what was added up.
    Without `changes` the shape has to do.
    """
    known: dict[Identity, Grid] = {}
    before: list[Grid] = []
    plain: set[Identity] = set()  # outputs that were seen to be a grid
    last_is_plain = False
    for index, visit in enumerate(visits):
        fits = [grid for grid in possible_grids(tuple(visit.output.shape), input_size) if in_line(grid, before)]
        agreement = {grid: (1.0, 1.0) if changes is None else _agreement(grid, changes.get(index, {})) for grid in fits}
        grid = next((grid for grid in fits if min(agreement[grid]) >= LOCAL), None)
        is_plain = grid is not None
        if grid is None:
            # What has no weights may be there to move the cells of a sum, window by window.
            terms = visit.terms if visit.learns else ()
            origin = next((each for each in (visit.took, *terms) if each in known), None)
            source = known.get(origin) if origin else None
            last = before[-1] if before else None
            was_plain = last_is_plain if source is None else origin in plain
            if not was_plain or all(sum(each) > REVERSED for each in agreement.values()):
                grid = next((each for each in fits if _handed_down(visit.part, source, last, each)), None)
        if grid is not None:
            known[visit.gave] = grid
            before.append(grid)
            last_is_plain = is_plain
            plain |= {visit.gave} if is_plain else set()
    return [known.get(visit.gave) for visit in visits]


def _agreement(grid: Grid, changes: Changes) -> tuple[float, float]:
    axis = {"channels first": 1, "channels last": 3, "tokens": 2}[grid.layout]
    left, upper = (torch.stack(each) if each else None for each in changes.get(axis, ([], [])))
    if left is None or upper is None or not bool((left.any() & upper.any()).item()):
        return 0.0, 0.0
    return locality(*(each.flatten(1)[:, grid.prefix :].view(-1, *grid.size) for each in (left, upper)))


def _handed_down(part: nn.Module, source: Grid | None, last: Grid | None, grid: Grid) -> bool:
    """Whether `grid` is that of the layer's input, `source`, or of the `last` layer before, or a coarser one."""
    if grid.layout != "tokens":
        finer = source is not None and grid.height <= source.height and grid.width <= source.width
        return finer or (last is not None and grid.size == last.size)
    if source is None or not ((grid.size, grid.prefix) == (source.size, source.prefix) or coarser(grid, source)):
        return False
    return not _has_latents(part, grid)


def _has_latents(part: nn.Module, grid: Grid) -> bool:
    """Whether a module has a parameter with a row of channels for each token: those are latents, and no patches."""
    latents = (grid.prefix + grid.height * grid.width, grid.channels)
    return any(latents in (tuple(each.shape[-2:]), tuple(each.shape[:2])) for each in part.parameters())


def _visits(
    module: nn.Module, run: Run, probe: Tensor, only: str | None = None
) -> tuple[list[Visit], dict[int, Changes] | None]:
    """The visits of `module` on `probe`, and how much each output changes with halves of that and other pictures.

    `only` names one layer to look at.
    """
    noise = torch.randn((2 * TRIALS, *probe.shape[1:]), generator=torch.Generator().manual_seed(1)).to(probe)
    pictures = [probe, *(noise * probe.std().clamp(min=1e-3) + probe.mean()).split(1)]
    height, width = probe.shape[2], probe.shape[3]
    halves = (..., slice(width // 2)), (..., slice(height // 2), slice(None))  # the left and the upper one
    visits: list[Visit] = []
    changes: dict[int, Changes] = {}
    for picture, other in zip(pictures[:TRIALS], pictures[TRIALS:], strict=False):
        ran = _ran(module, run, picture, only)
        visits = visits or [visit for visit, _ in ran]
        for side, half in enumerate(halves):
            changed = picture.clone()
            changed[half] = other[half]
            try:
                found = _changed(module, run, changed, ran, only)
            except SeewhyError:  # the network bears no other picture
                return visits, None
            for index, cells in found.items():
                for axis, each in cells.items():
                    changes.setdefault(index, {}).setdefault(axis, ([], []))[side].append(each)
    return visits, changes


def _ran(module: nn.Module, run: Run, x: Tensor, only: str | None) -> list[tuple[Visit, Tensor | None]]:
    """Every visit on `x`, with a copy of what may be a grid, since what follows may work in place on it."""
    found: list[tuple[Visit, Tensor | None]] = []
    size = (x.shape[2], x.shape[3])
    sums = Sums()

    def keep(visit: Visit) -> None:
        grids = possible_grids(tuple(visit.output.shape), size)
        visit = replace(visit, terms=sums.terms(visit.took, visit.gave))
        found.append((visit, visit.output.clone() if grids else None))

    with watch(module, keep, only), sums:
        run(x)
    return found


def _changed(
    module: nn.Module, run: Run, x: Tensor, before: Sequence[tuple[Visit, Tensor | None]], only: str | None
) -> dict[int, dict[int, Tensor]]:
    """How much each cell of each visit's output changed to that on `x`, by the axis that its channels may be on."""
    found: dict[int, dict[int, Tensor]] = {}
    rest = iter(enumerate(before))

    def compare(visit: Visit) -> None:
        index, (other, kept) = next(rest, (0, (visit, None)))
        if kept is not None and other.name == visit.name and kept.shape == visit.output.shape:
            distance = (visit.output - kept)[0].float().square()
            axes = (1, 3) if kept.dim() == 4 else (2,)
            found[index] = {axis: distance.sum(axis - 1).sqrt() for axis in axes}

    with watch(module, compare, only):
        run(x)
    return found
