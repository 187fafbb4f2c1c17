"""Which layers show how a network comes to its decision, found by the shape of its computation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn

from seewhy.errors import ExplainError
from seewhy.models import Classifier, capture
from seewhy.models.capture import Visit, watch

FEWEST = 3  # stages that tell of a network's way
FAR = 0.5  # of the way to the layer that CAM methods explain
MOST = 9  # as many as Bianchi 2024 show of a VGG-16
COMPUTING = (nn.Conv2d, nn.Linear)

_FOUND: WeakKeyDictionary[Classifier, tuple[str, ...]] = WeakKeyDictionary()


def default_layers(classifier: Classifier) -> tuple[str, ...]:
    """The last nine stages of a network that its decision reads as a grid, first to last; see `stages`.

    Of a vision transformer with a class token the last block falls out: its patch tokens are never read.

    Raises:
        ExplainError: no layer covers the picture, or nothing can be differentiated.
    """
    if classifier not in _FOUND:
        _FOUND[classifier] = tuple(_read(classifier, stages(classifier))[-MOST:])
    return _FOUND[classifier]


def stages(classifier: Classifier) -> list[str]:
    """The blocks of a network, or where it has none its convolutions, each with the activation that follows.

    A stage is a point through which everything passes that the decision knows of the picture: there is no way round
    it. So the end of a residual block is one, and a convolution inside it is not, since the shortcut leads past. A
    kind of module makes stages if all modules of the kind do: this separates blocks from their parts, without a table
    of architectures.
    """
    visits, passed = _flow(classifier)
    found = [
        visit
        for visit, layer in zip(visits, classifier.layers, strict=False)
        # Containers only pass on what their parts compute.
        if visit.node is not None
        and not isinstance(visit.part, nn.Sequential | nn.ModuleList)
        and layer.grid
        and not layer.passive
    ]
    if not found:
        raise ExplainError("no layer of this network keeps a grid over the picture, so there is nothing to show")
    kinds: dict[type, list[bool]] = defaultdict(list)
    for visit in found:
        kinds[type(visit.part)].append(visit.node in passed)
    whole = [visit for visit in found if all(kinds[type(visit.part)])]
    narrow = [visit for visit in found if visit.node in passed]
    ways = [names for part in (whole, narrow, _repeated(found), found) if (names := _ends(part))]
    # Where branches run side by side everything passes the stem only; then the blocks are shown that repeat.
    place = {layer.name: number for number, layer in enumerate(classifier.layers)}
    far = place[classifier.default_layer] * FAR
    told = [names for names in ways[:-1] if len(names) >= FEWEST]
    return next((names for names in told if place[names[-1]] >= far), (told or ways)[0])


def _repeated(visits: Sequence[Visit]) -> list[Visit]:
    """Those of modules whose kind occurs several times, and that lie in no other such module."""
    names: dict[type, set[str]] = defaultdict(set)
    for visit in visits:
        names[type(visit.part)].add(visit.name)
    several = {name for each in names.values() if len(each) > 1 for name in each}
    return [
        visit
        for visit in visits
        if visit.name in several and not any(visit.name.startswith(f"{name}.") for name in several)
    ]


def bottlenecks(end: Any) -> set[Any]:
    """The nodes of an autograd graph that every path from `end` to its start passes."""
    order = _topological(end)
    place = {node: number for number, node in enumerate(order)}
    open_edges = np.zeros(len(order) + 1, np.int64)  # how many edges lead past each place
    for node in order:
        for successor in _successors(node):
            open_edges[place[node] + 1] += 1
            open_edges[place[successor]] -= 1
    return {node for node, count in zip(order, np.cumsum(open_edges), strict=False) if count == 0}


def _flow(classifier: Classifier) -> tuple[list[Visit], set[Any]]:
    """Every run of every module on noise, and the bottlenecks between the picture and the scores."""
    x = classifier.probe().requires_grad_()
    with capture(classifier.module, ()), watch(classifier.module) as visits:
        logits = classifier.logits(x)
    if logits.grad_fn is None:
        raise ExplainError(
            "the network's answer does not depend on its layers through autograd: it runs under inference_mode, "
            "detaches, or leaves PyTorch; explain it with a method that needs scores only"
        )
    return visits, bottlenecks(logits.grad_fn)


def _ends(visits: Sequence[Visit]) -> list[str]:
    """One name for each stage among these, in the order they run."""
    groups: list[list[Visit]] = []
    for visit in visits:
        before = groups[-1][0] if groups else None
        if any(isinstance(part, COMPUTING) for part in visit.part.modules()):
            inner = [group for group in groups if group[0].name.startswith(f"{visit.name}.")]
            if len(inner) > 1:  # a container of stages
                continue
            groups = [*(group for group in groups if group not in inner), [visit]]
        elif before and isinstance(before.part, COMPUTING) and visit.output.shape == before.output.shape:
            groups[-1].append(visit)  # the norm or activation of the bare convolution before
    return list(dict.fromkeys(group[-1].name for group in groups))


def _read(classifier: Classifier, names: Sequence[str]) -> list[str]:
    """Those on whose grid the answer depends; all of them where it depends on none, as before training."""
    last = list(names[-MOST - 3 :])
    grids = [classifier.grid(name) for name in last]
    with capture(classifier.module, last) as seen:
        logits = classifier.logits(classifier.probe())
        if not logits.requires_grad:
            raise ExplainError("the network's answer does not depend on any layer that keeps a grid over the picture")
        found = torch.autograd.grad(logits.square().sum(), [seen[name] for name in last], allow_unused=True)
    slopes: list[Tensor | None] = list(found)  # None where a layer is unused
    read = [
        name
        for name, grid, slope in zip(last, grids, slopes, strict=True)
        if grid is not None and slope is not None and bool(grid.fold(slope).any())
    ]
    return read or last


def _topological(end: Any) -> list[Any]:
    """Every node from `end` on, each before those it leads to."""
    done: list[Any] = []
    seen = {end}
    stack = [(end, iter(_successors(end)))]
    while stack:
        node, rest = stack[-1]
        successor = next(rest, None)
        if successor is None:
            done.append(node)
            stack.pop()
        elif successor not in seen:
            seen.add(successor)
            stack.append((successor, iter(_successors(successor))))
    return done[::-1]


def _successors(node: Any) -> list[Any]:
    return [successor for successor, _ in node.next_functions if successor is not None]
