"""Several explanations as one result: a sequence that draws, tabulates and saves itself."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, SupportsIndex, TypeAlias, overload

from seewhy.core.files import free_name, photo_name, safe_name
from seewhy.core.folders import whole_folder, write_manifest
from seewhy.core.outcome import Outcome
from seewhy.draw import OURS, Colors, GridRow, Tile, display, grid_html, grid_picture, photo
from seewhy.errors import UsageError
from seewhy.methods import Explanation, method_info
from seewhy.methods.explanation import by_classes, class_grid, explanation_tiles
from seewhy.report.explain import ExplainReport
from seewhy.report.page import PAGE, counted, notes_of_all
from seewhy.verbs.result import VALUES, Result

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    from PIL.Image import Image as Picture


DRAWN = 60  # rows of a grid in a notebook; more would make it too large to save
SIDE = 320
SCALES = "In a column, the classes of a photo share one scale of colours; the picture of one explanation shows it."


class Explanations(list[Explanation], Result):
    """Explanations in the order asked: picture by picture, method by method, target by target, layer by layer.

    In a notebook it is a grid: a row for each picture and class, a column for each method and layer. `save(folder)`
    writes each into a folder of its own, with a report: all of them, or after a failure none.
    """

    __slots__ = ()

    def __init__(self, explanations: Iterable[Explanation] = ()) -> None:
        list.__init__(self, explanations)
        for each in self:
            if not isinstance(each, Explanation):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise UsageError(f"Explanations holds seewhy.Explanation objects, not {type(each).__name__}")

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise TypeError("Explanations cannot be changed; list(explanations) can")

    append = extend = insert = remove = pop = clear = sort = reverse = _refuse  # pyright: ignore[reportAssignmentType]
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return Explanations, (list(self),)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Explanation: ...
    @overload
    def __getitem__(self, index: slice) -> Explanations: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Explanation | Explanations:
        """One of them, or those of a slice."""
        return Explanations(super().__getitem__(index)) if isinstance(index, slice) else super().__getitem__(index)

    def rows(self) -> list[dict[str, Any]]:
        """A dict for each: picture, method, layer, target, probability of the class, checks by name, notes, seconds."""
        names = dict.fromkeys(name for each in self for name in each.checks)
        return [
            {
                "picture": each.image.name,
                "method": each.method,
                "layer": each.layer,
                "target": each.target_label,
                "probability": each.probability,
                **({"value": each.number} if each.meaning == "values" else {}),
                **{name: each.checks.get(name) for name in names},
                "notes": " ".join(each.notes),
                "seconds": each.cost.seconds,
            }
            for each in self
        ]

    @overload
    def to_frame(self, kind: Literal["polars"] = ...) -> pl.DataFrame: ...
    @overload
    def to_frame(self, kind: Literal["pandas"]) -> pd.DataFrame: ...
    def to_frame(self, kind: Literal["polars", "pandas"] = "polars") -> pl.DataFrame | pd.DataFrame:
        """The `rows` as a data frame; a check that a method does not make is null.

        Raises:
            UsageError: `kind` is another library, or pandas is not installed.
        """
        if kind == "polars":
            import polars as pl

            return pl.DataFrame(self.rows(), schema_overrides={"layer": pl.String}, infer_schema_length=None)
        if kind != "pandas":
            raise UsageError(f'to_frame gives a frame of "polars" or "pandas", not {kind!r}')
        try:
            import pandas as pd
        except ImportError as error:
            raise UsageError("pandas is not installed: pip install pandas, or take polars: to_frame()") from error
        return pd.DataFrame(self.rows())

    def to_dict(self) -> dict[str, Any]:
        """All but the arrays, as plain JSON values."""
        return {"explanations": [each.manifest() for each in self]}

    def page(self) -> str:
        """The report: photo by photo, how to read each picture."""
        report = ExplainReport()
        for explanations in self._by_picture():
            report.add(Outcome(explanations[0].image.name, explanations))
        return report.page()

    def write(self, folder: Path) -> None:
        """Write `<picture>/<method>`, which `seewhy.Explanation.load` reads back, with `result.json` and the report."""
        writer = ExplanationWriter(folder)
        for explanations in self._by_picture():
            writer.add(Outcome(explanations[0].image.name, explanations))
        writer.close()
        write_manifest(folder, self.to_dict(), VALUES)

    def _by_picture(self) -> list[tuple[Explanation, ...]]:
        pictures: dict[tuple[str, str], list[Explanation]] = {}
        for each in self:
            pictures.setdefault((each.image.name, each.image.sha256), []).append(each)
        return [tuple(explanations) for explanations in pictures.values()]

    def picture(self, colors: Colors = OURS) -> Picture:
        """The grid as one picture."""
        columns, rows = _cells(self)
        return grid_picture(_headings(columns), _drawn(rows, columns, colors))

    def show(self) -> None:
        """Show the grid in the notebook, or open a window."""
        display(self.picture(), "these explanations", self)

    def __repr__(self) -> str:
        methods = ", ".join(dict.fromkeys(each.method for each in self))
        pictures = counted(len({each.image.sha256 for each in self}), "picture")
        return f"<{counted(len(self), 'explanation')} of {pictures}: {methods}>" if self else "<no explanations>"

    def _repr_html_(self) -> str:
        if not self:
            return "<p>no explanations</p>"
        columns, rows = _cells(self)
        told = notes_of_all((each.image.name, each.notes) for each in self)
        note = " ".join([SCALES, *told])
        if len(rows) > DRAWN:
            note += f" {len(rows) - DRAWN} more rows are not drawn; save(folder) writes all."
        return grid_html(_headings(columns), _drawn(rows[:DRAWN], columns, OURS), note)


Row: TypeAlias = dict[str, Explanation]  # by column


def _cells(explanations: Sequence[Explanation]) -> tuple[dict[str, Explanation], list[Row]]:
    """The first explanation of each column, and the rows: what was asked twice in one cell gets another row."""
    columns: dict[str, Explanation] = {}
    rows: dict[Any, Row] = {}
    for each in explanations:
        column, again = _column(each), 0
        columns.setdefault(column, each)
        while column in rows.setdefault((*_row(each), again), {}):
            again += 1
        rows[(*_row(each), again)][column] = each
    return columns, list(rows.values())


def _row(explanation: Explanation) -> tuple[Any, ...]:
    image, target = explanation.image, explanation.target
    return image.name, image.sha256, target.index, target.also, target.against


def _column(explanation: Explanation) -> str:
    return json.dumps([explanation.method, explanation.layer, _settings(explanation)], sort_keys=True, default=str)


def _settings(explanation: Explanation) -> Mapping[str, Any]:
    return {name: value for name, value in explanation.parameters.items() if name != "layers"}


def _headings(columns: Mapping[str, Explanation]) -> list[str]:
    """What tells the columns apart: the method, and of several of a method the layer and the settings that differ."""
    found: list[str] = []
    for each in columns.values():
        same = [other for other in columns.values() if other.method == each.method]
        parts = [method_info(each.method).title]
        if each.layer and len({other.layer for other in same}) > 1:
            parts.append(each.layer)
        parts += [
            f"{name}={value}"
            for name, value in _settings(each).items()
            if any(_settings(other).get(name) != value for other in same)
        ]
        found.append(" · ".join(parts))
    return found


def _drawn(rows: Sequence[Row], columns: Iterable[str], colors: Colors) -> list[GridRow]:
    photos: dict[str, list[Explanation]] = {}
    for row in rows:
        for each in row.values():
            photos.setdefault(each.image.sha256, []).append(each)
    tiles: dict[int, Tile] = {}
    for explanations in photos.values():
        tiles |= zip(map(id, explanations), explanation_tiles(explanations, colors), strict=True)
    return [_drawn_row(row, columns, tiles) for row in rows]


def _drawn_row(row: Row, columns: Iterable[str], tiles: Mapping[int, Tile]) -> GridRow:
    one = next(iter(row.values()))
    cells = [row.get(column) for column in columns]
    return GridRow(
        photo(one.image.pixels, one.view, longest=SIDE),
        one.image.name,
        f"{one.target_label} · {one.told}",
        tuple(cell and (tiles[id(cell)].picture, cell.rule.sentence if cell.rule else "") for cell in cells),
    )


class ExplanationWriter:
    """Writes the explanations of photo after photo below `folder`, with a report of all; holds one photo at a time.

    Those of a photo are there whole or not at all: what was finished stays, however the run ends. A killed run, and one
    that fails, leaves the report of the former run.

    Args:
        folder: where a folder for each photo goes.
        colors: to draw with.
        page: where the report goes, if it is to be moved into `folder` at the end.

    >>> with ExplanationWriter.into(out) as writer:  # doctest: +SKIP
    ...     for outcome in explain_each(classifier, sources, request):
    ...         writer.add(outcome)
    """

    def __init__(self, folder: Path, colors: Colors = OURS, page: Path | None = None) -> None:
        self._folder, self._colors, self._taken = folder, colors, set[str]()
        self._report = ExplainReport(page or folder, colors)

    @classmethod
    @contextmanager
    def into(cls, out: Path, colors: Colors = OURS) -> Generator[Self]:
        """Each photo is in `out` once it is added, and the report when the block ends; nobody else writes meanwhile."""
        with whole_folder(out) as page:
            writer = cls(out, colors, page)
            yield writer
            writer.close()

    def add(self, outcome: Outcome[tuple[Explanation, ...]]) -> Path:
        """Write the explanations of a photo into a folder of its own; returns the folder."""
        name, tiles = photo_name(outcome.source, self._taken), None
        if outcome.value:
            with whole_folder(self._folder / name, linked=False) as part:
                tiles = write_photo(outcome.value, part, self._colors)
        self._report.add(outcome, self._report.folder / name, tiles)
        return self._folder / name

    def close(self) -> Path:
        """Write the report; returns its path."""
        return self._report.close()


def write_explanations(outcomes: Iterable[Outcome[tuple[Explanation, ...]]], out: Path, colors: Colors = OURS) -> Path:
    """Write all outcomes, photo by photo, and their report into `out`; returns the report's path."""
    with ExplanationWriter.into(out, colors) as writer:
        for outcome in outcomes:
            writer.add(outcome)
    return out / PAGE


def write_photo(explanations: Sequence[Explanation], folder: Path, colors: Colors = OURS) -> list[Tile]:
    """Write the explanations of one photo, each into a folder of its own below `folder`; returns their pictures."""
    names, tiles = folder_names(explanations), explanation_tiles(explanations, colors)
    grids = by_classes(explanations)
    asked = Counter((each.method, each.layer) for each in explanations)
    for name, explanation, tile in zip(names, explanations, tiles, strict=True):
        # One of several classes has colours of its own scale in its own picture, and the common one on the page.
        alone = asked[explanation.method, explanation.layer] == 1
        (folder / name).mkdir(parents=True)
        explanation.write(folder / name, explanation.picture(colors, tile if alone else None))
    for method, about in grids.items():
        class_grid(about).save(folder / f"{safe_name(method)}--classes.png")
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
