"""`seewhy list models|layers|methods|metrics`."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from seewhy.answers import told_of
from seewhy.answers.people import ListedLayer, ListedMethod, ListedMetric
from seewhy.commands.console import Answer, Run, Table, waiting
from seewhy.commands.run import command

app = typer.Typer(help="List what there is: models, layers, methods, metrics.", no_args_is_help=True)

Pattern = Annotated[str, typer.Argument(help="Only names that contain this, such as resnet.")]


@app.command()
@command()
def models(pattern: Pattern = "") -> Answer[list[str]]:
    """Every model name that `--model` understands."""
    from seewhy.models import list_models

    with waiting("asking torchvision and timm"):
        names = [name for name in list_models() if pattern in name]
    return Answer(names, [Table(["model"], [[name] for name in names])])


@app.command()
@command("model weights")
def layers(run: Run, pattern: Pattern = "") -> Answer[list[ListedLayer]]:
    """A model's layers in the order they run; the star marks the one that CAM methods take by default."""
    classifier = replace(run, device="cpu").load()
    with waiting("reading layers"):
        # Of a layer that runs several times, the last run is what methods see.
        once = {layer.name: layer for layer in classifier.layers}
    found = [(each, each.grid) for each in once.values() if each.grid and pattern in each.name]
    rows = [
        [
            "*" if each.name == classifier.default_layer else "",
            each.name,
            each.kind,
            f"{grid.channels} maps of {grid.height} × {grid.width}",
        ]
        for each, grid in found
    ]
    return Answer(
        [{"name": each.name, "kind": each.kind, "shape": list(each.shape[1:])} for each, _ in found],
        [Table(["", "layer", "kind", "what it puts out"], rows, classifier.name)],
    )


@app.command()
@command()
def methods(pattern: Pattern = "") -> Answer[list[ListedMethod]]:
    """Every method, with the question it answers and what it costs; a star marks those worth starting with."""
    from seewhy.methods import list_methods

    found = [info for info in list_methods() if pattern in info.name or pattern in info.family]
    rows = [
        ["*" if each.first else "", each.name, each.family, each.status, each.question, each.cost, each.paper]
        for each in found
    ]
    return Answer(
        [told_of(each, ListedMethod) for each in found],
        [Table(["", "method", "family", "status", "question", "cost", "paper"], rows)],
    )


@app.command()
@command()
def metrics(pattern: Pattern = "") -> Answer[list[ListedMetric]]:
    """Every metric, with the question it answers."""
    from seewhy.metrics import list_metrics

    found = [info for info in list_metrics() if pattern in info.name or pattern in info.family]
    better = {True: "higher", False: "lower"}
    rows = [[each.name, each.family, better[each.higher_is_better], each.question, each.paper] for each in found]
    return Answer(
        [told_of(each, ListedMetric) for each in found],
        [Table(["metric", "family", "better", "question", "paper"], rows)],
    )
