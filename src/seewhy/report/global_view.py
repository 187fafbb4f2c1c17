"""The report of `network global`: what people see in the evidence of each layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from seewhy import __version__
from seewhy.core.outcome import Outcome
from seewhy.draw import cut, spark_svg, spotlight
from seewhy.network.concepts import Concept, Example, GlobalView, Trend
from seewhy.network.tcav import ConceptTest
from seewhy.report.page import Picture, counted, embed, listed, render

FACE = 240
MANIFEST = "global.json"
SCHEMA = 1


def global_page(
    name: str,
    view: GlobalView,
    classifier: str,
    failures: Sequence[Outcome[Any]] = (),
    tests: Sequence[tuple[str, ConceptTest]] = (),
) -> str:
    """The page about the class or group called `name`; `tests` are of concepts by the names of their folders."""
    return render(
        "global.html",
        title=f"What the network goes by: {name}",
        lead=_lead(view),
        view=view,
        lit=_lit,
        chart=_chart,
        tests=tests,
        classifier=classifier,
        failures=failures,
    )


def global_manifest(
    name: str, view: GlobalView, classifier: str, tests: Sequence[tuple[str, ConceptTest]] = ()
) -> dict[str, Any]:
    """All but the pictures, as plain JSON values."""
    return {
        "schema": SCHEMA,
        "seewhy": __version__,
        "about": name,
        "classifier": classifier,
        "simulated": view.simulated,
        "pictures": view.pictures,
        "layers": [
            {
                "layer": layer.layer,
                "pictures": layer.pictures,
                "concepts": [_concept(concept) for concept in layer.concepts],
            }
            for layer in view.layers
        ],
        "trends": [
            {"label": trend.name, "curve": trend.curve, "slope": trend.slope, "p": trend.p} for trend in view.trends
        ],
        "tests": [
            {
                "concept": concept,
                "layer": test.layer,
                "tcav": test.score,
                "slope": test.slope,
                "chance": test.interval,
                "p": test.p,
                "accuracy": test.accuracy,
                "pictures": test.pictures,
            }
            for concept, test in tests
        ],
    }


def _concept(concept: Concept) -> dict[str, Any]:
    return {
        "label": concept.name,
        "score": concept.score,
        "weight": concept.weight,
        "pictures": concept.pictures,
        "examples": [
            {
                "image": each.view.image.name,
                "sha256": each.view.image.sha256,
                "clusters": each.united.clusters,
                "score": each.score,
            }
            for each in concept.examples
        ],
    }


def _lead(view: GlobalView) -> str:
    who = "simulated players, not people," if view.simulated else "people"
    late = listed([f"“{trend.name}”" for trend in view.late(3)])
    grows = f" Towards the decision {late} count for more." if late else ""
    return f"What {who} see where each layer responds, summed up over {counted(view.pictures, 'picture')}.{grows}"


def _lit(label: str, example: Example) -> Picture:
    """What the network saw, lit where people see the concept."""
    view = example.view
    lit = spotlight(cut(view.image.pixels, view.view, FACE), example.united.map)
    return embed(lit, f"{view.image.name}, lit where “{label}” is seen")


def _chart(trend: Trend) -> Markup:
    """How a label moves with depth."""
    spoken = f"{trend.name}: " + ", ".join(f"{value:.1f}" for value in trend.curve)
    return Markup(spark_svg(trend.curve, spoken))  # noqa: S704 - escaped
