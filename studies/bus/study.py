"""The bus notebook again: LIME for the five likeliest classes, Anchors, GradientSHAP and DeepSHAP, each timed.

    python studies/bus/study.py PHOTO [--model MODEL]... [--top 5] --out FOLDER

Writes one report for each model and `results.md`, which compares the methods.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

from seewhy import Classifier, Explanation, load
from seewhy.metrics.context import cell_means, spearman
from seewhy.verbs.explain import Request, explain_each
from seewhy.verbs.explanations import write_explanations

METHODS = ("lime", "anchors", "expected-gradients", "deep-shap")
MAPS = ("lime", "expected-gradients", "deep-shap")
CELLS = 14


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo")
    parser.add_argument("--model", action="append", help="default: bundled:efficientnet-lite0; can be repeated")
    parser.add_argument("--top", type=int, default=5, help="explain so many of the likeliest classes")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    sections = [_study(load(model), given) for model in given.model or ["bundled:efficientnet-lite0"]]
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "results.md").write_text("\n\n".join(sections) + "\n", "utf-8")
    print(given.out / "results.md")


def _study(classifier: Classifier, given: argparse.Namespace) -> str:
    folder = given.out / classifier.name.replace(":", "-").replace("/", "-")
    request = Request.of(classifier, METHODS, top=given.top)
    outcomes = list(explain_each(classifier, [given.photo], request))
    write_explanations(outcomes, folder)
    (outcome,) = outcomes
    if outcome.error:
        raise SystemExit(str(outcome.error))
    return "\n".join(_section(classifier.name, outcome.value or ()))


def _section(name: str, found: Sequence[Explanation]) -> Iterator[str]:
    best = found[0].predictions
    yield f"## {name}\n"
    yield "It says " + ", ".join(f"{each.name} ({each.probability:.1%})" for each in best) + ".\n"
    yield "| method | seconds | forwards | backwards | checks of the first class |\n|---|--:|--:|--:|---|"
    for method in METHODS:
        mine = [each for each in found if each.method == method]
        seconds = sum(each.cost.seconds for each in mine)
        checks = ", ".join(f"{check} {value:.3g}" for check, value in mine[0].checks.items())
        yield f"| {method} | {seconds:.1f} | {mine[0].cost.forwards:,} | {mine[0].cost.backwards:,} | {checks} |"
    yield "\nAnchors:\n"
    yield from (f"- {each.target_label}: {each.rule.sentence}" for each in found if each.rule)
    yield f"\nRank correlation of maps in {CELLS} × {CELLS} cells, class by class:\n"
    for one, other in combinations(MAPS, 2):
        values = [_agreement(*pair) for pair in zip(_of(found, one), _of(found, other), strict=True)]
        yield f"- {one} and {other}: {', '.join(f'{value:.2f}' for value in values)}"


def _of(found: Sequence[Explanation], method: str) -> list[Explanation]:
    return [each for each in found if each.method == method]


def _agreement(one: Explanation, other: Explanation) -> float:
    return spearman(cell_means(one.values, CELLS), cell_means(other.values, CELLS))


if __name__ == "__main__":
    main()
