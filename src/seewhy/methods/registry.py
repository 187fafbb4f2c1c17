"""Every method, known by what it declares about itself.

A method is a frozen dataclass of its hyper-parameters, registered where it is written. The command line, the app,
the table of methods in the docs and the conformance tests are generated from here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, runtime_checkable

from seewhy.core.catalogue import Catalogue, Entry
from seewhy.core.progress import Progress, silent

if TYPE_CHECKING:
    import torch

    from seewhy.images import Image
    from seewhy.methods.explanation import Explanation
    from seewhy.models import Classifier, Target


@dataclass(frozen=True, kw_only=True)
class MethodInfo(Entry):
    """What a method declares: enough to list it, call it, draw it and read it.

    `needs` is a subset of `scores`, `layers`, `gradients`; `signed` says that values may speak against the class.
    """

    signed: bool
    cost: str
    make: type[Method]


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
METHODS: Catalogue[MethodInfo] = Catalogue("method", "seewhy.methods")


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
        info = MethodInfo(
            name=name,
            title=title,
            family=family,
            paper=paper,
            arxiv=arxiv,
            needs=frozenset(needs),
            signed=signed,
            question=question,
            reading=reading.strip(),
            cost=cost,
            make=method,
        )
        method.info = info  # pyright: ignore[reportAttributeAccessIssue]
        METHODS.add(info)
        return method

    return enter


def list_methods() -> list[MethodInfo]:
    """Every method, built in or added by an installed package, by family and name."""
    return METHODS.all()


def suitable_methods(classifier: Classifier) -> list[MethodInfo]:
    """The methods that need no more than the classifier offers and can be called without further input."""
    return [info for info in list_methods() if info.needs <= classifier.offers and not info.required]


def method_info(name: str) -> MethodInfo:
    """What the method called `name` declares about itself.

    Raises:
        UnknownName: no such method; the nearest names are listed.
    """
    return METHODS.find(name)


def find_method(name: str, **parameters: Any) -> Method:
    """The method called `name` with these hyper-parameters.

    Raises:
        UnknownName: no such method; the nearest names are listed.
        UsageError: the method has no such hyper-parameter, or wants another one.
    """
    return METHODS.make(name, parameters)
