"""`seewhy list models|layers|methods|metrics`."""

from __future__ import annotations

from typing import Annotated

import typer

from seewhy.cli import options
from seewhy.cli.console import print_json, print_table, waiting

app = typer.Typer(help="List what there is: models, layers, methods, metrics.", no_args_is_help=True)

Pattern = Annotated[str, typer.Argument(help="Only names that contain this, such as resnet.")]


@app.command()
def models(pattern: Pattern = "", json: options.Json = False) -> None:
    """Every model name that `--model` understands."""
    from seewhy.models import list_models

    with waiting("asking torchvision and timm"):
        names = [name for name in list_models() if pattern in name]
    if json:
        print_json(names)
        return
    print_table("", ["model"], [[name] for name in names])


@app.command()
def layers(
    pattern: Pattern = "",
    model: options.Model = options.DEFAULT_MODEL,
    weights: options.Weights = None,
    json: options.Json = False,
) -> None:
    """A model's layers in the order they run; the star marks the one that CAM methods take by default."""
    from seewhy.models import load

    with waiting(f"loading {model}"):
        classifier = load(model, weights, "cpu")
        # Of a layer that runs several times, the last run is what methods see.
        once = {layer.name: layer for layer in classifier.layers}
        found = [layer for layer in once.values() if layer.grid and pattern in layer.name]
    if json:
        print_json([{"name": each.name, "kind": each.kind, "shape": list(each.shape[1:])} for each in found])
        return
    rows = [
        [
            "*" if each.name == classifier.default_layer else "",
            each.name,
            each.kind,
            f"{each.grid.channels} maps of {each.grid.height} × {each.grid.width}" if each.grid else "",
        ]
        for each in found
    ]
    print_table(classifier.name, ["", "layer", "kind", "what it puts out"], rows)


@app.command()
def methods(pattern: Pattern = "", json: options.Json = False) -> None:
    """Every method, with the question it answers and what it costs."""
    from seewhy.methods import list_methods

    found = [info for info in list_methods() if pattern in info.name or pattern in info.family]
    if json:
        print_json(
            [
                {
                    "name": each.name,
                    "title": each.title,
                    "family": each.family,
                    "question": each.question,
                    "paper": each.paper,
                    "arxiv": each.arxiv,
                    "needs": sorted(each.needs),
                    "cost": each.cost,
                }
                for each in found
            ]
        )
        return
    rows = [[each.name, each.family, each.question, each.cost, each.paper] for each in found]
    print_table("", ["method", "family", "question", "cost", "paper"], rows)


@app.command()
def metrics(pattern: Pattern = "", json: options.Json = False) -> None:
    """Every metric, with the question it answers."""
    from seewhy.metrics import list_metrics

    found = [info for info in list_metrics() if pattern in info.name or pattern in info.family]
    if json:
        print_json(
            [
                {
                    "name": each.name,
                    "title": each.title,
                    "family": each.family,
                    "higher_is_better": each.higher_is_better,
                    "question": each.question,
                    "paper": each.paper,
                    "arxiv": each.arxiv,
                    "needs": sorted(each.needs),
                }
                for each in found
            ]
        )
        return
    better = {True: "higher", False: "lower"}
    rows = [[each.name, each.family, better[each.higher_is_better], each.question, each.paper] for each in found]
    print_table("", ["metric", "family", "better", "question", "paper"], rows)
