"""What is asked of a classifier: names, classes, layers and settings, checked before any network runs."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, TypeVar

from torch import nn

from seewhy.core.names import nearest
from seewhy.errors import UnknownName, UsageError
from seewhy.methods import Method, method_info
from seewhy.methods.method import build_method, require_suitable
from seewhy.models import Classifier, Target, find_layer

DEFAULT_METHOD = "grad-cam"
BEST = "best"  # stands for the method that tests best on the classifier
OWN = ("pictures", "method", "target", "layer", "top", "seed", "progress")  # what `explain` takes itself
SEEDS = 2**63 - 1
ALIKE = 0.6  # from which on a name is taken for a slip of the pen

T = TypeVar("T")
OneMethod: TypeAlias = str | Method | type[Method]
OneTarget: TypeAlias = str | int | Target
OneLayer: TypeAlias = str | nn.Module


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
        return with_targets(asked, classifier, targets)


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
    resolved = [_resolved(each, classifier) for each in methods]
    classes = [each for each in resolved if not isinstance(each, Method)]
    given = {**settings, **({"layers": tuple(layer_name(classifier, each) for each in layers)} if layers else {})}
    _check_taken(given, classes, len(resolved))
    made = tuple(each if isinstance(each, Method) else _make(each, given) for each in resolved)
    for method in made:
        require_suitable(method, classifier)
        for layer in getattr(method, "layers", ()):
            find_layer(classifier.module, layer)
    return Request(made, (), top, seed)


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
    raise UsageError(f"classifier is a seewhy.Classifier, not {_kind(classifier)}; {cure}")


def plain_target(target: Any) -> OneTarget:
    """A target as it may be given: text, a whole number of any library, or a `Target`."""
    if isinstance(target, str | Target):
        return target
    if not isinstance(target, bool):
        try:
            return operator.index(target)
        except TypeError:
            pass
    cure = ": .tolist() gives one" if hasattr(target, "tolist") else ""
    raise UsageError(
        'target is a class index, a class name, "A vs B", a seewhy.Target, or a list of them '
        f"(every picture gets all{cure}), not {_kind(target)}"
    )


def layer_name(classifier: Classifier, layer: Any) -> str:
    """The name of a layer that is given by its name, or as the module itself."""
    if isinstance(layer, str):
        find_layer(classifier.module, layer)
        return layer
    if not isinstance(layer, nn.Module):
        raise UsageError(
            f"layer is the name of a layer, a module of the network, or a list of them, not {_kind(layer)}; "
            "`seewhy list layers` shows all"
        )
    for name, module in classifier.module.named_modules():
        if module is layer and name:
            return name
    what = "the network itself" if layer is classifier.module else f"a {type(layer).__name__} that is no part of it"
    raise UnknownName(f"layer is {what}; give a module inside the classifier's network, or its name")


def _resolved(method: Any, classifier: Classifier) -> type[Method] | Method:
    """The class of a method that is named, or the class or object that was given."""
    if isinstance(method, str):
        if method.casefold() == BEST:
            from seewhy.verbs.best import best_method

            return method_info(best_method(classifier)[0])
        return method_info(method)
    if isinstance(method, Method) or (isinstance(method, type) and issubclass(method, Method)):
        return method
    raise UsageError(
        f"method is a name such as {DEFAULT_METHOD!r}, a class or an object of seewhy.methods, or a list of them, "
        f"not {_kind(method)}; `seewhy list methods` shows all"
    )


def _make(method: type[Method], given: Mapping[str, Any]) -> Method:
    """The method with what it has of the settings; who asked for a background means what hides parts, too."""
    known = method.parameters
    if "background" not in known and "fill" in known:
        given = {"fill" if key == "background" else key: value for key, value in given.items()}
    return build_method(method, {key: value for key, value in given.items() if key in known})


def _check_taken(given: Iterable[str], methods: Sequence[type[Method]], asked: int) -> None:
    """Refuse a setting that no method has: several take each what it has, but one of them must have it."""
    shown = {key for method in methods for key in method.parameters}
    known = shown | ({"background"} if "fill" in shown else set())
    unknown = sorted(set(given) - known)
    if not unknown:
        return
    others = [each for each in unknown if each != "layers"]  # as which `layer` was written
    near = {each: nearest(each, [*known, *OWN], count=1, cutoff=ALIKE) for each in others}
    hints = [f"{each} → {found[0]}" for each, found in near.items() if found]
    hint = f"; did you mean {', '.join(hints)}?" if hints else ""
    listed = ", ".join(unknown)
    if asked == 1 and methods:
        has = ", ".join(sorted(methods[0].parameters)) or "none"
        raise UsageError(f"{methods[0].name} has no parameter {listed}; it has {has}{hint}")
    raise UsageError(
        f"none of the methods takes {listed}; those asked for by name take {', '.join(sorted(known)) or 'nothing'}"
        + (hint or ("" if methods else ", and a method object has its own: set them there"))
    )


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
        raise UsageError(f"{name} is {meaning}, not {_kind(value)}")
    return number


def _kind(value: Any) -> str:
    """What somebody gave instead, in few words: small values themselves, others by their type."""
    return repr(value) if value is None or isinstance(value, bool | int | float) else f"a {type(value).__name__}"
