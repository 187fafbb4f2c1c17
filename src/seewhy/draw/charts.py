"""Charts: bars, weights, curves, intervals, confusion, reliability. Each is laid out once, and drawn by `canvas`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from seewhy.core.text import percent, plain_number
from seewhy.draw.canvas import (
    LEAN,
    Circle,
    Drawing,
    Group,
    Line,
    Paint,
    Rect,
    Shape,
    Stroke,
    Text,
    ellipsize,
    font,
    raster,
    svg,
    wrap,
)
from seewhy.draw.overlay import AGAINST_FOR
from seewhy.draw.units import Unit, told_weights
from seewhy.errors import UsageError

# Okabe & Ito's colours, which most kinds of colour blindness leave apart; dashes double them.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#7a7a7a", "#000000")
DASHES = ((), (6, 3), (2, 3))
EXPLAINED, PALE = "#d2641a", 0.4  # the latter is the opacity of other classes, and of weights that may be zero
AGAINST, FOR = AGAINST_FOR[1], AGAINST_FOR[5]
GRID, AXIS = Stroke(opacity=0.15), Stroke(opacity=0.5)

SIZE, BAR, GAP = 15, 14, 14  # of bars and weights: letters, thickness, and room beside
MARGIN, LINE, WEIGHT_ROW, CAP = 16, 19, 26, 3
SMALL, CENTRED = 13, 0.36  # the baseline of letters lies so far below their middle, in parts of their size
DOT_NAMES, DOT_RIGHT, DOT_TOP, DOT_ROW, DOT_GAP = 190, 16, 4, 16, 16
ROW, KEY = 20, 26  # of the key below a chart
CELL_NAMES, CELL_HEAD, CELL, SMALL_CELL, MANY = 150, 90, 64, 34, 8  # cells of more classes than MANY are small
CURVE_ENDS, EPOCH_ENDS = (1, 2, 4, 6, 8, 10), (1, 1.2, 1.6, 2, 3, 4, 6, 8, 10)  # of scales; quarters of them are round
QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)

# Room round the fields of charts with two axes: left, right, top, bottom.
CURVES, EPOCHS, RELIABILITY, SPARK = (52, 20, 10, 40), (44, 12, 22, 40), (48, 24, 10, 42), (4, 4, 4, 4)


class Weight(NamedTuple):
    """A weight, its name in the picture, half the width of its interval where that is known, and its unit."""

    name: str
    value: float
    margin: float | None = None
    unit: Unit = ""

    @property
    def sure(self) -> bool:
        """Whether zero lies outside the interval."""
        return self.margin is None or abs(self.value) > self.margin


class Dot(NamedTuple):
    """A mean, and the bounds that hold it."""

    value: float
    low: float
    high: float


class Confidence(NamedTuple):
    """Predictions of like confidence: the mean of it, how often they are right with its bounds, and how many."""

    confidence: float
    accuracy: float
    low: float
    high: float
    pictures: int


def bars(
    classes: Sequence[tuple[str, float]], *, explained: int | None = None, width: int = 640, values: bool = False
) -> Image.Image:
    """Bars of (name, probability) in the given order; `explained` is the place of the class to highlight.

    All bars start at 0 and share one scale, 0 to 100 %. Of `values`, each with a unit of its own, there are no bars
    but the numbers.

    Raises:
        UsageError: there is no class, or a probability outside [0, 1].
    """
    return ImageOps.expand(raster(_bars(classes, explained, width - 2 * MARGIN, values)), MARGIN, "white")


def bars_svg(
    classes: Sequence[tuple[str, float]], *, explained: int | None = None, width: int = 640, values: bool = False
) -> str:
    """The same bars as one `<svg>` element that takes its text colour from the page, light or dark."""
    return svg(_bars(classes, explained, width, values))


def weight_bars(weights: Sequence[Weight], *, width: int = 640) -> Image.Image:
    """Bars in the given order on one scale, blue to the left of zero and orange to the right, whiskers across.

    Bars whose interval reaches zero are pale.

    Raises:
        UsageError: there are no weights, or one is not finite.
    """
    return raster(_weights(weights, width))


def weight_bars_svg(weights: Sequence[Weight], *, width: int = 640) -> str:
    """The same bars as one `<svg>` element that takes its text colour from the page, light or dark."""
    return svg(_weights(weights, width))


def curves_svg(
    curves: Mapping[str, Sequence[float] | np.ndarray],
    *,
    across: str,
    up: str,
    width: int = 420,
    height: int = 260,
    values: bool = False,
) -> str:
    """Named curves at equal steps from 0 to 100 % of `across`, on one scale from 0, as one `<svg>` with its key below.

    Without `values`, which have a size of their own, what they show are shares.

    Raises:
        UsageError: there is no curve, or one has fewer than two points or a value that is not finite.
    """
    lines = {name: np.asarray(line, float) for name, line in curves.items()}
    if not lines or any(len(line) < 2 or not np.isfinite(line).all() for line in lines.values()):
        raise UsageError("curves need two finite points or more")
    low, high = (float(end([end(line) for line in lines.values()])) for end in (np.min, np.max))
    top = _round_up(max(0.01, high), CURVE_ENDS)
    ticks = _ticks(low, high, zero=False) if values else [share * top for share in QUARTERS]
    told = plain_number if values else percent
    field = _Field.of(CURVES, width, height)
    labels = [(share, f"{share:.0%}") for share in QUARTERS]
    axes = field.axes([told(tick) if tick else "0" for tick in ticks], labels, across)
    span = ticks[-1] - ticks[0]
    points = {
        name: [*zip(np.linspace(0, 1, len(line)), (line - ticks[0]) / span, strict=True)]
        for name, line in lines.items()
    }
    spoken = f"{up} by {across}: " + "; ".join(f"{name} averages {told(line.mean())}" for name, line in lines.items())
    return _with_key(field, axes, points, width, height, spoken)


def epochs_svg(
    curves: Mapping[str, Sequence[float]],
    *,
    across: str,
    stages: Mapping[str, int],
    top: float | None = None,
    width: int = 460,
    height: int = 270,
) -> str:
    """Named curves with a value for each epoch, on one scale from 0, as one `<svg>` with its key below.

    `stages` names what the epochs belong to, in order, with how many each has; `top` ends the scale, else the largest
    value does.

    Raises:
        UsageError: there is no epoch, a value is not finite, or curves and stages are of other lengths.
    """
    count = sum(stages.values())
    values = [value for curve in curves.values() for value in curve]
    if not count or any(len(curve) != count for curve in curves.values()) or not all(map(math.isfinite, values)):
        raise UsageError("curves of a training need a finite value for each of its epochs")
    end = top or _round_up(max(values), EPOCH_ENDS)
    field = _Field.of(EPOCHS, width, height)
    labels = [((epoch - 0.5) / count, str(epoch)) for epoch in _labels(count)]
    axes = field.axes([f"{end * share:.3g}" for share in QUARTERS], labels, across)
    points = {
        name: [((epoch + 0.5) / count, value / end) for epoch, value in enumerate(curve)]
        for name, curve in curves.items()
    }
    spoken = f"By {across}: " + "; ".join(f"{name} ends at {curve[-1]:.3g}" for name, curve in curves.items())
    return _with_key(field, chain(axes, _stages(stages, field, width)), points, width, height, spoken)


def spark_svg(values: Sequence[float], spoken: str, *, width: int = 180, height: int = 40) -> str:
    """A small line without axes: values of 0 or more from left to right, 0 at the foot; `spoken` says what it shows."""
    field = _Field.of(SPARK, width, height)
    top, steps = max(values, default=0) or 1, max(len(values) - 1, 1)
    points = [field.at(place / steps, value / top) for place, value in enumerate(values)]
    foot = Line([field.at(0, 0), field.at(1, 0)], Stroke(opacity=0.2))
    dots = [Circle(x, y, 2.5, Paint(EXPLAINED)) for x, y in points]
    return svg(Drawing(width, height, spoken, [foot, Line(points, Stroke(EXPLAINED, width=2), spoken), *dots]))


def intervals_svg(
    rows: Mapping[str, Sequence[Dot | None]], series: Sequence[str], *, across: str, width: int = 560
) -> str:
    """One row of dots beside each name, one dot for each of `series`, on a common scale of `across`, as one `<svg>`.

    None is a dot that is missing. With several series a key below tells their colours.

    Raises:
        UsageError: there is no dot, one is not finite, or a row has not a place for each of the series.
    """
    dots = [dot for row in rows.values() for dot in row if dot is not None]
    if not dots or not all(map(math.isfinite, chain.from_iterable(dots))):
        raise UsageError("there is nothing to draw: intervals need a mean and two bounds, all finite")
    if any(len(row) != len(series) for row in rows.values()):
        raise UsageError(f"each row has one place for each of {', '.join(series)}")
    ticks = _ticks(min(dot.low for dot in dots), max(dot.high for dot in dots))
    pitch = DOT_ROW * len(series) + DOT_GAP
    bottom = DOT_TOP + pitch * len(rows)

    def x(value: float) -> float:
        return DOT_NAMES + (value - ticks[0]) / (ticks[-1] - ticks[0]) * (width - DOT_RIGHT - DOT_NAMES)

    def shapes() -> Iterator[Shape]:
        for tick in ticks:
            yield Line([(x(tick), DOT_TOP), (x(tick), bottom)], GRID if tick else AXIS)
            yield Text(x(tick), bottom + 14, f"{tick:g}".replace("-", "\N{MINUS SIGN}"), SMALL, "middle")
        yield Text((DOT_NAMES + width - DOT_RIGHT) / 2, bottom + 30, across, SMALL, "middle")
        for place, (name, row) in enumerate(rows.items()):
            top = DOT_TOP + place * pitch
            lines = wrap(name, font(SMALL), DOT_NAMES - 14, most=2)
            first = top + (pitch - ROW * 0.75 * (len(lines) - 1)) / 2 + 4
            yield from (Text(0, first + ROW * 0.75 * number, line, SMALL) for number, line in enumerate(lines))
            for number, dot in enumerate(row):
                if dot is not None:
                    y, color = top + DOT_GAP / 2 + DOT_ROW * (number + 0.5), PALETTE[number % len(PALETTE)]
                    interval = Line([(x(dot.low), y), (x(dot.high), y)], Stroke(color, width=2))
                    title = f"{name}, {series[number]}: {_interval(dot)}"
                    yield Group([interval, Circle(x(dot.value), y, 4.5, Paint(color))], title)
        for number, name in enumerate(keys):
            y = bottom + 34 + 22 * (number + 0.5)
            yield Circle(DOT_NAMES + 6, y, 4.5, Paint(PALETTE[number % len(PALETTE)]))
            yield Text(DOT_NAMES + 18, y + 4, name, SMALL)

    keys = series if len(series) > 1 else ()
    told = [
        f"{name}, {which}: {_interval(dot)}" if keys else f"{name}: {_interval(dot)}"
        for name, row in rows.items()
        for which, dot in zip(series, row, strict=True)
        if dot is not None
    ]
    return svg(Drawing(width, bottom + 38 + 22 * len(keys), f"{across}. " + "; ".join(told), [*shapes()]))


def confusion_svg(counts: NDArray[np.integer], names: Sequence[str]) -> str:
    """A table `(k, k)` of pictures by true class (rows) and predicted class (columns), shaded by the share of the row.

    Raises:
        UsageError: there are not as many names as rows and columns.
    """
    table = np.asarray(counts)
    if table.shape != (len(names), len(names)) or not names:
        raise UsageError("a confusion matrix has a row and a column for each class")
    cell = SMALL_CELL if len(names) > MANY else CELL
    shares = table / table.sum(axis=1, keepdims=True).clip(min=1)
    face = font(SMALL)
    left = min(CELL_NAMES, max(face.getlength(name) for name in names) + 20)
    width, height = round(left + cell * len(names)) + CELL_HEAD // 2, CELL_HEAD + cell * len(names) + 4

    def shapes() -> Iterator[Shape]:
        for number, name in enumerate(names):
            middle = (number + 0.5) * cell
            short, slanted = ellipsize(name, face, CELL_NAMES - 16), ellipsize(name, face, CELL_HEAD * 1.2)
            yield Text(left - 8, CELL_HEAD + middle + 4, short, SMALL, "end")
            yield Text(left + middle + 4, CELL_HEAD - 8, slanted, SMALL, turn=-45)
        for row, name in enumerate(names):
            for column, other in enumerate(names):
                count, title = int(table[row, column]), f"{name}, taken for {other}: {table[row, column]}"
                x, y = left + column * cell, CELL_HEAD + row * cell
                fill = Paint(PALETTE[0 if row == column else 1], 0.12 + 0.5 * float(shares[row, column]))
                yield Group([*_cell(x, y, cell, count, fill, f"{shares[row, column]:.0%}")], title)

    wrong = [
        f"{table[row, column]} {names[row]} taken for {names[column]}"
        for row, column in zip(*np.nonzero(table), strict=True)
        if row != column
    ]
    right = f"{int(np.trace(table))} of {int(table.sum())} right"
    return svg(Drawing(width, height, "; ".join([right, *wrong]), [*shapes()]))


def reliability_svg(steps: Sequence[Confidence], *, width: int = 420, height: int = 300) -> str:
    """How often predictions of each confidence are right: dots with their bounds; on the diagonal both are the same.

    Raises:
        UsageError: there are no predictions.
    """
    if not steps:
        raise UsageError("there are no predictions to draw")
    most = max(step.pictures for step in steps)
    field = _Field.of(RELIABILITY, width, height)

    def shapes() -> Iterator[Shape]:
        labels = [(share, f"{share:.0%}") for share in QUARTERS]
        yield from field.axes([words for _, words in labels], labels, "confidence")
        yield Line([field.at(0, 0), field.at(1, 1)], Stroke(opacity=0.5, dash=(4, 4)))
        for step in steps:
            low, middle, high = (field.at(step.confidence, share) for share in (step.low, step.accuracy, step.high))
            bounds = Line([low, high], Stroke(PALETTE[0], width=2))
            dot = Circle(*middle, 3.5 + 6 * (step.pictures / most) ** 0.5, Paint(PALETTE[0]))
            title = (
                f"{step.pictures} predictions, {percent(step.confidence)} sure, {percent(step.accuracy)} right "
                f"({percent(step.low)} to {percent(step.high)})"
            )
            yield Group([bounds, dot], title)

    spoken = "; ".join(f"{percent(s.confidence)} sure: {percent(s.accuracy)} of {s.pictures} right" for s in steps)
    return svg(Drawing(width, height, spoken, [*shapes()]))


class _Field(NamedTuple):
    """Where the axes of a chart lie; along both, values go from 0 to 1."""

    left: float
    top: float
    right: float
    bottom: float

    @classmethod
    def of(cls, margins: tuple[float, float, float, float], width: float, height: float) -> _Field:
        left, right, top, bottom = margins
        return cls(left, top, width - right, height - bottom)

    def at(self, across: float, up: float) -> tuple[float, float]:
        """A point in the drawing; below 0 nothing is shown."""
        return self.left + across * (self.right - self.left), self.bottom - max(up, 0) * (self.bottom - self.top)

    def axes(self, up: Sequence[str], across: Sequence[tuple[float, str]], name: str) -> Iterator[Shape]:
        """Words at even steps up, each with a line; words at places across; and what runs there."""
        for number, words in enumerate(up):
            start, end = (self.at(side, number / (len(up) - 1)) for side in (0, 1))
            yield Line([start, end], GRID)
            yield Text(start[0] - 6, start[1] + 4, words, anchor="end")
        for share, words in across:
            yield Text(self.at(share, 0)[0], self.bottom + 16, words, anchor="middle")
        yield Text((self.left + self.right) / 2, self.bottom + 34, name, anchor="middle")


def _with_key(
    field: _Field,
    axes: Iterable[Shape],
    curves: Mapping[str, Sequence[tuple[float, float]]],
    width: int,
    height: int,
    spoken: str,
) -> str:
    """Axes, named curves between them, and a key below; a curve of one point is a dot."""
    lines, keys = list[Shape](), list[Shape]()
    for number, (name, points) in enumerate(curves.items()):
        stroke = Stroke(PALETTE[number % len(PALETTE)], width=2, dash=DASHES[number // len(PALETTE) % len(DASHES)])
        placed, y = [field.at(*point) for point in points], height + KEY / 2 + number * ROW
        dot = Group([Circle(*placed[0], 4, Paint(stroke.color))], name)
        lines.append(Line(placed, stroke, name) if len(placed) > 1 else dot)
        keys += [Line([(field.left, y), (field.left + 28, y)], stroke), Text(field.left + 36, y + 4, name)]
    return svg(Drawing(width, height + KEY + len(curves) * ROW, spoken, [*axes, *lines, *keys]))


def _round_up(value: float, ends: Sequence[float]) -> float:
    """To the next of `ends` times a power of ten; 1 for nothing."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * each for each in ends if power * each >= value * (1 - 1e-9))


def _ticks(low: float, high: float, *, zero: bool = True) -> list[float]:
    """Round numbers at equal steps, about four, that enclose both, and 0 unless `zero` is False."""
    low, high = (min(low, 0.0), max(high, 0.0)) if zero else (low, high)
    step = _round_up((high - low or 1.0) / 4, (1, 2, 2.5, 5, 10))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


def _bars(classes: Sequence[tuple[str, float]], explained: int | None, width: int, values: bool) -> Drawing:
    if not classes:
        raise UsageError("there are no classes to draw; pass (name, probability) pairs")
    wrong = next((pair for pair in classes if not 0 <= pair[1] <= 1 and not values), None)
    if wrong:
        raise UsageError(f"{wrong[0]!r} has the probability {wrong[1]}; pass probabilities in [0, 1], not logits")
    if explained is not None and not 0 <= explained < len(classes):
        raise UsageError(f"explained is {explained}, but there are {len(classes)} classes; pass a place from 0 on")
    names = width * 0.42
    longest = width - names - GAP - 8 - font(SIZE, bold=True).getlength(">99.9%")
    left, top, told = names + GAP, 0, plain_number if values else percent
    rows: list[Group] = []
    for place, (name, probability) in enumerate(classes):
        bold = place == explained
        name = " ".join(name.split())
        lines = wrap(name, font(SIZE, bold=bold), names - LEAN, most=2)
        middle, long = top + LINE * len(lines) / 2, 0.0 if values else max(1.0, probability * longest)
        words = [Text(LEAN, top + SIZE + n * LINE, line, SIZE, bold=bold) for n, line in enumerate(lines)]
        bar = Rect(left, middle - BAR / 2, long, BAR, Paint(EXPLAINED) if bold else Paint(opacity=PALE), radius=2)
        share = Text(left + long + 8, middle + CENTRED * SIZE, told(probability), SIZE, bold=bold)
        rows.append(Group([*words, *([] if values else [bar]), share], name))
        top += LINE * len(lines) + GAP
    spoken = "; ".join(f"{row.title} {told(share)}" for row, (_, share) in zip(rows, classes, strict=True))
    return Drawing(width, top - GAP, spoken, rows)


def _weights(weights: Sequence[Weight], width: int) -> Drawing:
    if not weights:
        raise UsageError("there are no weights to draw; pass at least one")
    wrong = next((each for each in weights if not math.isfinite(each.value + (each.margin or 0))), None)
    if wrong:
        raise UsageError(f"{wrong.name!r} has the weight {wrong.value} ± {wrong.margin}; pass finite numbers")
    unit = weights[0].unit
    numbers = told_weights([each.value for each in weights], [each.margin for each in weights], unit)
    left = max(font(SIZE, bold=True).getlength(each.name) for each in weights) + GAP
    right = width - max(font(SIZE).getlength(number) for number in numbers) - GAP
    lowest = min(0.0, *(each.value - (each.margin or 0) for each in weights))
    highest = max(0.0, *(each.value + (each.margin or 0) for each in weights))
    span = highest - lowest or 1
    zero = math.floor(left - (right - left) * (lowest / span)) + 0.5  # lines through the middle of pixels are sharp

    def x(value: float) -> float:
        return zero + (right - left) * (value / span)

    def shapes() -> Iterator[Shape]:
        for place, (each, number) in enumerate(zip(weights, numbers, strict=True)):
            middle, tip = WEIGHT_ROW * (place + 0.5), x(each.value)
            fill = Paint(FOR if each.value > 0 else AGAINST, 1 if each.sure else PALE)
            yield Text(LEAN, middle + CENTRED * SIZE, each.name, SIZE, bold=True)
            yield Rect(min(zero, tip), middle - BAR / 2, abs(tip - zero), BAR, fill)
            if each.margin:
                low, high, level = x(each.value - each.margin), x(each.value + each.margin), middle + 0.5
                yield Line([(low, level), (high, level)], Stroke())
                yield from (Line([(end, level - CAP), (end, level + CAP)], Stroke()) for end in (low, high))
            yield Text(width - LEAN, middle + CENTRED * SIZE, number, SIZE, "end")
        yield Line([(zero, 0), (zero, WEIGHT_ROW * len(weights))], Stroke(opacity=0.6))

    spoken = "; ".join(f"{each.name}: {number}" for each, number in zip(weights, numbers, strict=True))
    return Drawing(width, WEIGHT_ROW * len(weights), spoken, [*shapes()])


def _stages(stages: Mapping[str, int], field: _Field, width: int) -> Iterator[Shape]:
    """What epochs belong to, with a line between two."""
    before, count = 0, sum(stages.values())
    for name, epochs in stages.items() if len(stages) > 1 else ():
        edge = field.at(before / count, 0)[0]
        if before:
            yield Line([(edge, field.top - 14), (edge, field.bottom)], Stroke(opacity=0.5, dash=(3, 3)))
        yield Text(min(edge + 5, width - font(12).getlength(name)), field.top - 6, name)
        before += epochs


def _labels(count: int) -> list[int]:
    """Epochs that are named below: the first, the last, and round ones between, about eight."""
    step = next(each for each in (1, 2, 5, 10, 20, 50, 100, 200, 500, count) if count / each <= 8)
    between = [epoch for epoch in range(step, count, step) if 1 < epoch <= count - step / 2]
    return sorted({1, *between, count})


def _interval(dot: Dot) -> str:
    value, low, high = (f"{np.round(each, 3):g}" for each in dot)
    return value if dot.low == dot.high else f"{value} ({low} to {high})"


def _cell(x: float, y: float, side: float, count: int, fill: Paint, share: str) -> Iterator[Shape]:
    """A square, and if it is not empty its colour, its count and, where there is room, its share of the row."""
    yield Rect(x + 1, y + 1, side - 2, side - 2, Paint(opacity=0.05), radius=3)
    if not count:
        return
    yield Rect(x + 1, y + 1, side - 2, side - 2, fill, radius=3)
    middle, roomy = y + side / 2 + 5, side == CELL
    yield Text(x + side / 2, middle - 8 * roomy, str(count), SMALL + 2, "middle", bold=True)
    if roomy:
        yield Text(x + side / 2, middle + 8, share, SMALL - 2, "middle")
