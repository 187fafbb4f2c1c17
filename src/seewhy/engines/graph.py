"""What a forward did that rules cannot answer for: operations that went past them, and values without a gradient.

Autograd numbers the nodes of its graph in the order they are made, so that a node with a number that no operation took
while it was watched was made by something else: TorchScript, a compiled graph, an `autograd.Function` of the network's
own. Masks, indices and detached tensors that were computed from the picture have no node at all; they are remembered
by the memory they lie in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction
from torch.multiprocessing.reductions import StorageWeakRef

# What sums, moves and repeats is linear whoever ran it, and has no rule in any set.
_LINEAR_NODES = """AccumulateGrad Add AddBackward Sub SubBackward Rsub Neg Sum Mean Cat Stack Alias AsStrided CopySlices
    Clone View UnsafeView Reshape ReshapeAlias ViewAs Expand Repeat Permute Transpose T Squeeze Unsqueeze Slice Select
    Split SplitWithSizes Unbind Diagonal Flip Roll ConstantPadNd ToCopy Copy"""
# Of these the result says nothing about the numbers in what they are given.
_BLIND = """zeros_like ones_like empty_like full_like rand_like randn_like randint_like new_zeros new_ones new_empty
    new_full new_empty_strided isnan isinf isfinite isposinf isneginf"""
_SHAPED_BY = {"expand_as", "view_as", "reshape_as", "type_as", "to"}  # take no more than a shape or type of the second

next_number = torch._C._autograd._get_sequence_nr  # noqa: SLF001  # pyright: ignore[reportAttributeAccessIssue]


def tensors_in(*values: Any) -> Iterator[Tensor]:
    """The tensors among `values`, at any depth of lists, tuples and mappings."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, tuple | list):
            yield from tensors_in(*value)
        elif isinstance(value, Mapping):
            yield from tensors_in(*value.values())


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
        waiting, linear = list(nodes), _LINEAR_NODES.split()
        while waiting:
            node = waiting.pop()
            number = node._sequence_nr()  # noqa: SLF001
            if not any(first <= number < after for first, after in self._spans):
                name = re.sub(r"(Backward)?\d*$", "", node.name().rpartition("::")[2])
                if name not in linear or isinstance(node, BackwardCFunction):
                    return name
            fresh = [before for before, _ in node.next_functions if before is not None and before not in nodes]
            nodes.update(dict.fromkeys(fresh))
            waiting += fresh
        return None


class CutOff:
    """Values that were computed from the picture and have no gradient: masks, indices, what was detached."""

    def __init__(self) -> None:
        self._makers: dict[int, tuple[str, StorageWeakRef]] = {}  # by memory, whose number is not given out meanwhile

    def add(self, name: str, maker: str | None, tensors: Iterable[Tensor]) -> None:
        """`tensors` were made by the operation `name`: of the picture, or of what `maker` had cut off."""
        if name in _BLIND.split():
            return
        for tensor in tensors:
            if tensor.is_leaf and (memory := _memory(tensor)):
                self._makers.setdefault(memory._cdata, (maker or name, StorageWeakRef(memory)))  # noqa: SLF001

    def maker(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
        """What made such a value among those whose numbers the operation `name` uses; None where there is none."""
        if not self._makers:
            return None
        for tensor in tensors_in(*(args[:1] if name in _SHAPED_BY else args), kwargs):
            if tensor.is_leaf and (memory := _memory(tensor)) and memory._cdata in self._makers:  # noqa: SLF001
                return self._makers[memory._cdata][0]  # noqa: SLF001
        return None


def _memory(tensor: Tensor) -> torch.UntypedStorage | None:
    try:
        return tensor.untyped_storage()
    except RuntimeError:  # sparse tensors, and those of torch.vmap, have none
        return None
