"""What is asked of a classifier: names, classes, layers and settings, checked before any network runs."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from torch import nn

from seewhy.errors import UsageError
from seewhy.methods import Method
from seewhy.methods.asking import (
    BEST,
    DEFAULT_METHOD,
    OneLayer,
    OneMethod,
    OneTarget,
    asked_methods,
    kind_of,
    plain_target,
)
from seewhy.models import Classifier, Target

OWN = ("pictures", "method", "target", "layer", "top", "seed", "progress")  # what `explain` takes itself
SEEDS = 2**63 - 1

T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    """What is asked about every picture.

    `targets` are classes or "A vs B"; without any, the `top` likeliest classes of each picture.
    """

    methods: tuple[Method, ...]
    targets: tuple[Target, ...] = ()
    top: int = 1
    seed: int = 0

    @classmethod
    def of(
        cls,
        classifier: Classifier,
        methods: Sequence[OneMethod] = (DEFAULT_METHOD,),
        targets: Sequence[OneTarget] = (),
        *,
        layers: Sequence[OneLayer] = (),
        top: int = 1,
        seed: int = 0,
        **parameters: Any,
    ) -> Request:
        """Resolve names; `layers` and `parameters` go to every method named that has them, and one must.

        Raises:
            UsageError: something is of a wrong type, out of range, or nothing that the methods take.
            UnknownName: there is no such method, class or layer; the nearest are named.
        """
        asked = untargeted(classifier, methods, layers, top, seed, parameters)
        return with_targets(asked, classifier, targets) if targets else asked


def untargeted(
    classifier: Classifier,
    methods: Sequence[OneMethod],
    layers: Sequence[OneLayer],
    top: int,
    seed: int,
    settings: Mapping[str, Any],
) -> Request:
    """The request but for its targets: all that can be checked without asking the network."""
    check_classifier(classifier)
    top = _whole("top", top, "the number of classes to explain, at least 1", 1, None)
    seed = _whole("seed", seed, "a whole number of at most 63 bits, from which all randomness follows", -SEEDS, SEEDS)
    if not methods:
        raise UsageError("name at least one method (`seewhy list methods`)")
    named = [_best(classifier) if isinstance(each, str) and each.casefold() == BEST else each for each in methods]
    return Request(asked_methods(classifier, named, layers, settings, OWN), (), top, seed)


def with_targets(request: Request, classifier: Classifier, targets: Sequence[OneTarget]) -> Request:
    """The same request about these targets, which every picture gets.

    Raises:
        UsageError: a target is nothing that names a class, or is out of range.
    """
    if targets and request.top > 1:
        raise UsageError("give either targets or top: top picks the likeliest classes itself")
    plain = [plain_target(each) for each in targets]
    return replace(request, targets=tuple(_checked(classifier, each) for each in plain))


def several(value: T | list[T] | tuple[T, ...] | None, name: str) -> list[T]:
    """What was given for the argument `name`, one or several, as a list; none for None.

    Raises:
        UsageError: it is an empty list, of which nobody can say what it asks for.
    """
    if value is None:
        return []
    if not isinstance(value, list | tuple):
        return [value]
    if not value:
        raise UsageError(f"{name} is an empty list; leave {name} out, or name at least one")
    return [*value]


def check_classifier(classifier: Any) -> None:
    """Refuse what is no `Classifier`, and say how to make one of it."""
    if isinstance(classifier, Classifier):
        return
    if isinstance(classifier, nn.Module):
        cure = (
            "wrap the network: seewhy.Classifier.from_module(network, preprocessing, categories); "
            "seewhy.attribute(network, x) explains tensors as they are"
        )
    elif isinstance(classifier, str):
        cure = f"load it: seewhy.load({classifier!r})"
    else:
        cure = "seewhy.load() gives one"
    raise UsageError(f"classifier is a seewhy.Classifier, not {kind_of(classifier)}; {cure}")


def _checked(classifier: Classifier, target: OneTarget) -> Target:
    found = classifier.target(target)
    for index in (found.index, found.against):
        if index is not None:
            classifier.categories.find(index)
    return found


def _whole(name: str, value: Any, meaning: str, low: int, high: int | None) -> int:
    """A whole number of any library in a range; True is none."""
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < low or (high is not None and number > high):
        raise UsageError(f"{name} is {meaning}, not {kind_of(value)}")
    return number


def _best(classifier: Classifier) -> str:
    from seewhy.verbs.best import best_method

    return best_method(classifier)[0]
