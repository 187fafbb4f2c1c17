"""What a study is going to do, in full and before it begins: what is asked, of whom, and in which pieces."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from itertools import product
from typing import Any, NamedTuple, TypeAlias

import numpy as np

_LISTED = 3  # names shown of many
_DIGEST = 64  # letters of a SHA-256, which tell people nothing

Row: TypeAlias = Mapping[str, str | float | int | bool | None]


class Unit(NamedTuple):
    """What a result is about: one method explains one image to one model, and all metrics score it."""

    model: str
    method: str
    image: str


class Task(NamedTuple):
    """What a worker is given: an image for a model, by all methods, who share decoding, forwards and masks."""

    model: str
    image: str
    methods: tuple[str, ...]

    @property
    def units(self) -> tuple[Unit, ...]:
        """What it is about, method by method."""
        return tuple(Unit(self.model, method, self.image) for method in self.methods)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that decides the results of a study; two equal plans give the same bytes.

    Attributes:
        models: the fingerprint of each model by its name.
        methods: the hyper-parameters of each method by its name.
        metrics: the same of each metric.
        images: the content hash of each image by its path.
        masks: the content hash of the mask of each image that has one, by the path of the image.
        batch_size: images or variations in one forward; it decides the last bits of a sum.
        precision: of the network's numbers, such as `float32`.
        threads: of one worker; it decides the last bits as well.
        seed: of all randomness.
        maps: how large maps are kept, one of `seewhy.study.maps.SIZES`.
        device: the kind that computes, such as `cpu` or `cuda`.
        versions: of what computes, by name.
    """

    models: Mapping[str, str]
    methods: Mapping[str, Mapping[str, Any]]
    metrics: Mapping[str, Mapping[str, Any]]
    images: Mapping[str, str]
    masks: Mapping[str, str] = field(default_factory=dict[str, str])
    batch_size: int
    precision: str = "float32"
    threads: int = 1
    seed: int = 0
    maps: str = "none"
    device: str = "cpu"
    versions: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def tasks(self) -> Iterator[Task]:
        """Every task, model by model so that each is loaded once, and image by image."""
        methods = tuple(self.methods)
        return (Task(model, image, methods) for model, image in product(self.models, self.images))

    @property
    def count(self) -> int:
        """How many units there are."""
        return len(self.models) * len(self.images) * len(self.methods)

    @property
    def units(self) -> list[Unit]:
        """Every unit, in the order of the tasks."""
        return [unit for task in self.tasks for unit in task.units]

    @property
    def configuration(self) -> str:
        """The plan as canonical JSON."""
        return canonical(asdict(self))

    @property
    def sha256(self) -> str:
        """Hash of the configuration."""
        return sha256(self.configuration.encode()).hexdigest()


class Failure(NamedTuple):
    """Why there are no rows: the name of the exception and what it says."""

    error: str
    message: str


@dataclass(frozen=True)
class Found:
    """What a worker has of one method: its rows and its map `(h, w)`, or the error in their place."""

    rows: Sequence[Row] = ()
    map: np.ndarray | None = None
    error: Exception | None = None


@dataclass(frozen=True)
class Result:
    """A finished unit: its rows, or the failure in their place; `seconds` is its share of the last of `attempts`.

    `map` holds the packed map, where maps are kept.
    """

    unit: Unit
    rows: tuple[Row, ...] = ()
    failure: Failure | None = None
    seconds: float = 0.0
    attempts: int = 1
    map: bytes | None = None


@dataclass(frozen=True)
class Work:
    """Two functions that travel to the workers by pickle: functions of a module, or partials of them.

    Attributes:
        prepare: makes of a model's name whatever `score` needs of it; called once for each model in a row.
        score: what each method of a task found, by its name; rows all have the same names and hold plain values, no
            NaN. Its randomness is seeded anew for each task, so that neither order nor worker matters.
        maps: how large maps are kept.
    """

    prepare: Callable[[str], Any]
    score: Callable[[Any, Task], Mapping[str, Found]]
    maps: str = "none"


def canonical(value: Any) -> str:
    """The one JSON text of `value`: keys sorted, no spaces, no NaN.

    Raises:
        TypeError, ValueError: JSON cannot say it.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def difference(old: Mapping[str, Any], new: str) -> list[str]:
    """In words, part by part, how a configuration differs from another in JSON; nothing where they are equal."""
    return list(_changes(old, json.loads(new), ""))


def _changes(old: Mapping[str, Any], new: Mapping[str, Any], place: str) -> Iterator[str]:
    label = f"{place.rstrip('.')}: " if place else ""
    if gone := sorted(old.keys() - new.keys()):
        yield f"{label}no longer {_listed(gone)}"
    if come := sorted(new.keys() - old.keys()):
        yield f"{label}newly {_listed(come)}"
    common = sorted(old.keys() & new.keys())
    digests = [name for name in common if isinstance(old[name], str) and len(old[name]) == _DIGEST]
    if edited := [name for name in digests if old[name] != new[name]]:
        yield f"{label}other content in {_listed(edited)}"
    for name in common:
        if isinstance(old[name], dict) and isinstance(new[name], dict):
            yield from _changes(old[name], new[name], f"{place}{name}.")
        elif old[name] != new[name] and name not in edited:
            yield f"{place}{name}: was {_shown(old[name])}, now {_shown(new[name])}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else canonical(value)
