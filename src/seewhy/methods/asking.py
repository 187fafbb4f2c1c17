"""What people ask for, in any form they may write it, as what methods take."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from torch import nn

from seewhy.core.names import nearest
from seewhy.errors import UnknownName, UsageError
from seewhy.methods.method import Method, build_method, method_info, require_suitable
from seewhy.models import Classifier, Target, find_layer

DEFAULT_METHOD = "grad-cam"
BEST = "best"  # stands for the method that tests best on the classifier
ALIKE = 0.6  # from which on a name is taken for a slip of the pen
OneMethod: TypeAlias = str | Method | type[Method]
OneTarget: TypeAlias = str | int | Target
OneLayer: TypeAlias = str | nn.Module


def asked_methods(
    classifier: Classifier,
    methods: Sequence[OneMethod],
    layers: Sequence[OneLayer],
    settings: Mapping[str, Any],
    own: Sequence[str] = (),
) -> tuple[Method, ...]:
    """The methods with their settings, each fit for the classifier; the network is not asked.

    Of several methods each takes the settings and layers that it has, and one of them must have each; a background is
    what hides parts, too. A method object has its own. `own` are other words that a misspelled setting may mean.

    Raises:
        UsageError: something is of a wrong type, out of range, or nothing that the methods take.
        UnknownName: there is no such method or layer; the nearest are named.
    """
    resolved = [each if isinstance(each, Method) else _class_of(each) for each in methods]
    classes = [each for each in resolved if not isinstance(each, Method)]
    names = tuple(layer_name(classifier.module, each) for each in layers)
    given = {**settings, **({"layers": names} if names else {})}
    _check_taken(given, classes, len(resolved), own)
    made = tuple(each if isinstance(each, Method) else _make(each, given) for each in resolved)
    for method in made:
        require_suitable(method, classifier)
        for layer in getattr(method, "layers", ()):
            find_layer(classifier.module, layer)
    return made


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
        f"(every picture gets all{cure}), not {kind_of(target)}"
    )


def layer_name(module: nn.Module, layer: Any) -> str:
    """The name of a layer that is given by its name, or as the module itself."""
    if isinstance(layer, str):
        find_layer(module, layer)
        return layer
    if not isinstance(layer, nn.Module):
        raise UsageError(
            f"layer is the name of a layer, a module of the network, or a list of them, not {kind_of(layer)}; "
            "`seewhy list layers` shows all"
        )
    for name, part in module.named_modules():
        if part is layer and name:
            return name
    what = "the network itself" if layer is module else f"a {type(layer).__name__} that is no part of it"
    raise UnknownName(f"layer is {what}; give a module inside the network, or its name")


def kind_of(value: Any) -> str:
    """What somebody gave instead, in few words: small values themselves, others by their type."""
    return repr(value) if value is None or isinstance(value, bool | int | float) else f"a {type(value).__name__}"


def _class_of(method: Any) -> type[Method]:
    if isinstance(method, str):
        return method_info(method)
    if isinstance(method, type) and issubclass(method, Method):
        return method
    raise UsageError(
        f"method is a name such as '{DEFAULT_METHOD}', a class or an object of seewhy.methods, or a list of them, "
        f"not {kind_of(method)}; `seewhy list methods` shows all"
    )


def _make(method: type[Method], given: Mapping[str, Any]) -> Method:
    """The method with what it has of the settings; who asked for a background means what hides parts, too."""
    known = method.parameters
    if "background" not in known and "fill" in known:
        given = {"fill" if key == "background" else key: value for key, value in given.items()}
    return build_method(method, {key: value for key, value in given.items() if key in known})


def _check_taken(given: Mapping[str, Any], methods: Sequence[type[Method]], asked: int, own: Sequence[str]) -> None:
    """Refuse a setting that no method has: several take each what it has, but one of them must have it."""
    shown = {key for method in methods for key in method.parameters}
    known = shown | ({"background"} if "fill" in shown else set())
    unknown = sorted(set(given) - known)
    if not unknown:
        return
    others = [each for each in unknown if each != "layers"]  # as which `layer` was written
    near = {each: nearest(each, [*known, *own], count=1, cutoff=ALIKE) for each in others}
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
