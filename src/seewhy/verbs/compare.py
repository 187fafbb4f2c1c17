"""Compare: which of several explanations of the same pictures to believe. It is a study of a few pictures in memory."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from typing_extensions import override

from seewhy.core.files import photo_folders
from seewhy.core.folders import write_manifest
from seewhy.core.outcome import Outcome, attempt
from seewhy.core.progress import Progress, silent, within
from seewhy.errors import SeewhyError, UsageError
from seewhy.images import Image, Mask, match_masks, noted, open_image, read_mask
from seewhy.methods import Method, lacking, list_methods, method_info, suitable_methods
from seewhy.methods.method import made_methods, require_suitable
from seewhy.methods.relevance import left_without
from seewhy.metrics import Metric
from seewhy.models import Classifier, Target
from seewhy.report.page import notes_of_all, save_page
from seewhy.report.study import study_page
from seewhy.report.verdict import study_verdict
from seewhy.study.plan import Failure, Result, Row, Unit
from seewhy.study.results import table
from seewhy.study.score import BATCH, CELLS, CHANCE, Scored, Scoring, score_picture
from seewhy.study.summary import StudyResult, plain_verdicts
from seewhy.study.verdict import Verdict
from seewhy.verbs.explanations import write_photo
from seewhy.verbs.result import Result as Saved

# Fast, and of every kind; a classifier that answers nothing but scores gets the second row.
FAST = (
    *("grad-cam", "layer-cam", "shapley-cam", "eigen-cam", "lrp", "integrated-gradients", "deep-lift", "smooth-grad"),
    *("lime", "partition-shap", "occlusion", "rise"),
)
MOST, FEWEST = 8, 2
Regions: TypeAlias = str | np.ndarray | Image
DEFAULT_METRICS = ("road", "insertion-minus-deletion", "infidelity", "sparseness")
MASK_METRICS = ("iou-top-area", "pointing-game", "energy-in-mask")
SCORES = "scores.json"


@dataclass(frozen=True, eq=False)
class Comparison(StudyResult, Saved):
    """What `compare` found: scores, maps in `explained`, a verdict, and the `errors` of pictures that failed."""

    errors: Mapping[str, SeewhyError] = field(default_factory=dict)

    @property
    def best(self) -> str | None:
        """The method that the tests single out; None where they do not, as ever of few pictures."""
        return self.judged.one

    @property
    def recommended(self) -> tuple[str, ...]:
        """The methods that no other beats, and that beat the strongest control, best mean rank first."""
        return self.judged.recommended

    @property
    def judged(self) -> Verdict:
        """Which methods to believe, and what that rests on."""
        return self.verdicts[self.scores[0].model]

    @override
    def to_dict(self) -> dict[str, Any]:
        """The best method, if there is one, the verdict in words and on each picture alone, the `rows`, and notes."""
        return {
            "best": self.best,
            "recommended": [*self.recommended],
            "verdict": study_verdict(self),
            "judged": self.judged.plain(),
            "photo_verdicts": plain_verdicts(self, self.explained),
            "scores": self.rows(),
            "notes": notes_of_all(self.noted),
        }

    @override
    def page(self) -> str:
        """The report."""
        return study_page(self)

    @override
    def write(self, folder: Path) -> None:
        """Write `scores.json`, the report, and each explanation to `<picture>/<method>/`."""
        best_first = self.scores[0].best_first
        mine = [
            [scored.explanations[method] for method in best_first if method in scored.explanations]
            for scored in self.explained.values()
        ]
        saved = [each for each in mine if each]
        for place, each in zip(photo_folders((each[0].image.name for each in saved), folder), saved, strict=True):
            write_photo(each, place)
        values, page = self.to_dict(), self.page()
        columns = ("image", "method", "metric", "value", "reason")
        values["photos"] = self.table.select(columns).to_dicts() if self.table.height else []
        save_page(folder, page)
        write_manifest(folder, values, SCORES)


def compare(
    classifier: Classifier,
    pictures: Any,
    methods: Sequence[str | Method] = (),
    metrics: Sequence[str | Metric] = (),
    *,
    masks: str | Path | Sequence[ArrayLike | None] | None = None,
    regions: Regions | None = None,
    target: str | int | Target | None = None,
    without: Sequence[str] = (),
    cells: int = CELLS,
    batch_size: int = BATCH,
    seed: int = 0,
    progress: Progress = silent,
) -> Comparison:
    """Score several methods on the same pictures, beside controls that know nothing, and say which to believe.

    A picture or method that fails is among the failures, and takes nothing from the rest. `study` gives the same
    numbers and the same verdict for the same question.

    Args:
        classifier: from `seewhy.load` or `Classifier.from_module`.
        pictures: one, or a list of them, as `open_image` takes them.
        methods: names or objects; by default the fast ones that suit the classifier, all that do for `["all"]`.
        metrics: names or objects; by default ROAD, insertion − deletion, infidelity and sparseness, with masks three of
            localisation, too.
        masks: where the object is: a folder of masks named like the pictures, or for each picture a file, or an array
            `(H, W)` over the whole of it, or None.
        regions: of methods over regions that are named: a segmenter, also with its size, as `slic:80`, `network`, or a
            mask of people.
        target: class index, name or "A vs B"; without it the class that the classifier predicts for each picture.
        without: methods to leave out of the default ones, or of all; `lrp` stands for all that propagate relevance.
        cells: metrics that ask the network see maps as means of so many cells a side; 0 leaves maps as they are.
        batch_size: variations in one forward; another size may give other last digits.
        seed: of all randomness.
        progress: told of the work done; may raise `Cancelled`.

    Raises:
        UsageError: a question without sense; the message has the cure.

    >>> import seewhy
    >>> found = seewhy.compare(seewhy.load(), "sample:cat", ["grad-cam", "eigen-cam"], ["sparseness"])
    >>> [row["method"] for row in found.rows()][:2]
    ['grad-cam', 'eigen-cam']
    """
    sources = [*pictures] if isinstance(pictures, list | tuple) else [pictures]
    asked = scoring_for(
        classifier,
        methods,
        metrics,
        target=target,
        without=without,
        masked=masks is not None,
        regions=regions,
        cells=cells,
        batch_size=batch_size,
        seed=seed,
    )
    return score_each(classifier, sources, asked.for_pictures(len(sources)), masks, progress)


def scoring_for(
    classifier: Classifier,
    methods: Sequence[str | Method] = (),
    metrics: Sequence[str | Metric] = (),
    *,
    target: str | int | Target | None = None,
    without: Sequence[str] = (),
    masked: bool = False,
    regions: Regions | None = None,
    cells: int = CELLS,
    batch_size: int = BATCH,
    seed: int = 0,
) -> Scoring:
    """What `compare` asks of every picture, with its names resolved: its methods and all controls."""
    asked_metrics = check_question(methods, metrics, masked=masked, regions=regions)
    chosen = Method.registry.chosen(_made(_chosen(classifier, methods, left_without(without)), regions))
    for method in chosen.values():
        require_suitable(method, classifier)
    known = sorted(list_methods("control"), key=lambda each: each.name != CHANCE)
    controls = {each.name: each() for each in known if not each.required}
    return Scoring(
        {**chosen, **controls},
        asked_metrics,
        target if isinstance(target, Target | None) else classifier.target(target),
        cells=cells,
        batch_size=batch_size,
        seed=seed,
    )


def check_question(
    methods: Sequence[str | Method],
    metrics: Sequence[str | Metric],
    *,
    masked: bool = False,
    regions: Regions | None = None,
) -> tuple[Metric, ...]:
    """The metrics; refuses all that cannot be compared, whatever the classifier.

    Raises:
        UsageError: fewer than two methods, regions that no method takes, a metric that wants masks, or a setting that
            cannot work.
        UnknownName: there is no such method, metric or segmenter; the nearest are named.
    """
    named = [*methods] if [*methods] != ["all"] else []
    if lacks := [each for each in named if isinstance(each, str) and method_info(each).required]:
        raise UsageError(
            f"{lacks[0]} needs {', '.join(method_info(lacks[0]).required)}, which is not at hand; leave it out"
        )
    if named and len(Method.registry.chosen(_made(named, regions))) < FEWEST:
        raise UsageError("to compare takes two methods at least; `seewhy list methods` has them")
    if not named:
        _made(FAST, regions)
    return checked_metrics(metrics or (*DEFAULT_METRICS, *(MASK_METRICS if masked else ())), masked=masked)


def _made(methods: Sequence[str | Method], regions: Regions | None) -> Sequence[str | Method]:
    """The methods, with these regions where they are named and have some."""
    return methods if regions is None else made_methods(methods, {"regions": regions})


def score_each(
    classifier: Classifier,
    sources: Sequence[Any],
    scoring: Scoring,
    masks: str | Path | Sequence[ArrayLike | None] | None = None,
    progress: Progress = silent,
) -> Comparison:
    """Score picture after picture, in memory."""
    said = [_said(source, number) for number, source in enumerate(sources)]
    opened = [attempt(each, partial(open_image, source)) for each, source in zip(said, sources, strict=True)]
    names = _names(opened)
    seen = seen_masks(classifier, sources, opened, masks)  # which tells pictures how their masks were read
    explained: dict[str, Scored] = {}
    errors: dict[str, SeewhyError] = {}
    results: list[Result] = []
    for number, (name, picture) in enumerate(zip(names, opened, strict=True)):
        rows: Mapping[str, Sequence[Row]] = {}
        failed = dict.fromkeys(scoring.methods, picture.error) if picture.error else {}
        if picture.value:
            told = within(progress, number, len(sources))
            scored = score_picture(classifier, picture.value, scoring, seen.get(number), told)
            rows, failed = scored.rows, scored.errors
            if not failed or any(row["value"] is not None for each in rows.values() for row in each):
                explained[name] = scored
        if failed and name not in explained:
            errors[name] = next(iter(failed.values()))
        results += [Result(Unit(classifier.name, method, name), tuple(each)) for method, each in rows.items()]
        results += [
            Result(Unit(classifier.name, method, name), failure=Failure(type(error).__name__, str(error)))
            for method, error in failed.items()
        ]
    plan = scoring.plan(
        {classifier.name: classifier.fingerprint},
        {name: each.value.sha256 if each.value else "unreadable" for name, each in zip(names, opened, strict=True)},
        {names[number]: "given" for number in seen},
        threads=1,
    )
    failures = tuple(each for each in results if each.failure)
    return Comparison(plan, table(each for each in results if each.rows), failures, explained=explained, errors=errors)


def chosen_methods(
    classifier: Classifier, names: Sequence[str] = (), without: Collection[str] = frozenset()
) -> list[str]:
    """The names of the methods to compare, each suited to the classifier; none of those that are to be left out.

    Raises:
        UsageError: one of them needs more than the classifier offers.
    """
    suitable = [info.name for info in suitable_methods(classifier) if info.name not in without]
    if list(names) == ["all"]:
        return suitable
    if not names:
        return [name for name in FAST if name in suitable][:MOST]
    asked = [method_info(name) for name in names]
    for each in asked:
        if missing := ", ".join(lacking(each, classifier) or each.required):
            raise UsageError(f"{each.name} needs {missing}, which is not at hand; leave it out")
        if obstacle := each().obstacle(classifier):
            raise UsageError(obstacle)
    return [each.name for each in asked]


def checked_metrics(wanted: Iterable[str | Metric], *, masked: bool) -> tuple[Metric, ...]:
    """The metrics, each once; refuses those that need masks where there are none."""
    made: dict[str, Metric] = Metric.registry.chosen(wanted)
    for name, metric in made.items():
        if "mask" in metric.needs and not masked:
            raise UsageError(f"{name} needs to know where the object is: give --masks FOLDER")
    return tuple(made.values())


def _chosen(classifier: Classifier, methods: Sequence[str | Method], without: Collection[str]) -> list[str | Method]:
    """The fast ones, all, or those that are asked for, in their order."""
    names = [each for each in methods if isinstance(each, str)]
    if both := [each for each in Method.registry.chosen(names if names != ["all"] else ()) if each in without]:
        raise UsageError(f"{both[0]} is asked for and to be left out; leave it out of one of both")
    if not methods or names == ["all"]:
        return [*chosen_methods(classifier, names, without)]
    chosen_methods(classifier, names, without)
    return [*methods]


def _said(source: Any, number: int) -> str:
    return str(source) if isinstance(source, str | Path) else getattr(source, "name", f"picture {number + 1}")


def _names(opened: Sequence[Outcome[Image]]) -> list[str]:
    """What each picture is called in the table, numbered where several are called alike."""
    found: dict[str, None] = {}
    for each in opened:
        name = each.value.name if each.value else each.source
        again = 2
        unique = name
        while unique in found:
            unique, again = f"{name} ({again})", again + 1
        found[unique] = None
    return list(found)


def seen_masks(
    classifier: Classifier,
    sources: Sequence[Any],
    opened: list[Outcome[Image]],
    masks: str | Path | Sequence[ArrayLike | None] | None,
) -> dict[int, Mask]:
    """Where the object is in what the network sees, by the number of the picture.

    In `opened`, pictures get notes of how their masks were read.
    """
    whole: dict[int, Mask] = {}
    if isinstance(masks, str | Path):
        paths = {
            number: Path(source if isinstance(source, str | Path) else each.value.name)
            for number, (source, each) in enumerate(zip(sources, opened, strict=True))
            if each.value
        }
        fitting = match_masks(list(paths.values()), Path(masks))
        for number, path in paths.items():
            if path in fitting and (image := opened[number].value):
                read = read_mask(fitting[path], image)
                whole[number], opened[number] = read.area, replace(opened[number], value=noted(image, read))
    elif masks is not None:
        for number, (each, given) in enumerate(zip(opened, masks, strict=True)):
            if given is None or each.value is None:
                continue
            read = read_mask(given, each.value)
            whole[number], opened[number] = read.area, replace(each, value=noted(each.value, read))
    return {number: classifier.preprocessing.mask(mask) for number, mask in whole.items()}
