"""Class names that people can read, and the class that a person means."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, cached_property
from importlib.resources import files

from seewhy.errors import AmbiguousClass, UnknownName, UsageError


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
        """
        text = str(name).strip()
        if text.lstrip("-").isdigit():
            return self._checked(int(text))
        found = self._indices.get(text.casefold(), ())
        if len(found) == 1:
            return found[0]
        if found:
            listed = ", ".join(f"{index} ({self.names[index]})" for index in found)
            raise AmbiguousClass(f"'{text}' stands for several classes: {listed}; give the index")
        near = get_close_matches(text.casefold(), self._indices, n=4, cutoff=0.5)
        shown = ", ".join(f"'{self.names[self._indices[other][0]]}'" for other in near)
        raise UnknownName(f"the classifier has no class '{text}'; " + (f"nearest: {shown}" if near else
                          f"it has {len(self)}, such as '{self.names[0]}'"))  # fmt: skip

    def _checked(self, index: int) -> int:
        if not 0 <= index < len(self):
            raise UsageError(f"class index {index} is out of range: the classifier has classes 0 to {len(self) - 1}")
        return index

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
