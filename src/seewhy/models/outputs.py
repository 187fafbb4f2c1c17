"""Which of the tensors that a network answers with holds its scores, and by what operations it was made."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from torch import Tensor

from seewhy.errors import ModelError

SCORES = ("logits", "out", "scores", "output")  # what networks call their scores, the surest name first
# What they call the tensors that scores are made of.
FEATURES = ("features", "feature", "embedding", "embeddings", "pooler_output", "image_embeds", "hidden_states")
DEEPEST = 4  # how far tensors are looked for in containers in containers

# Kinds of nodes of autograd's graph: those that move numbers about; those that add, scale and pool them; those that
# weigh many of them with what the network has learned; those whose result has no upper bound.
MOVING = {"View", "UnsafeView", "ReshapeAlias", "Squeeze", "Unsqueeze", "Expand", "Slice", "Select", "Alias", "ToCopy",
          "Clone", "Transpose", "T", "Permute", "Cat", "Stack", "Split", "Unbind", "Index"}  # fmt: skip
SCALING = {"Add", "Sub", "Mul", "Div", "Neg", "Rsub", "Mean", "Sum", "Max", "Amax", "AvgPool2D", "AdaptiveAvgPool2D",
           "MkldnnAdaptiveAvgPool2D", "MaxPool2DWithIndices", "AdaptiveMaxPool2D"}  # fmt: skip
WEIGHING = {"Addmm", "Mm", "Bmm", "Baddbmm", "Mv", "Addmv", "Linear", "MkldnnLinear", "Convolution",
            "MkldnnConvolution", "CudnnConvolution"}  # fmt: skip
UNBOUNDED = {"Relu", "LeakyRelu", "Gelu", "Silu", "Elu", "Softplus", "Hardswish", "NativeLayerNorm", "NativeBatchNorm",
             "CudnnBatchNorm", "NativeGroupNorm"}  # fmt: skip
SIGMOIDS = {"Sigmoid", "Hardsigmoid"}


@dataclass(frozen=True)
class Candidate:
    """A tensor of an answer; `path` leads to it, such as `logits` or `heads.0`."""

    path: str
    tensor: Tensor

    @property
    def name(self) -> str:
        """What its innermost container calls it."""
        return self.path.rpartition(".")[2].casefold()

    def __str__(self) -> str:
        return f"output={self.path!r} {tuple(self.tensor.shape)}"


def scores_of(
    answer: Any,
    output: str | int | None,
    *,
    single: bool,
    count: int | None,
    among: Collection[str] | None = None,
) -> Candidate:
    """The scores in what a network returned: a tensor, or one of those in its tuples, dicts and objects.

    It is the one that `output` leads to; else the only one that could be scores, the one named so, or the one that the
    last linear layer made.

    Args:
        answer: what it returned.
        output: the path that was asked for.
        single: whether one number for each picture will do.
        count: how many pictures were asked about.
        among: the paths that come into question; all without it.

    Raises:
        ModelError: there is none, or it cannot be told which.
    """
    path = "" if output is None else str(output)
    found = _followed(answer, path) if path else answer
    if isinstance(found, Tensor):
        return Candidate(path, found)
    every = _distinct(candidates(found, path))
    if not every:
        if hasattr(found, "__array__"):
            raise ModelError(
                f"the network returned {type(found).__name__}, no tensor: let it return torch.from_numpy(…), or give "
                "the function to seewhy.black_box"
            )
        raise ModelError(
            f"the network returned {type(found).__name__} without a tensor of class scores; expected a tensor "
            "(N, classes), a tuple or list with one, a dict with 'logits', or an object with `.logits`"
        )
    able = [
        each
        for each in every
        if could_be_scores(each.tensor, single=single, count=count) and (among is None or each.path in among)
    ]
    if not able and len(every) == 1:
        return every[0]  # what is wrong with it is told by its shape
    fits = [each for each in able if each.name not in FEATURES]
    if not fits:
        listed = ", ".join(map(str, every))
        raise ModelError(
            f"none of the network's tensors holds class scores (N, classes): {listed}; is it a network without its "
            f"classification head? If one of them is the answer, {_cure((able or every)[0])}"
        )
    likely = _named(fits) or _made_last(fits)
    if len(likely) == 1:
        return likely[0]
    raise ModelError(
        f"the network returned several tensors that could be its scores: {', '.join(map(str, likely))}; "
        + _cure(likely[0])
    )


def candidates(answer: Any, path: str = "", depth: int = 0) -> Iterator[Candidate]:
    """Every tensor in an answer."""
    if isinstance(answer, Tensor):
        yield Candidate(path, answer)
    elif depth < DEEPEST:
        for name, part in _parts(answer):
            yield from candidates(part, f"{path}.{name}" if path else name, depth + 1)


def could_be_scores(tensor: Tensor, *, single: bool, count: int | None) -> bool:
    """Whether this is a row of numbers for each picture; with `single` one number will do."""
    shape = tensor.shape[:2] if set(tensor.shape[2:]) <= {1} else tensor.shape
    if not tensor.is_floating_point() or not len(shape) or (count is not None and shape[0] != count):
        return False
    return (len(shape) == 2 and shape[1] >= (1 if single else 2)) or (single and len(shape) == 1)


def makers(tensor: Tensor, through: Collection[str] = MOVING | SCALING, leaf: Tensor | None = None) -> set[str]:
    """The kinds of autograd's nodes that made a tensor, behind those that only pass numbers on.

    Given the input `leaf`, what does not depend on it is left out. Nothing is known of what autograd has not seen.
    """
    depends = _depending(tensor.grad_fn, leaf)
    found: set[str] = set()
    seen: set[Any] = set()
    waiting = [tensor.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen or node not in depends:
            continue
        seen.add(node)
        if _kind(node) in through:
            waiting += [each for each, _ in node.next_functions]
        else:
            found.add(_kind(node))
    return found


def _kind(node: Any) -> str:
    """`Addmm` of `AddmmBackward0`."""
    return node.name().rpartition("Backward")[0].rpartition("::")[2]


def _depending(node: Any, leaf: Tensor | None) -> set[Any]:
    """The nodes behind `node` that depend on the leaf; all of them without one."""
    order: list[Any] = []
    users: dict[Any, list[Any]] = {}
    waiting = [node] if node is not None else []
    seen = set(waiting)
    while waiting:
        user = waiting.pop()
        order.append(user)
        for maker, _ in user.next_functions:
            if maker is not None:
                users.setdefault(maker, []).append(user)
                if maker not in seen:
                    seen.add(maker)
                    waiting.append(maker)
    if leaf is None:
        return seen
    waiting = [each for each in order if getattr(each, "variable", None) is leaf]
    depends = set(waiting)
    while waiting:
        new = [each for each in users.get(waiting.pop(), ()) if each not in depends]
        depends.update(new)
        waiting += new
    return depends


def _named(fits: list[Candidate]) -> list[Candidate]:
    """Those that the network calls its scores, by the surest name that only one of them has."""
    for name in SCORES:
        found = [each for each in fits if each.name == name]
        if len(found) == 1:
            return found
    return []


def _made_last(fits: list[Candidate]) -> list[Candidate]:
    """Those that come right out of a linear layer, and that no further one was made from; all, where none does."""
    linear = [each for each in fits if makers(each.tensor) and makers(each.tensor) <= WEIGHING]
    last = [each for each in linear if not any(_feeds(each.tensor, other.tensor) for other in linear)]
    return last or fits


def _feeds(tensor: Tensor, other: Tensor) -> bool:
    """Whether a linear layer, among other things, made `other` of `tensor`."""
    seen: set[tuple[Any, bool]] = set()
    waiting = [(other.grad_fn, False)]
    while waiting:
        node, weighed = waiting.pop()
        if node is None or (node, weighed) in seen:
            continue
        if node is tensor.grad_fn and weighed:
            return True
        seen.add((node, weighed))
        waiting += [(each, weighed or _kind(node) in WEIGHING) for each, _ in node.next_functions]
    return False


def _parts(answer: Any) -> list[tuple[str, Any]]:
    """What a container holds, by name or place."""
    if isinstance(answer, Mapping):
        return [(str(name), part) for name, part in answer.items()]
    if isinstance(answer, tuple | list):
        names = getattr(answer, "_fields", range(len(answer)))
        return [(str(name), part) for name, part in zip(names, answer, strict=True)]
    if is_dataclass(answer):
        return [(entry.name, getattr(answer, entry.name)) for entry in fields(answer)]
    logits = getattr(answer, "logits", None)
    return [("logits", logits)] if isinstance(logits, Tensor) else list(getattr(answer, "__dict__", {}).items())


def _followed(answer: Any, path: str) -> Any:
    """What a path leads to."""
    for found in _ends(answer, path):
        return found
    has = ", ".join(str(each) for each in candidates(answer)) or "no tensor"
    raise ModelError(f"the network's answer, a {type(answer).__name__}, has no output {path!r}; it has {has}")


def _ends(answer: Any, path: str) -> Iterator[Any]:
    """Whatever a path leads to; names may hold dots themselves."""
    parts = _parts(answer)
    found = {**{str(place): part for place, (_, part) in enumerate(parts)}, **dict(parts)}  # a name beats a place
    if path in found:
        yield found[path]
    for name, part in found.items():
        if path.startswith(f"{name}."):
            yield from _ends(part, path[len(name) + 1 :])


def _distinct(found: Iterator[Candidate]) -> list[Candidate]:
    """Each tensor once, under its best name: networks hand out one under several."""
    kept: dict[int, Candidate] = {}
    for each in found:
        old = kept.get(id(each.tensor))
        if old is None or (each.name in SCORES and old.name not in SCORES):
            kept[id(each.tensor)] = each
    return list(kept.values())


def _cure(example: Candidate) -> str:
    return (
        f"say which with output=, such as output={example.path!r} (on the command line --output {example.path}, in a "
        f'model\'s card "output": "{example.path}")'
    )
