"""Class names that people can read, and targets: one class, or one class rather than another."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from itertools import combinations
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor
from typing_extensions import override

from seewhy.core.names import nearest
from seewhy.errors import AmbiguousClass, SeewhyError, UnknownName, UsageError

CONTRAST = re.compile(r"\s+(?:vs\.?|versus|rather than)\s+", re.IGNORECASE)
TOGETHER = re.compile(r"\s+(?:and|\+|&)\s+", re.IGNORECASE)
INDEX = re.compile(r"(?:#|index\s+)?(-?[0-9]+)", re.IGNORECASE)
MOST_CUTS = 8  # words such as "and" in one text


T = TypeVar("T")


@dataclass(frozen=True)
class Categories:
    """The classes of a classifier, in the order of its scores; `synonyms[i]` are other names of class i."""

    names: tuple[str, ...]
    synonyms: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def of(cls, names: Iterable[Any] | Mapping[Any, Any]) -> Categories:
        """Class names as they come: a list in the order of the scores, or a dict from index to name or back.

        Raises:
            UsageError: it is one text, or a dict whose indices are not 0, 1, 2 and so on.

        >>> Categories.of({"cat": 1, "dog": 0}).names
        ('dog', 'cat')
        """
        if isinstance(names, Mapping):
            pairs = [(key, value) if isinstance(value, int) else (value, key) for key, value in names.items()]
            found = {int(index): str(name) for name, index in pairs if str(index).isdecimal()}
            if sorted(found) != list(range(len(names))):
                raise UsageError(f"categories is a dict, but its indices are not 0 to {len(names) - 1}")
            return cls(tuple(found[index] for index in range(len(found))))
        if isinstance(names, str | bytes) or not hasattr(names, "__iter__"):
            raise UsageError(f"categories is a list of class names in the order of the scores, not {names!r}")
        return cls(tuple(map(str, names)))

    @classmethod
    def numbered(cls, count: int) -> Categories:
        """Names for a network that brings none."""
        return cls(tuple(f"class {index}" for index in range(count)))

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> str:
        return self.names[index]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def find(self, name: str | int) -> int:
        """The index of the class called `name`: an index, a name or a synonym, in any case.

        A name is a name first: of classes 0, 1, 10, 2 the one called "10" is the third. A text that is no name may be
        an index, and "#2" or "index 2" says so.

        Raises:
            UsageError: an index out of range.
            UnknownName: no such class; the nearest names are listed.
            AmbiguousClass: several classes go by that name; their indices are listed.

        >>> Categories(("tabby cat", "dog"), (("moggy",), ())).find("Moggy")
        0
        >>> Categories(("0", "1", "10", "2")).find("10"), Categories(("0", "1", "10", "2")).find("#1")
        (2, 1)
        """
        text = str(name).strip()
        found = self._indices.get(text.casefold(), ()) if isinstance(name, str) else ()
        if len(found) == 1:
            return found[0]
        if found:
            listed = ", ".join(f"#{index} ({self.names[index]})" for index in found)
            raise AmbiguousClass(f"'{text}' stands for several classes: {listed}; give the index, as in '#{found[0]}'")
        if number := INDEX.fullmatch(text):
            index = int(number[1])
            if not 0 <= index < len(self):
                raise UsageError(
                    f"class index {index} is out of range, and no class has that name: the classifier has classes 0 to "
                    f"{len(self) - 1}"
                )
            return index
        near = nearest(text, self._indices, cutoff=0.5)
        shown = ", ".join(f"'{self.names[self._indices[other][0]]}'" for other in near)
        raise UnknownName(f"the classifier has no class '{text}'; " + (f"nearest: {shown}" if near else
                          f"it has {len(self)}, such as '{self.names[0]}'"))  # fmt: skip

    @cached_property
    def _indices(self) -> dict[str, tuple[int, ...]]:
        found: dict[str, list[int]] = {}
        for index, name in enumerate(self.names):
            others: Sequence[str] = self.synonyms[index] if self.synonyms else ()
            for key in dict.fromkeys(text.casefold() for text in (name, *others)):
                found.setdefault(key, []).append(index)
        return {key: tuple(indices) for key, indices in found.items()}


@cache
def imagenet() -> Categories:
    """The 1000 classes of ImageNet-1k, with WordNet ids and lemmas as synonyms."""
    classes = json.loads(files("seewhy.models").joinpath("imagenet.json").read_text("utf-8"))
    return Categories(
        names=tuple(entry["name"] for entry in classes),
        synonyms=tuple((entry["wnid"], *entry["synonyms"]) for entry in classes),
    )


@dataclass(frozen=True)
class Target:
    """Class `index`; with `also` several classes together; with `against`, "why `index` rather than `against`?"."""

    index: int
    against: int | None = None
    chosen: Literal["asked", "predicted"] = "asked"
    also: tuple[int, ...] = ()

    def score(self, logits: Tensor) -> Tensor:
        """The number to explain, of shape `(...)` for logits `(..., K)`: a logit, or a sum or difference of some."""
        score = logits[..., [self.index, *self.also]].sum(-1) if self.also else logits[..., self.index]
        return score if self.against is None else score - logits[..., self.against]

    def label(self, categories: Categories) -> str:
        """In words."""
        name = " and ".join(categories[index] for index in (self.index, *self.also))
        return name if self.against is None else f"{name} rather than {categories[self.against]}"


@dataclass(frozen=True)
class Value(Target):
    """A number of the caller's own, made of the logits `(K,)` of one picture, in place of a class."""

    function: Callable[[Tensor], Tensor] | None = None

    @override
    def score(self, logits: Tensor) -> Tensor:
        rows = [self._of(row) for row in logits.reshape(-1, logits.shape[-1])]
        if logits.requires_grad and any(not row.requires_grad for row in rows):
            raise UsageError(
                "the target function leaves autograd, which this method follows; give a tensor computed from the "
                "logits, without item(), detach() or argmax()"
            )
        values = torch.stack([row.reshape(()) for row in rows]) if rows else logits.new_zeros(0)
        return values.to(logits).reshape(logits.shape[:-1])

    def _of(self, logits: Tensor) -> Tensor:
        if self.function is None:
            raise UsageError("a value needs a function of the logits")
        try:
            value = self.function(logits)
        except SeewhyError:
            raise
        except Exception as error:
            raise UsageError(f"the target function raised {type(error).__name__}: {error}") from error
        return _number(value)

    @override
    def label(self, categories: Categories) -> str:
        return getattr(self.function, "__name__", "a value of the logits")


def parse_target(text: str | int, categories: Categories) -> Target:
    """A target from an index, a class name, "A vs B" or "A and B"; see `Categories.find` for what is refused.

    What is a class's name as a whole is that class, whatever words are in it.

    >>> parse_target("dog vs cat", Categories(("cat", "dog")))
    Target(index=1, against=0, chosen='asked', also=())
    >>> parse_target("dog and cat", Categories(("cat", "dog"))).also
    (0,)
    """
    if not isinstance(text, str):
        return Target(categories.find(text))
    sides = _cut(text, CONTRAST, lambda part: _together(part, categories), "vs")
    if len(sides) > 2:
        raise UsageError(f"'{text}' compares more than two classes; write \"A vs B\"")
    (index, *also), *others = sides
    against = others[0] if others else [None]
    if len(against) > 1:
        raise UsageError(f"'{text}' compares with several classes at once; write \"A vs B\"")
    if against[0] in {index, *also}:
        raise UsageError(f"'{text}' compares a class with itself")
    return Target(index, against[0], also=tuple(also))


def _together(text: str, categories: Categories) -> list[int]:
    found = _cut(text, TOGETHER, categories.find, "and")
    if len(set(found)) < len(found):
        raise UsageError(f"'{text}' names a class twice")
    return found


def _cut(text: str, words: re.Pattern[str], find: Callable[[str], T], word: str) -> list[T]:
    """What `find` knows of a text as a whole, or else of the parts between `words`, which may be in names, too.

    Raises:
        AmbiguousClass: it can be read in several ways.
        UsageError: it cannot be read; the finest reading says why.
    """
    between = list(words.finditer(text))[:MOST_CUTS]
    problem: UsageError | None = None
    for count in range(len(between) + 1):
        readings: list[list[T]] = []
        for cuts in combinations(between, count):
            ends = [0, *(cut.end() for cut in cuts)], [*(cut.start() for cut in cuts), len(text)]
            try:
                readings.append([find(text[start:end]) for start, end in zip(*ends, strict=True)])
            except AmbiguousClass:
                raise
            except UsageError as error:
                problem = error
        if len(readings) > 1:
            raise AmbiguousClass(f"'{text}' can be read in {len(readings)} ways; give indices, as in '#0 {word} #1'")
        if readings:
            return readings[0]
    raise problem or UsageError(f"'{text}' names no class")


def _number(value: Any) -> Tensor:
    try:
        number = value if isinstance(value, Tensor) else torch.as_tensor(value)  # rules know no `as_tensor`
    except (TypeError, ValueError, RuntimeError):
        number = None
    if number is None or number.numel() != 1 or number.is_complex():
        what = "" if isinstance(value, Tensor) else f", not a {type(value).__name__}"
        raise UsageError(f"a target function gives one number for the logits (K,) of an input{what}")
    return number
