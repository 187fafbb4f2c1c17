"""Where results go: `OUT/<photo>/<method>/`, with layer and class in the name where a photo has several of them.

Beside them `<method>--classes.png`, where a method of regions was asked about several classes. Names that would be the
same are numbered, as is `cat-2`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from seewhy.core.files import free_name, photo_name, safe_name
from seewhy.core.outcome import Outcome
from seewhy.draw import OURS, Colors
from seewhy.methods import Explanation
from seewhy.methods.pictures import by_classes, class_grid

Explained = Outcome[tuple[Explanation, ...]]


def save_each(outcomes: Iterable[Explained], out: Path, colors: Colors = OURS) -> Iterator[tuple[Explained, Path]]:
    """Save the explanations of each outcome as it comes; yields it with its folder."""
    taken: set[str] = set()
    for outcome in outcomes:
        folder = out / photo_name(outcome.source, taken)
        for name, explanation in zip(folder_names(outcome.value or ()), outcome.value or (), strict=True):
            explanation.save(folder / name, colors)
        for method, about in by_classes(outcome.value or ()).items():
            class_grid(about).save(folder / f"{safe_name(method)}--classes.png")
        yield outcome, folder


def folder_names(explanations: Sequence[Explanation]) -> list[str]:
    """One distinct name each: the method, with layer and classes only where they tell two apart."""
    layers = {(each.method, each.layer) for each in explanations}
    targets = {(each.method, each.target) for each in explanations}
    several_layers = len(layers) > len({each.method for each in explanations})
    several_targets = len(targets) > len({each.method for each in explanations})
    taken: set[str] = set()
    return [free_name(_folder_name(each, several_layers, several_targets), taken) for each in explanations]


def _folder_name(explanation: Explanation, with_layer: bool, with_target: bool) -> str:
    parts = [explanation.method]
    if with_layer and explanation.layer:
        parts.append(explanation.layer)
    if with_target:
        parts.append(explanation.target_label)
    return "--".join(parts)
