"""What has a name and declares what it is: methods here, metrics in the next room.

An entry is made where its class is written. What is built in is found by importing every module of one package, what
an installed package adds by its entry points.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from types import NoneType, UnionType
from typing import Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

from seewhy.core.names import unknown
from seewhy.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What a method or a metric declares: enough to list it, call it and read it.

    `question` is what it answers and `reading` how to read its answer, both for people who never heard of it; `make`
    is a dataclass of its parameters.
    """

    name: str
    title: str
    family: str
    paper: str
    arxiv: str | None
    needs: frozenset[str]
    question: str
    reading: str
    make: type[Any]

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of its parameters."""
        return tuple(entry.name for entry in fields(self.make))

    @property
    def required(self) -> tuple[str, ...]:
        """Those of them that must be given, such as another picture."""
        kept = fields(self.make)
        return tuple(entry.name for entry in kept if entry.default is MISSING and entry.default_factory is MISSING)


E = TypeVar("E", bound=Entry)
PLAIN = {int: "a whole number", float: "a number", bool: "true or false", str: "a word", NoneType: "nothing"}


class Catalogue(Generic[E]):
    """Entries of one kind, `method` or `metric`, by name; `package` holds those that are built in."""

    def __init__(self, kind: str, package: str) -> None:
        self.kind, self.package = kind, package
        self.entries: dict[str, E] = {}

    def add(self, entry: E) -> None:
        """Make an entry known under its name."""
        self.entries[entry.name] = entry

    def all(self) -> list[E]:
        """Every entry, built in or added by an installed package, by family and name."""
        import_all(self.package, f"seewhy.{self.kind}s")
        return sorted(self.entries.values(), key=lambda entry: (entry.family, entry.name))

    def find(self, name: str) -> E:
        """The entry called `name`; raises `UnknownName` with the nearest names."""
        import_all(self.package, f"seewhy.{self.kind}s")
        if name not in self.entries:
            raise unknown(self.kind, name, self.entries, f"see `seewhy list {self.kind}s`")
        return self.entries[name]

    def make(self, name: str, parameters: Mapping[str, Any]) -> Any:
        """What is called `name`, with these parameters; raises `UsageError` where they do not fit."""
        entry = self.find(name)
        if unknown := sorted(set(parameters) - set(entry.parameters)):
            known = ", ".join(entry.parameters) or "none"
            raise UsageError(f"{name} has no parameter {', '.join(unknown)}; it has {known}")
        if missing := [each for each in entry.required if each not in parameters]:
            ways = " and ".join(f"{each}=… (--{each})" for each in missing)
            raise UsageError(f"{name} cannot do without {ways}")
        for parameter, value in parameters.items():
            _check_type(name, parameter, value, get_type_hints(entry.make)[parameter])
        return entry.make(**parameters)


def _check_type(name: str, parameter: str, value: Any, hint: Any) -> None:
    """Refuse a value that is of none of the plain types it may be; what else there may be is left to the entry."""
    kinds = [*get_args(hint)] if get_origin(hint) in {Union, UnionType} else [hint]
    if any(kind not in PLAIN for kind in kinds):
        return
    numeric = float in kinds and isinstance(value, int) and not isinstance(value, bool)
    if numeric or any(type(value) is kind for kind in kinds):
        return
    wanted = " or ".join(PLAIN[kind] for kind in kinds)
    raise UsageError(f"{name} wants {wanted} for {parameter}, not {value!r}")


@cache
def import_all(package: str, group: str) -> None:
    """Import every module of `package` and every entry point of `group`, once."""
    for module in pkgutil.iter_modules(import_module(package).__path__):
        import_module(f"{package}.{module.name}")
    for point in entry_points(group=group):
        point.load()
