"""Where results go: `OUT/<photo>/<method>/`, with layer and class in the name where a photo has several of them.

Beside them `<method>--classes.png`, where a method of regions was asked about several classes. Names that would be the
same are numbered, as is `cat-2`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from seewhy.core.files import free_name, photo_name, safe_name, whole_file
from seewhy.core.outcome import Outcome
from seewhy.draw import OURS, Colors, Tile
from seewhy.methods import Explanation
from seewhy.methods.explanation import by_classes, class_grid, explanation_tiles
from seewhy.report.explain import ExplainReport


class ExplanationWriter:
    """Saves the explanations of photo after photo below `out`, with a report of all; holds one photo at a time."""

    def __init__(self, out: Path, colors: Colors = OURS) -> None:
        self.out, self._colors = out, colors
        self._taken: set[str] = set()
        self._report = ExplainReport(out, colors)

    def add(self, outcome: Outcome[tuple[Explanation, ...]]) -> Path:
        """Save the explanations of a photo in a folder of its own, each whole or not at all; returns the folder."""
        folder = self.out / photo_name(outcome.source, self._taken)
        tiles = save_explanations(outcome.value, folder, self._colors) if outcome.value else None
        self._report.add(outcome, folder, tiles)
        return folder

    def close(self) -> Path:
        """Write the report; returns its path."""
        return self._report.close()


def write_explanations(outcomes: Iterable[Outcome[tuple[Explanation, ...]]], out: Path, colors: Colors = OURS) -> Path:
    """Save outcome after outcome as it comes, and the report at the end; returns the report's path."""
    writer = ExplanationWriter(out, colors)
    for outcome in outcomes:
        writer.add(outcome)
    return writer.close()


def save_explanations(explanations: Sequence[Explanation], folder: Path, colors: Colors = OURS) -> list[Tile]:
    """Save the explanations of one photo, each in a folder of its own below `folder`; returns their pictures."""
    names, tiles = folder_names(explanations), explanation_tiles(explanations, colors)
    grids = by_classes(explanations)
    asked = Counter((each.method, each.layer) for each in explanations)
    for name, explanation, tile in zip(names, explanations, tiles, strict=True):
        # One of several classes has colours of its own scale in its own picture, and the common one on the page.
        alone = asked[explanation.method, explanation.layer] == 1
        explanation.save(folder / name, colors, tile=tile if alone else None)
    for method, about in grids.items():
        with whole_file(folder / f"{safe_name(method)}--classes.png") as file:
            class_grid(about).save(file, "PNG")
    return tiles


def folder_names(explanations: Sequence[Explanation]) -> list[str]:
    """One distinct name each: the method, with layer and classes only where they tell two apart."""
    layers = {(each.method, each.layer) for each in explanations}
    targets = {(each.method, each.target) for each in explanations}
    several_layers = len(layers) > len({each.method for each in explanations})
    several_targets = len(targets) > len({each.method for each in explanations})
    taken: set[str] = set()
    names = [_folder_name(each, several_layers, several_targets) for each in explanations]
    return [free_name(name, taken) for name in names]


def _folder_name(explanation: Explanation, with_layer: bool, with_target: bool) -> str:
    parts = [explanation.method]
    if with_layer and explanation.layer:
        parts.append(explanation.layer)
    if with_target:
        parts.append(explanation.target_label)
    return "--".join(parts)
