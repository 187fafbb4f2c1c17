"""The stages of a network, found by the shape of its computation: the points through which all passes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from torch import nn

from seewhy.errors import ExplainError
from seewhy.models.capture import Visit, capture, watch
from seewhy.models.classifier import Classifier
from seewhy.models.grids import Grid

FEWEST = 3  # stages that tell of a network's way
FAR = 0.5  # of the way to the layer that CAM methods explain
COMPUTING = (nn.Conv2d, nn.Linear)


def stages(classifier: Classifier) -> list[str]:
    """The blocks of a network, or where it has none its convolutions, each with the activation that follows.

    A stage is a point through which everything passes that the decision knows of the picture: there is no way round
    it. So the end of a residual block is one, and a convolution inside it is not, since the shortcut leads past. A
    kind of module makes stages if all modules of the kind do: this separates blocks from their parts, without a table
    of architectures.
    """
    visits, passed = _flow(classifier)
    place = {layer.name: number for number, layer in enumerate(classifier.layers)}  # of the last run, which is shown
    found = [
        visit
        for number, (visit, layer) in enumerate(zip(visits, classifier.layers, strict=False))
        if place[visit.name] == number and visit.node is not None and not _container(visit)
        if layer.grid and not layer.passive and not layer.idle
    ]
    if not found:
        raise ExplainError("no layer of this network keeps a grid over the picture, so there is nothing to show")
    kinds: dict[type, list[bool]] = defaultdict(list)
    for visit in found:
        kinds[type(visit.part)].append(visit.node in passed)
    whole = [visit for visit in found if all(kinds[type(visit.part)])]
    narrow = [visit for visit in found if visit.node in passed]
    blocks = _repeated(visits)
    repeated = [visit for visit in found if visit.name in blocks]
    alike = _alike(classifier.default_layers, blocks)
    parts = [_ends(whole), _ends(narrow), _ends(repeated), [visit.name for visit in found if visit.name in alike]]
    ways = [names for names in (*parts, _ends(found)) if names]
    # Where branches run side by side everything passes the stem only; then the blocks are shown that repeat, or where
    # a block gives no grid, what corresponds in each to the layer that CAM methods explain.
    far = place[classifier.default_layer] * FAR
    told = [names for names in ways[:-1] if len(names) >= FEWEST]
    return next((names for names in told if place[names[-1]] >= far), (told or ways)[0])


def coarsest_stages(classifier: Classifier, most: int) -> dict[str, Grid]:
    """The last stage of each size, of up to `most` sizes from the coarsest on, and how it covers the picture."""
    by_size = {grid.size: (name, grid) for name in stages(classifier) if (grid := classifier.grid(name))}
    return dict(by_size[size] for size in sorted(by_size, key=lambda size: size[0] * size[1])[:most])


def _container(visit: Visit) -> bool:
    """Whether a module only passes on what its parts compute."""
    return isinstance(visit.part, nn.Sequential | nn.ModuleList)


def _repeated(visits: Sequence[Visit]) -> set[str]:
    """The modules whose kind occurs several times, and that lie in no other such module."""
    names: dict[type, set[str]] = defaultdict(set)
    for visit in visits:
        if not _container(visit):
            names[type(visit.part)].add(visit.name)
    several = {name for each in names.values() if len(each) > 1 for name in each}
    return {name for name in several if not any(name.startswith(f"{other}.") for other in several)}


def _alike(layers: Sequence[str], blocks: Iterable[str]) -> set[str]:
    """What is called in each of the `blocks` as these `layers` are in theirs."""
    inside = {layer.removeprefix(block) for layer in layers for block in blocks if layer.startswith(f"{block}.")}
    return {f"{block}{rest}" for block in blocks for rest in inside}


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
