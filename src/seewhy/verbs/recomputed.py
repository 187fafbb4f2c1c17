"""Every figure of a result once more, from the rows that lie beside it: what a dossier gathers and verifies.

A kind of result is known by the name of its file of figures. What a result's file tells, and what its rows come to, are
two plain values; `differing` says where they are not one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isclose
from pathlib import Path
from typing import Any, Literal

from seewhy.answers.dossier import Difference
from seewhy.audit.diff_rows import diff_figures, read_rows
from seewhy.audit.photos import SEARCHED, TESTED, read_photos
from seewhy.audit.repair import worth
from seewhy.audit.repair_rows import read_answers, repair_figures
from seewhy.audit.rows import read_trials
from seewhy.audit.trial import MOST, Power, Trial, chance_to_tell
from seewhy.audit.words import verdict_words as trial_words
from seewhy.core.files import csv_text, unguarded
from seewhy.core.reading import JSON_BYTES, damaged, read_csv, read_json, read_whole, sound
from seewhy.core.text import percent, visible
from seewhy.report.audit import power_words
from seewhy.report.repair import judged_words
from seewhy.report.study_tables import grids, latex, markdown
from seewhy.report.verdict import study_verdict
from seewhy.study.results import RESULTS
from seewhy.train.evaluate import Evaluation
from seewhy.train.label_evaluation import LabelEvaluation
from seewhy.verbs import audit, diff, repair
from seewhy.verbs.study import LATEX, MARKDOWN, SO_FAR, open_study

CURE = "make the result again"
EVALUATION, PREDICTIONS = "evaluation.json", "predictions.csv"
NEAR = 1e-9  # of a figure: sums may end in other last bits on another machine
Plain = Mapping[str, Any]
Kind = Literal["audit", "evaluation", "study", "repair", "diff"]


@dataclass(frozen=True)
class Recomputed:
    """A result whose figures were computed again.

    Attributes:
        kind: such as audit.
        told: what its file says.
        figures: what its rows come to.
        said: what it says, in sentences.
        models: the fingerprint of each model by its name.
        seed: of its randomness, where it had any.
        limits: what was measured of what it cannot tell.
    """

    kind: Kind
    told: Plain
    figures: Plain
    said: Sequence[str]
    models: Mapping[str, str]
    seed: int | None = None
    limits: Sequence[str] = ()


def find_results(root: Path) -> list[str]:
    """The files of figures below a folder, by their paths within it."""
    found = sorted(path.relative_to(root) for path in root.rglob("*") if path.name in KINDS)
    return [path.as_posix() for path in found if not any(part.startswith(".") or part == SO_FAR for part in path.parts)]


def recompute(path: Path) -> Recomputed:
    """The result whose file of figures this is, from its rows.

    Raises:
        BadFile: its files are damaged, or do not hold what figures follow from.
    """
    with sound(path, CURE):
        return KINDS[path.name][1](path)


def differing(told: Any, found: Any, where: str = "") -> Iterator[Difference]:
    """Where what is told is not what was found; told values that were not found anew are left out."""
    if isinstance(found, Mapping) and isinstance(told, Mapping):
        for name, value in found.items():
            yield from differing(told.get(name), value, f"{where}.{name}" if where else str(name))
    elif isinstance(found, list | tuple) and isinstance(told, list | tuple):
        if len(told) != len(found):
            yield _differs(where, f"{len(told)} entries", f"{len(found)} entries")
        for place, pair in enumerate(zip(told, found, strict=False)):
            yield from differing(*pair, f"{where}[{place}]")
    elif not _same(told, found):
        yield _differs(where, _short(told), _short(found))


def _differs(where: str, told: str, found: str) -> Difference:
    return {"kind": "figure", "where": where, "told": told, "found": found}


def _same(told: Any, found: Any) -> bool:
    if isinstance(told, bool) or isinstance(found, bool):
        return told is found
    if isinstance(told, int | float) and isinstance(found, int | float):
        return isclose(told, found, rel_tol=NEAR, abs_tol=1e-12)
    if isinstance(told, str) and isinstance(found, str):
        return found in {told, visible(told), unguarded(visible(told))}  # as a table holds it
    return told == found


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 120 else f"{text[:119]}…"


# --- Kinds ----------------------------------------------------------------------------------------------------------


def _audit(path: Path) -> Recomputed:
    folder, told = path.parent, read_json(path, dict[str, Any], CURE)
    listed = [*told["findings"], *told["suspects"]]
    photos = read_photos(folder / audit.PHOTOS)
    trials = read_trials(folder / audit.TESTS, len(listed))
    tested = min(MOST, sum(row.part == TESTED for row in photos))
    named = [_suspect(*pair) for pair in zip(listed, trials, strict=True)]
    passed = [one for one, trial in zip(named, trials, strict=True) if trial.passed]
    figures: dict[str, Any] = {
        "photos": len(photos),
        "findings": passed,
        "suspects": [one for one, trial in zip(named, trials, strict=True) if not trial.passed],
        "power": {
            "searched": sum(row.part == SEARCHED for row in photos),
            "tested": tested,
            "told": chance_to_tell(len(trials), tested),
        },
        **audit.labels_and_quality(photos, [(one, other) for one, other in told["copies"]]),
    }
    _check_tables(folder, told)
    said = [each["sentence"] for each in passed] or [
        f"Nothing was found in {len(photos)} photos; {len(trials)} suspects were tried."
    ]
    power = power_words(Power(**told["power"]))
    return Recomputed("audit", told, figures, said, {told["model"]: told["fingerprint"]}, told["seed"], (power,))


def _suspect(told: Plain, trial: Trial) -> dict[str, Any]:
    words = trial_words(trial, told["class"])
    sentence = told["sentence"] if told["sentence"].endswith(words) else f"…{words}"
    return {**trial.figures(), "photos": len(told["names"]), "sentence": sentence}


def _check_tables(folder: Path, told: Plain) -> None:
    """Refuse findings that stand otherwise in another file of the audit."""
    found = read_json(folder / audit.FINDINGS, list[dict[str, Any]], CURE)
    if found != told["findings"]:
        raise damaged(folder / audit.FINDINGS, f"it does not say what {audit.AUDIT} says", CURE)
    rows = [audit.row_of(each, found=number < len(found)) for number, each in
            enumerate((*told["findings"], *told["suspects"]))]  # fmt: skip
    _check_text(folder / audit.TABLE, csv_text(audit.COLUMNS, [list(row.values()) for row in rows]))


def _check_text(path: Path, text: str) -> None:
    if read_whole(path, CURE, JSON_BYTES) != text.encode("utf-8", "replace"):
        raise damaged(path, "it does not say what the figures come to", CURE)


def _check_parts(path: Path, parts: Sequence[str], whole: str) -> None:
    """Refuse a text that does not hold these parts, in any order, and nothing else."""
    found = read_whole(path, CURE, JSON_BYTES).decode("utf-8", "replace")
    if sorted(found.split()) != sorted(whole.split()) or any(part.strip() not in found for part in parts):
        raise damaged(path, "it does not say what the figures come to", CURE)


def _evaluation(path: Path) -> Recomputed:
    told = read_json(path, dict[str, Any], CURE)
    if "labels" in told:
        return _evaluation_of_labels(path, told)
    names = [each["name"] for each in told["classes"]]
    shown = [unguarded(visible(name)) for name in names]
    rows = read_csv(path.parent / PREDICTIONS, CURE, ("class", "predicted", "right", "confidence"))
    places = {name: place for place, name in enumerate(shown)}
    truth, said = ([places[row[column]] for row in rows] for column in ("class", "predicted"))
    likely = [
        [float(row["confidence"]) if place == mine else -1.0 for place in range(len(names))]
        for row, mine in zip(rows, said, strict=True)
    ]
    found = Evaluation.of(names, truth, likely)
    if [row["right"] == "yes" for row in rows] != found.right.tolist():
        raise damaged(path.parent / PREDICTIONS, "its column “right” is not what the classes say", CURE)
    value, low, high = (percent(each) for each in found.accuracy)
    sentence = f"{int(found.right.sum())} of {len(rows)} photos are answered right: {value} ({low} to {high})."
    return Recomputed("evaluation", told, found.to_dict(), [sentence], {told["model"]: told["fingerprint"]})


def _evaluation_of_labels(path: Path, told: Plain) -> Recomputed:
    names = [each["name"] for each in told["labels"]]
    columns = [visible(f"probability of {name}") for name in names]
    rows = read_csv(path.parent / PREDICTIONS, CURE, ("labels", "found", "right", *columns))
    truth = [[name in row["labels"].split(";") for name in names] for row in rows]
    likely = [[float(row[column]) for column in columns] for row in rows]
    found = LabelEvaluation.of(names, truth, likely, [each["threshold"] for each in told["labels"]])
    value, low, high = (percent(each) for each in found.exact)
    sentence = f"On {value} ({low} to {high}) of {len(rows)} photos all labels are right."
    return Recomputed("evaluation", told, found.to_dict(), [sentence], {told["model"]: told["fingerprint"]})


def _repair(path: Path) -> Recomputed:
    told = read_json(path, dict[str, Any], CURE)
    before, after = answers = read_answers(path.parent / repair.PHOTOS)
    figures = repair_figures(*answers)
    one, other = (repair.judged(each) for each in answers)
    usable = told["way"] is not None and worth(one, other)
    verdict = judged_words(told["way"], usable, one, other, len(before.mine))
    figures |= {"photos": {"judged_on": len(after.mine)}, "usable": usable, "verdict": verdict}
    models = {told["model"]: told["fingerprint_before"], f"{told['model']}, repaired": told["fingerprint"]}
    return Recomputed("repair", told, figures, [verdict], models)


def _diff(path: Path) -> Recomputed:
    told = read_json(path, dict[str, Any], CURE)
    figures = diff_figures(*read_rows(path.parent), told["seed"])
    changed, other = (len(figures[name]) for name in ("changed", "answers"))
    said = f"Of {figures['same']} photos with one answer the reason changed on {changed}; {other} got another answer."
    models = dict(zip(told["models"], told["fingerprints"], strict=True))
    return Recomputed("diff", told, figures, [said], models, told["seed"])


def _study(path: Path) -> Recomputed:
    found = open_study(path.parent)
    tables = grids(found.scores, found.means, found.failed)
    for name, written in ((MARKDOWN, markdown), (LATEX, latex)):
        _check_parts(path.parent / name, [written([table]) for table in tables], written(tables))
    verdict = study_verdict(found)
    figures = {"verdict": verdict, "scores": found.rows()}
    return Recomputed("study", figures, figures, [verdict], found.plan.models, found.plan.seed)


# By the name of the file of figures: the kind, and what computes it again.
KINDS: Mapping[str, tuple[Kind, Callable[[Path], Recomputed]]] = {
    audit.AUDIT: ("audit", _audit),
    EVALUATION: ("evaluation", _evaluation),
    RESULTS: ("study", _study),
    repair.REPAIR: ("repair", _repair),
    diff.DIFF: ("diff", _diff),
}
