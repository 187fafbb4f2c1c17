"""What has a name and declares what it is: methods here, metrics in the next room.

A class declares itself by class attributes, as `name` and `question`; its annotated attributes are its parameters.
Who subclasses `Declared` writes no decorator: the class becomes a frozen dataclass and is known by its name from then
on. What is built in is found by importing every module of one package, what an installed package adds by its entry
points.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import PurePath
from types import NoneType, UnionType
from typing import (
    Any,
    ClassVar,
    Generic,
    Literal,
    TypeVar,
    Union,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

from seewhy.core.names import canonical
from seewhy.errors import UnknownName, UsageError

PLAIN = {int: "a whole number", float: "a number", bool: "true or false", str: "a word", NoneType: "nothing"}


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Declared:
    """Something with a name: enough to list it, call it and read it.

    `question` is what it answers and `reading` how to read its answer, both for people who never heard of it; `paper`
    and `arxiv` say where it comes from, `needs` what it asks of the classifier or its user. Annotated attributes are
    parameters, keyword-only; one of them may be the `argument`, which the name can carry after a colon: `learned:DIR`.
    A subclass without a `name` of its own is a base, and is not listed.
    """

    registry: ClassVar[Registry[Any]]
    name: ClassVar[str] = ""
    title: ClassVar[str] = ""
    family: ClassVar[str] = "other"
    paper: ClassVar[str] = ""
    arxiv: ClassVar[str | None] = None
    needs: ClassVar[frozenset[str] | tuple[str, ...]] = frozenset()
    question: ClassVar[str] = ""
    reading: ClassVar[str] = ""
    argument: ClassVar[str] = ""
    # Both follow from the annotations.
    parameters: ClassVar[tuple[str, ...]] = ()
    required: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        dataclass(frozen=True, kw_only=True)(cls)
        kept = fields(cls)  # pyright: ignore[reportArgumentType]
        cls.parameters = tuple(entry.name for entry in kept)
        cls.required = tuple(
            entry.name for entry in kept if entry.default is MISSING and entry.default_factory is MISSING
        )
        cls.needs = frozenset(cls.needs)
        cls.reading = cls.reading.strip()
        if cls.__dict__.get("name"):
            cls.title = cls.__dict__.get("title") or cls.name
            cls.registry[cls.name] = cls


D = TypeVar("D", bound=Declared)
ARGUMENT = ":"  # between a name and its argument


@cache
def with_argument(entry: type[D], argument: str) -> type[D]:
    """The same class, called `NAME:ARGUMENT`, whose parameter `argument` has this value unless another is given."""
    plain = {"__module__": entry.__module__, "__doc__": entry.__doc__, "__annotations__": {entry.argument: "str"}}
    made: Any = type(entry.__name__, (entry,), {**plain, entry.argument: argument})
    for name in ("status", "first"):  # which subclasses do not inherit
        setattr(made, name, getattr(entry, name, None))
    made.name, made.title = f"{entry.name}{ARGUMENT}{argument}", f"{entry.title} ({PurePath(argument).name})"
    return made


class Registry(dict[str, type[D]], Generic[D]):
    """Classes of one kind, `method` or `metric`, by name; `package` holds those that are built in."""

    def __init__(self, kind: str, package: str) -> None:
        super().__init__()
        self.kind, self.package = kind, package

    def __missing__(self, name: str) -> type[D]:
        """The class called `name`, however it is written; raises `UnknownName` with the nearest names."""
        self._load()
        plain, colon, argument = name.partition(ARGUMENT)
        if colon and argument and (entry := self.get(plain)) and entry.argument:
            return with_argument(entry, argument)
        return self[canonical(name, self, self.kind, f"see `seewhy list {self.kind}s`")]

    def listed(self, name: str) -> type[D]:
        """The class called `name`, unless it has an argument and nobody declared it.

        Such a name says which files to read: that is for the owner of a machine to say, and not for its visitors.

        Raises:
            UnknownName: there is none, or it is not listed.
        """
        if (found := self[name]) not in self.values():
            raise UnknownName(f"the {self.kind} '{name}' is not offered here; `seewhy list {self.kind}s` shows what is")
        return found

    def declare(self, name: str, called: str = "") -> None:
        """List what a name with an argument stands for, as `learned:DIR`, beside what is known without one.

        Args:
            name: With its argument.
            called: Another name for it, which tells nobody where its files lie.
        """
        found = self[name]
        found.name = called or name
        dict.__setitem__(self, found.name, found)

    def all(self) -> list[type[D]]:
        """Every class, built in or added by an installed package, by family and name."""
        self._load()
        return sorted(self.values(), key=lambda entry: (entry.family, entry.name))

    def build(self, entry: type[D], parameters: Mapping[str, Any]) -> D:
        """A class of this kind, listed or not, with these parameters; raises `UsageError` where they do not fit."""
        name = entry.name or entry.__name__
        if unknown := sorted(set(parameters) - set(entry.parameters)):
            known = ", ".join(entry.parameters) or "none"
            raise UsageError(f"{name} has no parameter {', '.join(unknown)}; it has {known}")
        if missing := [each for each in entry.required if each not in parameters]:
            named = f"{entry.name}{ARGUMENT}{entry.argument.upper()}"
            ways = " and ".join(f"{each}=… ({named if each == entry.argument else f'--{each}'})" for each in missing)
            raise UsageError(f"{name} cannot do without {ways}")
        hints = get_type_hints(entry) if parameters else {}
        for parameter, value in parameters.items():
            _check_type(name, parameter, value, hints[parameter])
        return entry(**parameters)

    def chosen(self, wanted: Iterable[str | D]) -> dict[str, D]:
        """By name what is named, without parameters, or given; refuses one asked for twice with different ones."""
        found: dict[str, D] = {}
        for each in wanted:
            made = self.build(self[each], {}) if isinstance(each, str) else each
            if found.setdefault(made.name, made) != made:
                raise UsageError(f"{made.name} is asked for twice, with different settings; make a study of each")
        return found

    def _load(self) -> None:
        import_all(self.package, f"seewhy.{self.kind}s")


def _check_type(name: str, parameter: str, value: Any, hint: Any) -> None:
    """Refuse a value that is of none of the plain types, or none of the words, that it may be.

    What else there may be is left to the entry.
    """
    kinds = [*get_args(hint)] if get_origin(hint) in {Union, UnionType} else [hint]
    words = [word for kind in kinds if get_origin(kind) is Literal for word in get_args(kind)]
    kinds = [kind for kind in kinds if get_origin(kind) is not Literal]
    if any(kind not in PLAIN for kind in kinds):
        return
    if words and not kinds:
        if value not in words:
            raise UsageError(f"{name} takes {', '.join(map(str, words))} for {parameter}, not {value!r}")
        return
    numeric = float in kinds and isinstance(value, int) and not isinstance(value, bool)
    if numeric or any(type(value) is kind for kind in kinds):
        return
    if value in words:
        return
    wanted = " or ".join([*(PLAIN[kind] for kind in kinds), *map(str, words)])
    raise UsageError(f"{name} wants {wanted} for {parameter}, not {value!r}")


@cache
def import_all(package: str, group: str) -> None:
    """Import every module of `package` and every entry point of `group`, once."""
    for module in pkgutil.iter_modules(import_module(package).__path__):
        import_module(f"{package}.{module.name}")
    for point in entry_points(group=group):
        point.load()
