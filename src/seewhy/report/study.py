"""The report of compare and study: which explanation to believe, maps in a row, scores down to the single photo."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from seewhy.core.statistics import LEVEL
from seewhy.draw import Dot, curves_svg, fit, intervals_svg
from seewhy.methods import Method
from seewhy.methods.explanation import explanation_tiles
from seewhy.metrics import Metric
from seewhy.report.page import (
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
    title_of,
)
from seewhy.report.study_photos import FOLDER, ORDERS, orders_of, photos_of
from seewhy.report.study_tables import count_words
from seewhy.report.verdict import photo_words, study_verdict
from seewhy.study.score import CHANCE, Scored
from seewhy.study.scores import Mean, ModelScores
from seewhy.study.statistics import FEWEST
from seewhy.study.summary import (
    StudyResult,
    map_agreement,
    metric_agreement,
    metric_concordance,
    pairwise,
    photo_concordance,
)

MAP = 360  # pixels of a picture
DRAWN = 12  # photos with maps; tables count all
CHARTED = 3  # photos, from which on a mean is worth a chart
CURVES = {"insertion-minus-deletion": ("Insertion", "Deletion")}
ABOUT_CURVES = {
    "Insertion": "of the pixels shown, most relevant first: the sooner a curve rises, the better",
    "Deletion": "of the pixels hidden, most relevant first: the sooner a curve falls, the better",
}

PRECISION = 5e-4


@dataclass(frozen=True)
class Row:
    """One line of the table of scores; `rank` only where it is a method's, `count` the photos that have scores."""

    title: str
    rank: float | None
    cells: Sequence[tuple[str, bool | None]]
    control: bool
    count: str


@dataclass(frozen=True)
class Table:
    """Metrics of one kind, and what every method scores; `ranked` where methods are put in order by any of them."""

    family: str
    metrics: Sequence[type[Metric]]
    rows: Sequence[Row]
    ranked: bool


@dataclass(frozen=True)
class Family:
    """Metrics of one kind: a table for each model, a chart for each metric, and who answers alike of every class."""

    name: str
    metrics: Sequence[type[Metric]]
    tables: Sequence[tuple[str, Table]]
    charts: Sequence[tuple[type[Metric], Markup]]
    alike: str = ""

    @property
    def ranked(self) -> bool:
        """Whether methods are put in order by any of the metrics."""
        return any(metric.ranked for metric in self.metrics)

    @property
    def located(self) -> bool:
        """Whether any of the metrics needs to know where the object is."""
        return any("mask" in metric.needs for metric in self.metrics)


def study_page(result: StudyResult) -> str:
    """The page."""
    plan = result.plan
    photos, count = photos_of(result), result.table["image"].n_unique()
    orders = orders_of(result)
    lead, best_first = study_verdict(result), result.scores[0].best_first
    mapped = [(name, scored) for name, scored in result.explained.items() if scored.explanations]
    by_maps = [len(maps) for each in result.scores for row in each.chance.values() for maps in row.values()]
    return render(
        "study.html",
        title="Which explanation to believe" if mapped else f"A study of {counted(len(plan.images), 'photo')}",
        lead=lead,
        asked=f"{counted(count, 'photo')}, {', '.join(plan.models)}",
        maps=[_maps(scored, result, name) for name, scored in mapped[:DRAWN]],
        unmapped=max(len(mapped) - DRAWN, 0),
        families=families(result),
        random_maps=max(by_maps, default=0),
        coarser=[metric.title for metric in result.metrics if by_maps and "chance" in plan.metrics[metric.name]],
        tested=bool(result.beats_chance) and not by_maps,
        untested=CHANCE in plan.methods and not result.beats_chance,
        several=count > 1,
        fewest=FEWEST,
        cells=_cells(result),
        masked=counted(len(plan.masks), "photo"),
        curves=mean_curves(result),
        curve_noun=curve_noun(result),
        alike=_alike([scored for _, scored in mapped], best_first) if mapped else None,
        agreements=list(_agreements(result)) if count > 1 else [],
        differences=list(_differences(result)),
        titles=[metric.title for metric in result.metrics],
        photos=photos if count > 1 or not mapped else [],
        orders={name: ORDERS[name] for name in orders},
        first=next(iter(orders)) if plan.maps != "none" else FOLDER,
        unshown=count - len(photos),
        noted=[] if mapped else notes_of_all(result.noted),
        failures=_failures(result),
        facts=_facts(result),
        count=len(plan.images),
    )


def families(result: StudyResult) -> list[Family]:
    """Tables and charts by kind of metric."""
    return [_family(result, name) for name in dict.fromkeys(metric.family for metric in result.metrics)]


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


def _maps(scored: Scored, result: StudyResult, name: str) -> dict[str, Any]:
    """One photo with what each method found in it, best on this photo first, and the strongest control there."""
    one = next(iter(scored.explanations.values()))
    label = f"{one.target_label} ({one.told})"
    photo, _ = embed_photo(one)
    (scores,) = result.scores
    alone = result.photo_verdicts([name]).get((name, scores.model))
    methods = [*dict.fromkeys((*(alone.order if alone else ()), *scores.best_first))]
    beside = [alone.strongest] if alone and alone.strongest else []
    found = [scored.explanations[method] for method in (*methods, *beside) if method in scored.explanations]
    ranked = {method: place for place, method in enumerate(alone.order if alone else (), start=1)}
    titles = [f"{ranked[each.method]}. {title_of(each.method)}" if each.method in ranked else title_of(each.method)
              for each in found]  # fmt: skip
    drawn = [fit(tile.picture, MAP) for tile in explanation_tiles(found)]
    words, told = [alternative(each, Method.registry[each.method]) for each in found], photo_notes(found)
    pictures = [embed(*shown) for shown in zip(drawn, words, strict=True)]
    return {
        "name": one.image.name,
        "label": label,
        "photo": photo,
        "pictures": list(zip(titles, pictures, [method_notes(each, told) for each in found], strict=True)),
        "notes": told,
        "verdict": photo_words(alone) if alone and len(result.explained) > 1 else "",
    }


def _family(result: StudyResult, name: str) -> Family:
    metrics = [metric for metric in result.metrics if metric.family == name]
    charts = [(metric, _chart(result, metric)) for metric in metrics]
    return Family(
        name,
        metrics,
        [(each.model, _table(result, each, name, metrics)) for each in result.scores],
        [(metric, chart) for metric, chart in charts if chart],
        whatever_is_asked(result, metrics),
    )


def _table(result: StudyResult, scores: ModelScores, family: str, metrics: Sequence[type[Metric]]) -> Table:
    ranked = any(metric.ranked for metric in metrics)
    rows = [
        Row(
            title_of(method),
            scores.ranks.get(method) if ranked else None,
            [_cell(result, (scores.model, metric.name, method)) for metric in metrics],
            control=method in scores.controls,
            count=count_words(result.means, result.failed, scores.model, method, metrics),
        )
        for method in scores.ordered
    ]
    return Table(family, metrics, rows, ranked)


def _cell(result: StudyResult, key: tuple[str, str, str]) -> tuple[str, bool | None]:
    mean, other = result.means.get(key), result.other_classes.get(key)
    beside = f"; other classes {number(other.value)}" if other else ""
    return (cell_words(mean) + beside, result.beats_chance.get(key)) if mean else ("–", None)


def whatever_is_asked(result: StudyResult, metrics: Sequence[type[Metric]]) -> str:
    """Which methods mark the object whatever class is asked about, as far as that can be told; else nothing."""
    found = {
        method: all(result.other_classes[each.model, metric.name, method].better is False
                    for each in result.scores for metric in metrics
                    if (each.model, metric.name, method) in result.other_classes)
        for method in dict.fromkeys(method for *_, method in result.other_classes)
    }  # fmt: skip
    names = [title_of(method) for method, alike in found.items() if alike]
    verb = "marks" if len(names) == 1 else "mark"
    return f"{listed(names)} {verb} the object no better when asked about its class than about others." if names else ""


def _chart(result: StudyResult, metric: type[Metric]) -> Markup | None:
    """Methods down, a colour for each model; none of too few photos, or where nothing was scored."""
    models = [each.model for each in result.scores]
    dots = {key: Dot(mean.value, *(mean.bounds or (mean.value, mean.value))) for key, mean in result.means.items()}
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


def _alike(scored: Sequence[Scored], methods: Sequence[str]) -> dict[str, Any]:
    return _matrix([*map(title_of, methods)], map_agreement(scored, methods))


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


def cell_words(mean: Mean) -> str:
    """A score, with its interval where there is one."""
    if mean.bounds is None or mean.high - mean.low < PRECISION:
        return number(mean.value)
    return f"{number(mean.value)} ({number(mean.low)} to {number(mean.high)})"
