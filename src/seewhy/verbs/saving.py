"""Where results go: `OUT/<photo>/<method>/`, with layer and class in the name where a photo has several of them.

Beside them `<method>--classes.png`, where a method of regions was asked about several classes. Names that would be the
same are numbered, as is `cat-2`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, count
from pathlib import Path

from seewhy.draw import OURS, Colors
from seewhy.methods import Explanation, Outcome
from seewhy.methods.pictures import by_classes, class_grid

UNSAFE = re.compile(r"[^A-Za-z0-9._+-]+")
LONGEST = 200  # of a name; file systems take 255 bytes, and a number or an ending may follow


def save_each(outcomes: Iterable[Outcome], out: Path, colors: Colors = OURS) -> Iterator[tuple[Outcome, Path]]:
    """Save the explanations of each outcome as it comes; yields it with its folder."""
    taken: set[str] = set()
    for outcome in outcomes:
        folder = out / _free(_safe(Path(outcome.source).stem.removeprefix("sample:")), taken)
        for name, explanation in zip(folder_names(outcome.explanations), outcome.explanations, strict=True):
            explanation.save(folder / name, colors)
        for method, about in by_classes(outcome.explanations).items():
            class_grid(about).save(folder / f"{_safe(method)}--classes.png")
        yield outcome, folder


def photo_folders(names: Iterable[str], out: Path) -> list[Path]:
    """A folder of its own below `out` for each photo of these names."""
    taken: set[str] = set()
    return [out / _free(_safe(Path(name).stem.removeprefix("sample:")), taken) for name in names]


def folder_names(explanations: Sequence[Explanation]) -> list[str]:
    """One distinct name each: the method, with layer and classes only where they tell two apart."""
    layers = {(each.method, each.layer) for each in explanations}
    targets = {(each.method, each.target) for each in explanations}
    several_layers = len(layers) > len({each.method for each in explanations})
    several_targets = len(targets) > len({each.method for each in explanations})
    taken: set[str] = set()
    return [_free(_folder_name(each, several_layers, several_targets), taken) for each in explanations]


def _folder_name(explanation: Explanation, with_layer: bool, with_target: bool) -> str:
    parts = [explanation.method]
    if with_layer and explanation.layer:
        parts.append(explanation.layer)
    if with_target:
        parts.append(explanation.target_label)
    return _safe("--".join(parts))


def _safe(name: str) -> str:
    return UNSAFE.sub("-", name)[:LONGEST].strip("-.") or "photo"


def _free(name: str, taken: set[str]) -> str:
    """`name`, numbered where it is taken; it is from now on. On some file systems Cat and cat are the same."""
    names = chain([name], (f"{name}-{number}" for number in count(2)))
    free = next(each for each in names if each.casefold() not in taken)
    taken.add(free.casefold())
    return free
