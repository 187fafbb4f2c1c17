"""`seewhy explainer`: train a small network that guesses explanations at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from seewhy.answers.cases import LearnedExplainer
from seewhy.commands.console import Answer, Classes, Run, split_commas
from seewhy.commands.run import command
from seewhy.core.outcome import Outcome
from seewhy.errors import ModelError

app = typer.Typer(help="Explainers that learn: one look at a photo in place of thousands.", no_args_is_help=True)


@app.callback()
def explainer() -> None:
    """One look at a photo in place of thousands."""


@app.command("train")
@command("model weights seed device")
def explainer_train(
    run: Run,
    photos: Annotated[Path, typer.Argument(help="A folder of photos such as it will explain; no labels are needed.")],
    objective: Annotated[
        str, typer.Option(help="shapley: shares of the score. mask: what the class is recognised from.")
    ] = "shapley",
    cells: Annotated[
        int | None, typer.Option(min=2, help="Of the map, a side. Default: 7 for shapley, 14 for mask.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Updates of its weights. Default: 1500 for shapley, 400 for mask.")
    ] = None,
    asked: Annotated[
        int | None, typer.Option(min=2, help="For shapley: coalitions asked about each photo. Default: 96.")
    ] = None,
    judged: Annotated[
        int | None, typer.Option(min=1, help="Unseen photos to judge by. Default: 10 for shapley, 20 for mask.")
    ] = None,
    long: Annotated[
        int | None, typer.Option(min=200, help="For shapley: forwards that each of these is judged by. Default: 4000.")
    ] = None,
    classes: Classes = "",
    out: Annotated[Path, typer.Option(help="Folder for the explainer and its report; the same one goes on.")] = Path(
        "seewhy-explainer"
    ),
) -> Answer[LearnedExplainer]:
    """Train an explainer of a model on a folder of photos; what is no better than Grad-CAM is marked as not usable."""
    from seewhy.explainers.recipe import recipe_of
    from seewhy.images import Folder
    from seewhy.verbs.explainer import train_explainer_on

    recipe = recipe_of(objective, cells=cells, steps=steps, asked=asked, judged=judged, long=long)
    chosen = split_commas(classes)
    Folder.open(photos).of_classes(chosen)  # before the model is loaded
    classifier = run.load()
    with run.progress() as progress:
        found = train_explainer_on(
            photos,
            classifier,
            out,
            objective=objective,
            recipe=recipe,
            classes=chosen,
            seed=run.seed,
            progress=progress,
        )
    refused = [Outcome("not usable", error=ModelError(reason)) for reason in found.explainer.reasons]
    asked_for = len(refused) or sum(found.photos.values()) + len(found.failures)
    notes = [*found.explainer.told, f"wherever a method goes: --method {found.method}"]
    answer = Answer.of(found, notes=notes, failures=refused or found.failures, asked=asked_for)
    return replace(answer, result=None, report=out / "report.html")  # it is saved already
