"""Class names that people can read, and targets: one class, or one class rather than another."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from typing import Any, Literal

import torch
from torch import Tensor
from typing_extensions import override

from seewhy.core.names import nearest
from seewhy.errors import AmbiguousClass, UnknownName, UsageError

CONTRAST = re.compile(r"\s+(?:vs\.?|versus|rather than)\s+", re.IGNORECASE)


@dataclass(frozen=True)
class Categories:
    """The classes of a classifier, in the order of its scores; `synonyms[i]` are other names of class i."""

    names: tuple[str, ...]
    synonyms: tuple[tuple[str, ...], ...] = ()

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

        Raises:
            UsageError: an index out of range.
            UnknownName: no such class; the nearest names are listed.
            AmbiguousClass: several classes go by that name; their indices are listed.

        >>> Categories(("tabby cat", "dog"), (("moggy",), ())).find("Moggy")
        0
        """
        text = str(name).strip()
        if text.lstrip("-").isdigit():
            index = int(text)
            if not 0 <= index < len(self):
                raise UsageError(f"class index {text} is out of range: the classifier has classes 0 to {len(self) - 1}")
            return index
        found = self._indices.get(text.casefold(), ())
        if len(found) == 1:
            return found[0]
        if found:
            listed = ", ".join(f"{index} ({self.names[index]})" for index in found)
            raise AmbiguousClass(f"'{text}' stands for several classes: {listed}; give the index")
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
        if self.function is None:
            raise UsageError("a value needs a function of the logits")
        rows = [_number(self.function(row)) for row in logits.reshape(-1, logits.shape[-1])]
        if logits.requires_grad and any(not row.requires_grad for row in rows):
            raise UsageError(
                "the target function leaves autograd, which this method follows; give a tensor computed from the "
                "logits, without item(), detach() or argmax()"
            )
        values = torch.stack([row.reshape(()) for row in rows]) if rows else logits.new_zeros(0)
        return values.to(logits).reshape(logits.shape[:-1])

    @override
    def label(self, categories: Categories) -> str:
        return getattr(self.function, "__name__", "a value of the logits")


def parse_target(text: str | int, categories: Categories) -> Target:
    """A target from an index, a class name or "A vs B"; see `Categories.find` for what is refused.

    >>> parse_target("dog vs cat", Categories(("cat", "dog")))
    Target(index=1, against=0, chosen='asked')
    """
    parts = CONTRAST.split(str(text))
    if len(parts) > 2:
        raise UsageError(f"'{text}' compares more than two classes; write \"A vs B\"")
    index, *others = (categories.find(part) for part in parts)
    against = others[0] if others else None
    if against == index:
        raise UsageError(f"'{text}' compares a class with itself")
    return Target(index, against)


def _number(value: Any) -> Tensor:
    try:
        number = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError):
        number = None
    if number is None or number.numel() != 1 or number.is_complex():
        what = "" if isinstance(value, Tensor) else f", not a {type(value).__name__}"
        raise UsageError(f"a target function gives one number for the logits (K,) of an input{what}")
    return number
