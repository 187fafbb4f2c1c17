"""One trial of a network when it is wrapped: whether it behaves as was declared, and what it is where nobody said.

It is asked about one picture, recorded by autograd, and about three at once. So it shows which of its tensors are the
scores, whether they are logits or probabilities, and whether pictures change each other's answers.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from seewhy.errors import ModelError, SeewhyError
from seewhy.models.blame import blamed, said, short_of_memory
from seewhy.models.head import SINGLE, Gives, Head
from seewhy.models.outputs import (
    MOVING,
    SIGMOIDS,
    UNBOUNDED,
    WEIGHING,
    candidates,
    could_be_scores,
    makers,
    scores_of,
)
from seewhy.models.state import evaluating

# Differences of arithmetic alone, as a share of the largest number; by bytes of one number.
ARITHMETIC = {4: 1e-3, 8: 1e-3}
HALF = 3e-2  # of numbers of fewer bytes
TENSOR_CORES = 5e-3  # at least, where float32 may be multiplied in fewer bits
SUM = 1e-2  # by which probabilities may miss 1: networks round to half precision and back
ALONE = "so every picture goes in by itself"
CARD = '(on the command line --head, in a model\'s card "gives")'


class Probed(NamedTuple):
    """What a trial showed: the head with all of its fields, and what is worth knowing, in sentences."""

    head: Head
    notes: tuple[str, ...] = ()


class _Tried(NamedTuple):
    numbers: Tensor  # (n, K), as the network gives them
    path: str  # of the tensor that holds them
    makers: set[str]  # nodes of autograd that made it, behind those that only move and scale
    last: set[str]  # behind those that only move
    apart: str = ""  # why pictures go in one by one


def probed(module: nn.Module, declared: Head, picture: Tensor) -> Probed:
    """Try a network out.

    Args:
        module: the network, which is left as it was.
        declared: what was said about its numbers.
        picture: an input `(1, C, h, w)` to try it on.

    Raises:
        ModelError: it does not run, its scores cannot be told from its other tensors, or it gives something else than
            was declared.
    """
    if picture.is_meta:
        raise ModelError(
            "the network's weights are on the meta device, which holds no numbers: load them, as into "
            "module.to_empty(device='cpu')"
        )
    with evaluating(module), torch.inference_mode(False):
        tried = _tried(module, declared, trials(picture))
    columns = tried.numbers.shape[1]
    gives, remark = declared.gives or "logits", ""
    if not bool((tried.numbers.isnan() | tried.numbers.isposinf()).any()):  # else whoever asks is told so
        gives, remark = _meaning(declared.gives, tried)
    single = columns == 1 and gives != "values"
    head = replace(
        declared,
        gives=gives,
        output=tried.path or None,
        single=single,
        alone=declared.alone or bool(tried.apart),
        classes=2 if single else columns,
    )
    return Probed(head, tuple(each for each in (tried.apart, remark) if each))


def trials(picture: Tensor) -> Tensor:
    """Three inputs `(3, C, h, w)`: the picture, and two unlike it, of which one is light and one dark.

    Their largest, smallest and mean number and their spread are others, so that it shows where a batch shares these.
    """
    picture = picture.detach()
    return torch.cat([picture, picture.flip(-1) * 1.5 + 2, picture.flip(-2) * 1.5 - 1])


def _tried(module: nn.Module, head: Head, rows: Tensor) -> _Tried:
    leaf, alone = _recorded(module, rows[:1])
    together, apart = _together(module, rows)
    fitting = None if together is None else _fitting(together, head, len(rows))
    found = scores_of(alone, head.output, single=head.gives in SINGLE, count=1, among=fitting)
    head = replace(head, output=found.path or None)
    batch = None
    if together is not None:
        try:
            batch = head.numbers(together, len(rows))
        except ModelError as error:  # its numbers of rows are not those of the pictures
            apart = f"Asked about several pictures at once, {error}; {ALONE}."
    first = replace(head, classes=None if batch is None else batch.shape[1]).numbers(alone, 1).detach()
    if batch is not None and not _alike(batch[:1], first):
        apart, batch = _why_apart(module, leaf, head, first), None
    if batch is None:
        with torch.no_grad():
            rest = [head.numbers(_answer(module, row), 1) for row in rows[1:].split(1)]
        batch = torch.cat([first, *rest])
    behind, last = makers(found.tensor, leaf=leaf), makers(found.tensor, MOVING, leaf)
    return _Tried(batch.detach(), found.path, behind, last, apart)


def _recorded(module: nn.Module, picture: Tensor) -> tuple[Tensor, Any]:
    """A network's answer to a picture, recorded by autograd where that does not disturb it."""
    with suppress(Exception), torch.enable_grad():
        leaf = picture.clone().requires_grad_()
        return leaf, module(leaf.clone())
    with torch.no_grad():
        return picture, _answer(module, picture)


def _answer(module: nn.Module, x: Tensor) -> Any:
    try:
        return module(x.clone())
    except SeewhyError:
        raise
    except Exception as error:
        raise blamed(error, module, x.detach(), trying=True) from error


def _together(module: nn.Module, rows: Tensor) -> tuple[Any, str]:
    """What a network says of several pictures at once; where it does not take them None, and why."""
    try:
        with torch.no_grad():
            return module(rows.clone()), ""
    except Exception as error:  # noqa: BLE001 - a network raises whatever it likes
        if short_of_memory(error):
            return None, ""
        return None, f"The network does not take several pictures at once ({said(error)}), {ALONE}."


def _fitting(answer: Any, head: Head, count: int) -> set[str] | None:
    """The paths of those tensors that hold a row for each picture, where some do."""
    single = head.gives in SINGLE
    able = {each.path for each in candidates(answer) if could_be_scores(each.tensor, single=single, count=count)}
    return able or None


def _alike(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape:
        return False
    largest = float(torch.cat([one, other]).abs().max())
    apart = float((one.double() - other.double()).abs().max())
    slack = max(ARITHMETIC.get(one.dtype.itemsize, HALF), TENSOR_CORES if one.is_cuda else 0.0)
    return not apart > slack * largest  # NaN is alike


def _why_apart(module: nn.Module, x: Tensor, head: Head, first: Tensor) -> str:
    """Whether it is chance, or the other pictures of the batch, that changes a network's answer."""
    with torch.no_grad():
        torch.rand(1)  # a network that draws random numbers now gets other ones
        again = head.numbers(_answer(module, x), 1)
    if _alike(again, first):
        return f"The network's answer to a picture changes with the others of its batch, {ALONE}."
    return (
        "The network answers the same picture differently each time, even in evaluation mode: what is shown holds for "
        f"one of its answers. The random numbers that PyTorch draws are kept the same, {ALONE}."
    )


def _meaning(gives: Gives | None, tried: _Tried) -> tuple[Gives, str]:
    """What the numbers are, and what is to be said of it; refused where that is not what was declared."""
    numbers = tried.numbers.double()
    shares = bool(((numbers >= -SUM) & (numbers <= 1 + SUM)).all())
    several = numbers.shape[1] > 1
    sums = several and shares and bool(((numbers.sum(1) - 1).abs() < SUM).all())
    logarithms = several and bool(((numbers.exp().sum(1) - 1).abs() < SUM).all())
    # What a sigmoid made lies between 0 and 1; what does on all trials may come by chance from a linear layer.
    squashed = shares and not (tried.makers and tried.makers <= WEIGHING | UNBOUNDED)
    if gives is None:
        return _noticed(sums=sums, logarithms=logarithms, squashed=squashed)
    inside = bool(tried.last) and tried.last <= SIGMOIDS
    wrong: dict[Gives, list[tuple[bool, str, Gives]]] = {
        "logits": [
            (sums, "are probabilities, each between 0 and 1 and 1 in sum", "probabilities"),
            (inside, "come out of a sigmoid", "sigmoid"),
        ],
        "probabilities": [
            (not shares, "lie outside 0 to 1", "logits" if several else "single-logit"),
            (several and not sums, "do not add up to 1: each may be of a label by itself", "sigmoid"),
        ],
        "log-probabilities": [(not logarithms, "are not: their exponentials do not add up to 1", "logits")],
        "label-probabilities": [(not shares, "lie outside 0 to 1", "sigmoid")],
        "single-logit": [
            (several, f"are {numbers.shape[1]} for each picture", "logits"),
            (squashed, "lie between 0 and 1, as after a sigmoid", "probabilities"),
        ],
    }
    for what, cure in ((what, cure) for applies, what, cure in wrong.get(gives, []) if applies):
        raise ModelError(f"the network was declared to give {gives}, but its numbers {what}; say gives='{cure}' {CARD}")
    if gives == "sigmoid" and squashed:
        together = "The network's numbers add up to 1, as those of classes do that exclude one another."
        return "label-probabilities", together if sums else ""
    return gives, ""


def _noticed(*, sums: bool, logarithms: bool, squashed: bool) -> tuple[Gives, str]:
    """What numbers are of which nobody said anything."""
    if sums:
        return "probabilities", "The network gives probabilities, so they are shown as they are."
    if logarithms:
        return "log-probabilities", "The network gives the logarithms of probabilities, and is understood so."
    if squashed:
        raise ModelError(
            "the network's numbers all lie between 0 and 1 and do not add up to 1, as after a sigmoid; declare what "
            f"they are: gives='sigmoid' for labels that may go together, 'logits' for scores of one class {CARD}"
        )
    return "logits", ""
