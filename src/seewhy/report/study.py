"""The report of compare and study: which explanation to believe, maps in a row, scores down to the single photo."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from markupsafe import Markup

from seewhy.core.text import percent
from seewhy.draw import Dot, curves_svg, fit, intervals_svg
from seewhy.errors import SeewhyError
from seewhy.methods import Method
from seewhy.methods.explanation import explanation_tiles
from seewhy.metrics import Metric
from seewhy.report.page import (
    Picture,
    alternative,
    counted,
    embed,
    embed_photo,
    listed,
    method_notes,
    notes_of_all,
    number,
    photo_notes,
    render,
)
from seewhy.study.score import CHANCE, Scored
from seewhy.study.statistics import LEVEL
from seewhy.study.summary import (
    Mean,
    ModelScores,
    StudyResult,
    beats_chance,
    map_agreement,
    metric_agreement,
    metric_concordance,
    no_better_than_chance,
    pairwise,
    photo_concordance,
)

if TYPE_CHECKING:
    import polars as pl

MAP = 360  # pixels of a picture
DRAWN = 12  # photos with maps; tables count all
SHOWN = 300  # photos with scores; a page of more would be slow to open
THUMBNAIL = 120
CHARTED = 3  # photos, from which on an interval is worth a chart
CURVES = {"insertion-minus-deletion": ("Insertion", "Deletion")}
ABOUT_CURVES = {
    "Insertion": "of the pixels shown, most relevant first: the sooner a curve rises, the better",
    "Deletion": "of the pixels hidden, most relevant first: the sooner a curve falls, the better",
}

PRECISION = 5e-4


@dataclass(frozen=True)
class Row:
    """One line of the table of scores; `rank` only where it is a method's."""

    title: str
    rank: float | None
    cells: Sequence[tuple[str, bool | None]]
    control: bool


@dataclass(frozen=True)
class Table:
    """Metrics of one kind, and what every method scores; `ranked` where methods are put in order by any of them."""

    family: str
    metrics: Sequence[type[Metric]]
    rows: Sequence[Row]
    ranked: bool


@dataclass(frozen=True)
class Family:
    """Metrics of one kind: a table for each model, a chart for each metric."""

    name: str
    metrics: Sequence[type[Metric]]
    tables: Sequence[tuple[str, Table]]
    charts: Sequence[tuple[type[Metric], Markup]]

    @property
    def ranked(self) -> bool:
        """Whether methods are put in order by any of the metrics."""
        return any(metric.ranked for metric in self.metrics)

    @property
    def located(self) -> bool:
        """Whether any of the metrics needs to know where the object is."""
        return any("mask" in metric.needs for metric in self.metrics)


class Scores(NamedTuple):
    """One explanation: why what, and its score by each metric, in words."""

    model: str
    method: str
    why: str
    values: Sequence[str]


@dataclass(frozen=True)
class Photo:
    """One photo; without its picture where it cannot be opened any more."""

    name: str
    picture: Picture | None
    rows: Sequence[Scores]


def study_page(result: StudyResult) -> str:
    """The page."""
    plan = result.plan
    photos, count = photos_of(result), result.table["image"].n_unique()
    lead, best_first = study_verdict(result), result.scores[0].best_first
    mapped = [scored for scored in result.explained.values() if scored.explanations]
    by_maps = [len(maps) for each in result.scores for row in each.chance.values() for maps in row.values()]
    return render(
        "study.html",
        title="Which explanation to believe" if mapped else f"A study of {counted(len(plan.images), 'photo')}",
        lead=lead,
        asked=f"{counted(count, 'photo')}, {', '.join(plan.models)}",
        maps=[_maps(scored, best_first) for scored in mapped[:DRAWN]],
        unmapped=max(len(mapped) - DRAWN, 0),
        families=families(result),
        random_maps=max(by_maps, default=0),
        coarser=[metric.title for metric in result.metrics if by_maps and "chance" in plan.metrics[metric.name]],
        tested=bool(result.beats_chance) and not by_maps,
        untested=CHANCE in plan.methods and not result.beats_chance,
        several=count > 1,
        cells=_cells(result),
        masked=counted(len(plan.masks), "photo"),
        curves=mean_curves(result),
        curve_noun=curve_noun(result),
        alike=_matrix([*map(title_of, best_first)], map_agreement(mapped, best_first)) if mapped else None,
        agreements=list(_agreements(result)) if count > 1 else [],
        differences=list(_differences(result)),
        titles=[metric.title for metric in result.metrics],
        photos=photos if count > 1 or not mapped else [],
        unshown=count - len(photos),
        noted=[] if mapped else notes_of_all(result.noted),
        failures=_failures(result),
        facts=_facts(result),
        count=len(plan.images),
    )


def families(result: StudyResult) -> list[Family]:
    """Tables and charts by kind of metric."""
    return [_family(result, name) for name in dict.fromkeys(metric.family for metric in result.metrics)]


def photos_of(result: StudyResult, only: str | None = None) -> list[Photo]:
    """The first `SHOWN` photos that have scores, in the order of the folder; of one photo alone, that one."""
    units = result.table.partition_by("model", "method", "image", as_dict=True) if result.table.height else {}
    scored = {image for _, _, image in units}
    shown = [name for name in result.plan.images if name in scored and only in {None, name}][:SHOWN]
    return [
        Photo(
            name,
            _thumbnail(result, name),
            [
                _scores(units[scores.model, method, name], result.metrics)
                for scores in result.scores
                for method in (*scores.rivals, *scores.controls)
                if (scores.model, method, name) in units
            ],
        )
        for name in shown
    ]


def mean_curves(result: StudyResult) -> list[tuple[str, str, Markup]]:
    """One chart for each part of a metric that has a curve to show, of the mean over photos: title, words, `<svg>`."""
    charts: list[tuple[str, str, Markup]] = []
    noun = curve_noun(result)
    for metric in result.metrics:
        for part, title in enumerate(CURVES.get(metric.name, ())):
            if drawn := _mean_of_each(result, metric.name, part):
                chart = curves_svg(drawn, across="of the pixels", up=noun, values=noun == "value")
                charts.append((title, ABOUT_CURVES[title], Markup(chart)))  # noqa: S704 - curves_svg escapes names
    return charts


def curve_noun(result: StudyResult) -> str:
    """What curves are of."""
    maps = [each for scored in result.explained.values() for each in scored.explanations.values()]
    return "value" if maps and maps[0].meaning == "values" else "probability"


def _mean_of_each(result: StudyResult, metric: str, part: int) -> Mapping[str, np.ndarray]:
    scores, found = result.scores[0], dict[str, np.ndarray]()
    for method in (*scores.best_first, *({CHANCE} & {*scores.controls})):
        draws = [each for scored in result.explained.values() for each in scored.scores[metric].get(method, ())]
        if curves := [each.curve[part] for each in draws if each.curve is not None]:
            found[title_of(method)] = np.mean(curves, axis=0)
    return found


def _maps(scored: Scored, methods: Sequence[str]) -> dict[str, Any]:
    """One photo with what each method found in it, best first."""
    one = next(iter(scored.explanations.values()))
    label = f"{one.target_label} ({one.told})"
    photo, _ = embed_photo(one)
    found = [scored.explanations[method] for method in methods if method in scored.explanations]
    titles = [title_of(each.method) for each in found]
    drawn = [fit(tile.picture, MAP) for tile in explanation_tiles(found)]
    words, told = [alternative(each, Method.registry[each.method]) for each in found], photo_notes(found)
    pictures = [embed(*shown) for shown in zip(drawn, words, strict=True)]
    return {
        "name": one.image.name,
        "label": label,
        "photo": photo,
        "pictures": list(zip(titles, pictures, [method_notes(each, told) for each in found], strict=True)),
        "notes": told,
    }


def _family(result: StudyResult, name: str) -> Family:
    metrics = [metric for metric in result.metrics if metric.family == name]
    charts = [(metric, _chart(result, metric)) for metric in metrics]
    return Family(
        name,
        metrics,
        [(each.model, _table(result, each, name, metrics)) for each in result.scores],
        [(metric, chart) for metric, chart in charts if chart],
    )


def _table(result: StudyResult, scores: ModelScores, family: str, metrics: Sequence[type[Metric]]) -> Table:
    ranked = any(metric.ranked for metric in metrics)
    rows = [
        Row(
            title_of(method),
            scores.ranks.get(method) if ranked else None,
            [_cell(result, (scores.model, metric.name, method)) for metric in metrics],
            control=method in scores.controls,
        )
        for method in scores.ordered
    ]
    return Table(family, metrics, rows, ranked)


def _cell(result: StudyResult, key: tuple[str, str, str]) -> tuple[str, bool | None]:
    mean = result.means.get(key)
    return (cell_words(mean), result.beats_chance.get(key)) if mean else ("–", None)


def _chart(result: StudyResult, metric: type[Metric]) -> Markup | None:
    """Methods down, a colour for each model; none of too few photos, or where nothing was scored."""
    models = [each.model for each in result.scores]
    dots = {key: Dot(mean.value, mean.low, mean.high) for key, mean in result.means.items()}
    rows = {
        title_of(method): [dots.get((model, metric.name, method)) for model in models] for method in result.plan.methods
    }
    counts = [result.means[key].pictures for key in result.means if key[1] == metric.name]
    if max(counts, default=0) < CHARTED:
        return None
    chart = intervals_svg(rows, models, across="higher is better" if metric.higher_is_better else "lower is better")
    return Markup(chart)  # noqa: S704 - intervals_svg escapes names


def _agreements(result: StudyResult) -> Iterator[dict[str, Any]]:
    """For each model how alike metrics order its methods."""
    for scores in result.scores:
        metrics = [metric for metric in scores.metrics if any(scores.of(metric.name, each) for each in scores.rivals)]
        tau = metric_agreement(scores, metrics)
        if tau is not None and len(metrics) > 1:
            among = metric_concordance(scores, metrics)
            photos = ((metric.title, photo_concordance(scores, metric.name)) for metric in metrics)
            yield {
                "model": scores.model,
                "among": number(among or 0.0, 2),
                "matrix": _matrix([metric.title for metric in metrics], tau),
                "photos": {title: number(w, 2) for title, w in photos if w is not None},
            }


def _differences(result: StudyResult) -> Iterator[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    """For each model the p-values of pairs of methods by metric, where so many photos can tell any two apart."""
    for scores in result.scores:
        pairs = len(scores.methods) * (len(scores.methods) - 1) / 2
        photos = max((len(each) for each in scores.values.values()), default=0)
        if 2 * 0.5**photos * pairs > LEVEL:
            continue
        tested = [(metric.title, pairwise(scores, metric.name)) for metric in scores.metrics]
        if shown := [(title, _p_values(*found)) for title, found in tested if found]:
            yield scores.model, shown


def _matrix(titles: Sequence[str], values: np.ndarray) -> dict[str, Any]:
    """The larger, the stronger the colour."""
    rows = [[(number(float(value), 2), round(max(float(value), 0.0), 2)) for value in row] for row in values]
    return {"titles": titles, "rows": rows}


def _p_values(methods: Sequence[str], values: np.ndarray) -> dict[str, Any]:
    """The smaller, the stronger the colour; nothing on the diagonal."""
    rows = [
        [
            ("" if i == j else "<0.001" if p < 0.001 else f"{p:.3f}", float(i != j and p <= LEVEL))
            for j, p in enumerate(row)
        ]
        for i, row in enumerate(values)
    ]
    return {"titles": [title_of(method) for method in methods], "rows": rows}


def _scores(unit: pl.DataFrame, metrics: Sequence[type[Metric]]) -> Scores:
    first = unit.row(0, named=True)
    values = dict(unit.select("metric", "value").iter_rows())
    share = first["probability"]
    why = f"{first['label']} ({first.get('told', '') if share is None else percent(share)})"
    known = (values.get(each.name) for each in metrics)
    words = ["–" if value is None else number(value) for value in known]
    return Scores(first["model"], title_of(first["method"]), why, words)


def _thumbnail(result: StudyResult, name: str) -> Picture | None:
    try:
        return embed(fit(result.picture(name).pixels, THUMBNAIL), f"The photo {name}")
    except (SeewhyError, KeyError):
        return None


def _failures(result: StudyResult) -> list[dict[str, str]]:
    """What failed in the same way on the same photo, told once."""
    counts = Counter((each.unit.image, each.failure.message) for each in result.failures if each.failure)
    return [
        {"source": f"{image}, {counted(count, 'explanation')}", "error": message}
        for (image, message), count in counts.items()
    ]


def _cells(result: StudyResult) -> str:
    sizes = {settings["cells"] for settings in result.plan.metrics.values() if settings.get("cells")}
    return "".join(f"Maps are compared as means of {size} × {size} cells, areas and pixels alike." for size in sizes)


def _facts(result: StudyResult) -> dict[str, str]:
    plan = result.plan
    return {
        **{f"Model {name}": fingerprint[:16] for name, fingerprint in plan.models.items()},
        **{f"Method {name}": _settings(settings) for name, settings in plan.methods.items()},
        **{f"Metric {name}": _settings(settings) for name, settings in plan.metrics.items()},
        "Photos": f"{len(plan.images)}, {len(plan.masks)} of them with a mask",
        "Arithmetic": f"{plan.precision}, {counted(plan.threads, 'thread')}, batches of {plan.batch_size}",
        "Seed": str(plan.seed),
        "Plan": plan.sha256[:16],
    }


def _settings(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in settings.items()) or "no settings"


def title_of(method: str) -> str:
    """The title of a method or control."""
    return Method.registry[method].title


def study_verdict(result: StudyResult) -> str:
    """A verdict on each model, by its name where there are several."""
    if len(result.scores) == 1:
        return verdict(result.scores[0])
    return " ".join(f"{each.model}: {verdict(each)}" for each in result.scores)


def verdict(scores: ModelScores) -> str:
    """In a sentence or two which method to believe for a model, and why; which are no better than chance."""
    tests, best = len(scores.tests), scores.best
    if not any(scores.values.values()):
        return "None of the pictures could be explained, so there is nothing to compare."
    if not tests:
        return "None of these metrics asks whether a map is true to the network, so none of the methods is put first."
    if best is None or len(scores.rivals) < 2:
        return "There are no two methods with scores of faithfulness to choose from."
    unscored = [each for each in scores.rivals if not any(scores.of(metric.name, each) for metric in scores.tests)]
    hopeless = [each for each in no_better_than_chance(scores) if each in scores.rivals and each not in unscored]
    if best in hopeless:
        return (
            f"None can be recommended: even {title_of(best)}, which ranks first in {counted(tests, 'test')} of "
            "faithfulness, scores no better than maps drawn by chance."
        )
    words = (
        f"Believe {title_of(best)} first: of {counted(len(scores.rivals), 'method')} it ranks best over "
        f"{counted(tests, 'test')} of faithfulness{_against_chance(scores, best)}."
    )
    if hopeless:
        names = listed([title_of(each) for each in hopeless])
        where = "here" if tests == 1 else "over all tests together"
        words += f" {names} {'does' if len(hopeless) == 1 else 'do'} no better than chance {where}."
    if unscored:
        words += f" {listed([title_of(each) for each in unscored])} got no score, and so the last rank."
    return words


def cell_words(mean: Mean) -> str:
    """A score, with its interval where it is one."""
    if mean.high - mean.low < PRECISION:
        return number(mean.value)
    return f"{number(mean.value)} ({number(mean.low)} to {number(mean.high)})"


def _against_chance(scores: ModelScores, method: str) -> str:
    known = [beats_chance(scores, metric).get(method) for metric in scores.tests]
    if not any(each is not None for each in known):
        return "; what chance would get is unknown"
    return f" and beats maps drawn by chance in {_of(known.count(True), len(known))}"


def _of(some: int, all_: int) -> str:
    if some == all_:
        return "all of them" if all_ > 2 else "both" if all_ == 2 else "it"
    return f"{some} of them" if some else "all of them together"
