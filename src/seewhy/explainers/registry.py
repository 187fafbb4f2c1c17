"""Every method, known by what it declares about itself.

A method is a frozen dataclass of its hyper-parameters, registered where it is written. The command line, the app,
the table of methods in the docs and the conformance tests are generated from here.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, fields
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, runtime_checkable

from seewhy.errors import UnknownName, UsageError
from seewhy.progress import Progress, silent

if TYPE_CHECKING:
    import torch

    from seewhy.explainers.explanation import Explanation
    from seewhy.images import Image
    from seewhy.models import Classifier, Target

__all__ = ["Method", "MethodInfo", "find_method", "list_methods", "method_info", "register", "suitable_methods"]

ENTRY_POINTS = "seewhy.methods"
BUILT_IN = "seewhy.explainers"


@dataclass(frozen=True)
class MethodInfo:
    """What a method declares: enough to list it, call it, draw it and read it.

    `needs` is a subset of `scores`, `layers`, `gradients`; `signed` says that values may speak against the class;
    `question` is what it answers and `reading` how to read its picture, both for people who never heard of it.
    """

    name: str
    title: str
    family: str
    paper: str
    arxiv: str | None
    needs: frozenset[str]
    signed: bool
    question: str
    reading: str
    cost: str
    make: type[Method]

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of its hyper-parameters."""
        return tuple(entry.name for entry in fields(self.make))  # pyright: ignore[reportArgumentType]

    @property
    def required(self) -> tuple[str, ...]:
        """Those of them that must be given, such as another picture."""
        kept = fields(self.make)  # pyright: ignore[reportArgumentType]
        return tuple(entry.name for entry in kept if entry.default is MISSING and entry.default_factory is MISSING)


@runtime_checkable
class Method(Protocol):
    """Called with images and, for each image, its targets; one explanation per image × target × layer, in order."""

    info: ClassVar[MethodInfo]

    def __call__(
        self,
        classifier: Classifier,
        images: Sequence[Image],
        targets: Sequence[Sequence[Target]],
        *,
        generator: torch.Generator,
        progress: Progress = silent,
    ) -> list[Explanation]:
        """Explain every target of every image; raise `Cancelled` from `progress` to stop."""
        ...


M = TypeVar("M", bound=type)
_REGISTERED: dict[str, MethodInfo] = {}


def register(
    name: str,
    *,
    title: str,
    family: str,
    paper: str,
    arxiv: str | None,
    needs: Sequence[str],
    question: str,
    reading: str,
    cost: str,
    signed: bool = False,
) -> Callable[[M], M]:
    """Class decorator that makes a method known under `name` (lower case, words joined by hyphens)."""

    def enter(method: M) -> M:
        method.info = MethodInfo(  # pyright: ignore[reportAttributeAccessIssue]
            name, title, family, paper, arxiv, frozenset(needs), signed, question, reading.strip(), cost, method
        )
        _REGISTERED[name] = method.info  # pyright: ignore[reportAttributeAccessIssue]
        return method

    return enter


def list_methods() -> list[MethodInfo]:
    """Every method, built in or added by an installed package, by family and name."""
    _import_all()
    return sorted(_REGISTERED.values(), key=lambda info: (info.family, info.name))


def suitable_methods(classifier: Classifier) -> list[MethodInfo]:
    """The methods that need no more than the classifier offers and can be called without further input."""
    return [info for info in list_methods() if info.needs <= classifier.offers and not info.required]


def method_info(name: str) -> MethodInfo:
    """What the method called `name` declares about itself.

    Raises:
        UnknownName: no such method; the nearest names are listed.
    """
    _import_all()
    if name not in _REGISTERED:
        near = get_close_matches(name.lower().replace("_", "-"), _REGISTERED, n=4, cutoff=0.3)
        raise UnknownName(f"there is no method '{name}'; nearest: {', '.join(near) or 'see `seewhy list methods`'}")
    return _REGISTERED[name]


def find_method(name: str, **parameters: Any) -> Method:
    """The method called `name` with these hyper-parameters.

    Raises:
        UnknownName: no such method; the nearest names are listed.
        UsageError: the method has no such hyper-parameter, or wants another one.
    """
    info = method_info(name)
    if unknown := sorted(set(parameters) - set(info.parameters)):
        raise UsageError(f"{name} has no parameter {', '.join(unknown)}; it has {', '.join(info.parameters) or 'none'}")
    if missing := [each for each in info.required if each not in parameters]:
        ways = " and ".join(f"{each}=… (--{each})" for each in missing)
        raise UsageError(f"{name} cannot do without {ways}")
    return info.make(**parameters)


@cache
def _import_all() -> None:
    package = import_module(BUILT_IN)
    for module in pkgutil.iter_modules(package.__path__):
        import_module(f"{BUILT_IN}.{module.name}")
    for point in entry_points(group=ENTRY_POINTS):
        point.load()
