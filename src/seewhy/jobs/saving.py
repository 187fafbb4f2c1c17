"""Where results go: `OUT/<photo>/<method>/`, with layer and class in the name where a photo has several of them.

Beside them `<method>--classes.png`, where a method of regions was asked about several classes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from seewhy.explainers import Explanation, Outcome
from seewhy.explainers.pictures import by_classes, class_grid

__all__ = ["save_each"]

UNSAFE = re.compile(r"[^A-Za-z0-9._+-]+")


def save_each(outcomes: Iterable[Outcome], out: Path) -> Iterator[tuple[Outcome, Path]]:
    """Save the explanations of each outcome as it comes; yields it with its folder."""
    taken: Counter[str] = Counter()
    for outcome in outcomes:
        stem = _safe(Path(outcome.source).stem.removeprefix("sample:"))
        taken[stem] += 1
        folder = out / (stem if taken[stem] == 1 else f"{stem}-{taken[stem]}")
        for name, explanation in zip(folder_names(outcome.explanations), outcome.explanations, strict=True):
            explanation.save(folder / name)
        for method, about in by_classes(outcome.explanations).items():
            class_grid(about).save(folder / f"{_safe(method)}--classes.png")
        yield outcome, folder


def folder_names(explanations: Sequence[Explanation]) -> list[str]:
    """One distinct name each: the method, with layer and classes only where they tell two apart."""
    layers = {(each.method, each.layer) for each in explanations}
    targets = {(each.method, each.target) for each in explanations}
    several_layers = len(layers) > len({each.method for each in explanations})
    several_targets = len(targets) > len({each.method for each in explanations})
    return [_folder_name(each, several_layers, several_targets) for each in explanations]


def _folder_name(explanation: Explanation, with_layer: bool, with_target: bool) -> str:
    parts = [explanation.method]
    if with_layer and explanation.layer:
        parts.append(explanation.layer)
    if with_target:
        parts.append(explanation.target_label)
    return _safe("--".join(parts))


def _safe(name: str) -> str:
    return UNSAFE.sub("-", name).strip("-.") or "photo"
