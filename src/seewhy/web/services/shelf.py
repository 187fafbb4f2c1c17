"""What is kept for visitors, bounded in bytes and in time, so that nobody's things push out those of another.

Where all is full, whoever holds the most gives up the oldest of it: who holds less than another loses nothing.
"""

from __future__ import annotations

import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from threading import RLock
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import polars as pl
import torch

from seewhy.web.visitors import Visitor

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

LEAST = 4096  # bytes that anything counts as, so that the number of things is bounded, too
DAY = 86_400.0  # seconds


class Entry(NamedTuple, Generic[V]):
    """One thing on the shelf: whose it is, how large, and since when it lies there."""

    value: V
    owner: Visitor
    size: int
    since: float


class Shelf(Generic[K, V]):
    """At most `total` bytes, each thing for `seconds`; `dropped` is told of what goes to make room, or for its age."""

    def __init__(
        self,
        total: int,
        seconds: float = DAY,
        dropped: Callable[[V], object] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.total, self.seconds = total, seconds
        self._dropped, self._clock = dropped, clock
        self._owned: dict[Visitor, OrderedDict[K, Entry[V]]] = {}
        self._owners: dict[K, Visitor] = {}
        self._held: dict[Visitor, int] = {}
        self._all = 0
        self._lock = RLock()

    def put(self, key: K, value: V, owner: Visitor, size: int, since: float | None = None) -> None:
        """Keep a thing as the owner's newest; what has to go for it goes."""
        with self._lock:
            self.pop(key)
            entry = Entry(value, owner, max(size, LEAST), self._clock() if since is None else since)
            self._owned.setdefault(owner, OrderedDict())[key] = entry
            self._owners[key] = owner
            self._held[owner] = self._held.get(owner, 0) + entry.size
            self._all += entry.size
            gone = [*self._surplus()]
        for each in gone:
            self._dropped(each)

    def get(self, key: K) -> V | None:
        """The thing, which becomes its owner's newest; None where there is none, or it is too old."""
        with self._lock:
            owner = self._owners.get(key)
            if owner is None:
                return None
            entry = self._owned[owner][key]
            if self._clock() - entry.since >= self.seconds:
                return None
            self._owned[owner].move_to_end(key)
            return entry.value

    def pop(self, key: K) -> V | None:
        """Take a thing away; nobody is told."""
        with self._lock:
            owner = self._owners.pop(key, None)
            if owner is None:
                return None
            entry = self._owned[owner].pop(key)
            self._held[owner] -= entry.size
            self._all -= entry.size
            if not self._owned[owner]:
                del self._owned[owner], self._held[owner]
            return entry.value

    def owner(self, key: K) -> Visitor | None:
        """Whose it is; None where it is not there."""
        return self._owners.get(key)

    def held_by(self, owner: Visitor) -> int:
        """Bytes of all that is one visitor's."""
        return self._held.get(owner, 0)

    def has_room(self, owner: Visitor, size: int) -> bool:
        """Whether something of this size would stay: there is room, or another holds more than this owner would."""
        with self._lock:
            most = max((held for each, held in self._held.items() if each != owner), default=0)
            return self._all + size <= self.total or self.held_by(owner) + size < most

    def sweep(self) -> None:
        """Let go of what is too old."""
        with self._lock:
            gone = [*self._expired()]
        for each in gone:
            self._dropped(each)

    def values(self) -> list[V]:
        """All that is there, newest first."""
        with self._lock:
            entries = [entry for owned in self._owned.values() for entry in owned.values()]
        return [entry.value for entry in sorted(entries, key=lambda each: each.since, reverse=True)]

    def __contains__(self, key: K) -> bool:
        with self._lock:
            owner = self._owners.get(key)
            return owner is not None and self._clock() - self._owned[owner][key].since < self.seconds

    def _expired(self) -> Iterator[V]:
        oldest = self._clock() - self.seconds
        old = [key for owned in self._owned.values() for key, entry in owned.items() if entry.since <= oldest]
        yield from (value for key in old if (value := self.pop(key)) is not None)

    def _surplus(self) -> Iterator[V]:
        while self._all > self.total:
            greediest = max(self._held, key=self._held.__getitem__)
            value = self.pop(next(iter(self._owned[greediest])))
            if value is not None:
                yield value


def size_of(thing: object) -> int:
    """Bytes of memory that a result takes, about; arrays and text that occur twice count once."""
    seen: set[int] = set()

    def size(each: Any) -> int:
        if id(each) in seen or each is None or isinstance(each, type):
            return 0
        seen.add(id(each))
        match each:
            case np.ndarray():
                return each.nbytes if each.base is None else max(each.nbytes, size(each.base))
            case torch.Tensor():
                return each.untyped_storage().nbytes()
            case pl.DataFrame():
                return int(each.estimated_size())
            case str() | bytes() | bytearray() | int() | float():
                return sys.getsizeof(each)
            case Mapping():
                return sys.getsizeof(each) + sum(size(part) for pair in each.items() for part in pair)
            case tuple() | list() | set() | frozenset():
                return sys.getsizeof(each) + sum(map(size, each))
            case _ if is_dataclass(each):
                return sys.getsizeof(each) + sum(size(getattr(each, part.name)) for part in fields(each))
            case _:
                return sys.getsizeof(each) + size(getattr(each, "__dict__", None))

    return size(thing)
