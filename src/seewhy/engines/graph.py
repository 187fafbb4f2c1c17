"""What a forward did that rules cannot answer for: operations that went past them, and values without a gradient.

Autograd numbers the nodes of its graph in the order they are made, so that a node with a number that no operation took
while it was watched was made by something else: TorchScript, a compiled graph, an `autograd.Function` of the network's
own. Masks, indices and detached tensors that were computed from the picture have no node at all; they are remembered
by the memory they lie in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction
from torch.autograd.graph import Node
from torch.multiprocessing.reductions import StorageWeakRef

_NAMES = {
    # What sums, moves and repeats is linear whoever ran it, and has no rule in any set.
    "linear nodes": """AccumulateGrad Add AddBackward Sub SubBackward Rsub Neg Sum Mean Cat Stack Alias AsStrided
        CopySlices Clone View UnsafeView Reshape ReshapeAlias ViewAs Expand Repeat Permute Transpose T Squeeze Unsqueeze
        Slice Select Split SplitWithSizes Unbind Diagonal Flip Roll ConstantPadNd ToCopy Copy""",
    # The result says nothing about the numbers in what they are given.
    "blind": """zeros_like ones_like empty_like full_like rand_like randn_like randint_like new_zeros new_ones new_empty
        new_full new_empty_strided isnan isinf isfinite isposinf isneginf""",
}
_LINEAR, _BLIND = (frozenset(names.split()) for names in _NAMES.values())
SHAPED_BY = {"expand_as", "view_as", "reshape_as", "type_as", "to"}  # take no more than a shape or type of the second

_autograd: Any = torch._C._autograd  # noqa: SLF001  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]


def next_number() -> int:
    """The number that autograd's next node in this thread gets."""
    return _autograd._get_sequence_nr()  # noqa: SLF001


def tensors_in(*values: Any) -> Iterator[Tensor]:
    """The tensors among `values`, at any depth of lists, tuples and mappings."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, tuple | list):
            yield from tensors_in(*value)
        elif isinstance(value, Mapping):
            yield from tensors_in(*value.values())


def dependent(*values: Any) -> list[Tensor]:
    """Those tensors among `values`, at any depth, that depend on the input; a weight left unfrozen does not."""
    return [
        tensor
        for tensor in tensors_in(*values)
        if tensor.requires_grad and not (tensor.is_leaf and isinstance(tensor, nn.Parameter))
    ]


class Watched:
    """The numbers of autograd's nodes that were made by operations under watch."""

    def __init__(self) -> None:
        self._spans: list[list[int]] = []  # first number, and the one after the last

    def add(self, first: int) -> None:
        """The nodes from number `first` to the latest were made under watch."""
        after = next_number()
        if self._spans and self._spans[-1][1] == first:
            self._spans[-1][1] = after
        elif after > first:
            self._spans.append([first, after])

    def missed(self, results: Iterable[Tensor]) -> str | None:
        """The name of an operation that went past the watch on the way to `results`; None where there is none."""
        # What is kept alive keeps its identity.
        nodes = {result.grad_fn: None for result in results if result.grad_fn is not None}
        waiting = list(nodes)
        while waiting:
            node = waiting.pop()
            before = [each for each, _ in node.next_functions if each is not None]
            seen = self._made(node) and _in_order(node, before)
            if not seen and not _is_linear(node) and self._depends(node):
                return _name(node)
            fresh = [each for each in before if each not in nodes]
            nodes.update(dict.fromkeys(fresh))
            waiting += fresh
        return None

    def _depends(self, node: Node) -> bool:
        """Whether the node comes of the input, and not of weights alone, as what a network keeps from before does."""
        waiting, known = [node], {node}
        while waiting:
            for before, _ in waiting.pop().next_functions:
                if before is None or before in known:
                    continue
                variable = getattr(before, "variable", None)
                if self._made(before) or (variable is not None and not isinstance(variable, nn.Parameter)):
                    return True
                known.add(before)
                waiting.append(before)
        return False

    def _made(self, node: Node) -> bool:
        number = _number(node)
        return any(first <= number < after for first, after in self._spans)


def _in_order(node: Node, before: Iterable[Node]) -> bool:
    """Whether the node is younger than those before it; each thread of a network counts from 0."""
    number = _number(node)
    # A view of what was overwritten gets its node when it is used.
    return all(_number(each) < number or _is_linear(each) for each in before)


def _number(node: Any) -> int:
    return node._sequence_nr()  # noqa: SLF001


def _is_linear(node: Node) -> bool:
    return not isinstance(node, BackwardCFunction) and _name(node) in _LINEAR


def _name(node: Node) -> str:
    return re.sub(r"(Backward)?\d*$", "", node.name().rpartition("::")[2])


class CutOff:
    """Values that were computed from the picture and have no gradient: masks, indices, what was detached."""

    def __init__(self) -> None:
        self._makers: dict[int, tuple[str, StorageWeakRef]] = {}  # by memory, whose number is not given out meanwhile

    def add(self, name: str, maker: str | None, results: Iterable[Tensor], inputs: Iterable[Tensor] = ()) -> None:
        """The operation `name` made `results`: of the picture, or of what `maker` had cut off.

        A result that lies in the memory of one of the constant `inputs` is a view of it and no more.
        """
        fresh = [result for result in results if result.is_leaf]
        if not fresh or name in _BLIND:
            return
        constants = {_memory(each) for each in inputs if each.is_leaf} - self._makers.keys()
        for result in fresh:
            if (memory := _memory(result)) and memory not in constants:
                self._makers.setdefault(memory, (maker or name, StorageWeakRef(result.untyped_storage())))

    def maker(self, tensors: Iterable[Tensor]) -> str | None:
        """What made such a value among `tensors`; None where there is none."""
        if not self._makers:
            return None
        found = (self._makers.get(_memory(tensor)) for tensor in tensors if tensor.is_leaf)
        return next((each[0] for each in found if each), None)


def used(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
    """The arguments of the operation `name` whose numbers it uses, and not their shape or type alone."""
    return args[:1] if name in SHAPED_BY else (args, kwargs)


def _memory(tensor: Any) -> int:
    """The number of the memory that a tensor lies in, the same for its views; 0 where it has none."""
    try:
        return tensor.untyped_storage()._cdata  # noqa: SLF001
    except RuntimeError:  # sparse tensors, and those of torch.vmap
        return 0
