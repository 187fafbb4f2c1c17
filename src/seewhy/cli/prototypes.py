"""`seewhy prototypes`: a classifier that decides by similarity to patches of training pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from seewhy.cli import options
from seewhy.cli.run import Answer, Run, command
from seewhy.core.outcome import Outcome
from seewhy.errors import ModelError

app = typer.Typer(
    help="This looks like that: deciding by similarity to patches of training pictures.", no_args_is_help=True
)


@app.command()
@command("seed device")
def train(
    run: Run,
    folder: Annotated[Path, typer.Argument(help="The class folders that the backbone was trained on.")],
    backbone: Annotated[
        str,
        typer.Option("--backbone", "--trunk", help="The trained classifier: file:DIR, as `seewhy train` writes it."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the prototypes and their report.")] = Path("seewhy-prototypes"),
    recipe: Annotated[
        str, typer.Option(help="default, or source1: a plain ProtoPNet, which mostly fails on small sets.")
    ] = "default",
    per_class: Annotated[int | None, typer.Option(min=1, help="Prototypes of each class. Default: 10.")] = None,
    warm_steps: Annotated[
        int | None, typer.Option(min=0, help="Steps with the backbone at rest. Default: 300.")
    ] = None,
    joint_steps: Annotated[
        int | None, typer.Option(min=0, help="Steps together with the backbone. Default: 0.")
    ] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate of prototypes. Default: 3e-4.")] = None,
    copies: Annotated[int | None, typer.Option(min=0, help="Changed copies of each picture. Default: 8.")] = None,
    layer: Annotated[
        str | None, typer.Option(help="Where the backbone ends. Default: its last layer with a grid.")
    ] = None,
) -> Answer:
    """Train prototypes on a trained classifier; what lost too much is marked as not usable, and says why."""
    from seewhy.prototypes.learning import find_recipe
    from seewhy.verbs import train_prototypes_on

    chosen = find_recipe(
        recipe, per_class=per_class, warm_steps=warm_steps, joint_steps=joint_steps, learning_rate=lr, copies=copies
    )
    with run.progress() as progress:
        found = train_prototypes_on(
            folder, backbone, out, recipe=chosen, layer=layer, seed=run.seed, device=run.device, progress=progress
        )
    refused = [Outcome("not usable", error=ModelError(reason)) for reason in found.model.diagnosis.reasons]
    asked = len(refused) or sum(found.pictures.values()) + len(found.failures)
    answer = Answer.of(found, notes=found.notes, failures=refused or found.failures, asked=asked)
    return replace(answer, result=None, report=out / "report.html")  # it is saved already


@app.command()
@command("out device")
def explain(
    run: Run,
    images: options.Images,
    model: Annotated[str, typer.Option(help="The folder that `seewhy prototypes train` wrote.")],
    refused: Annotated[bool, typer.Option("--refused", help="Look at prototypes that are not usable, too.")] = False,
) -> Answer:
    """Show what in each picture looks like which patch of a training picture, and the points that it gives."""
    from seewhy.images import find_images
    from seewhy.verbs import ask_each, explain_prototypes

    opened, failures = ask_each(find_images(images), lambda image: image)
    with run.progress() as progress:
        found = explain_prototypes(model, opened, refused=refused, device=run.device, progress=progress)
    return Answer.of_photos(replace(found, failures=failures))
