"""`seewhy prototypes`: a classifier that decides by similarity to patches of training pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seewhy.cli import options
from seewhy.cli.console import complain, finish, note, print_json, print_table, progress_bar

if TYPE_CHECKING:
    from seewhy.prototypes.explaining import PrototypeExplanation
    from seewhy.prototypes.training import PrototypeRun

FAILED = 1

app = typer.Typer(
    help="This looks like that: deciding by similarity to patches of training pictures.", no_args_is_help=True
)


@app.command()
def train(
    folder: Annotated[Path, typer.Argument(help="The class folders that the backbone was trained on.")],
    backbone: Annotated[
        str,
        typer.Option("--backbone", "--trunk", help="The trained classifier: file:DIR, as `seewhy train` writes it."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the prototypes and their report.")] = Path("seewhy-prototypes"),
    recipe: Annotated[
        str, typer.Option(help="default, or source1: a plain ProtoPNet, which mostly fails on small sets.")
    ] = "default",
    per_class: Annotated[
        int | None, typer.Option(min=1, help="Prototypes of each class. Default: 10.", show_default=False)
    ] = None,
    warm_steps: Annotated[
        int | None, typer.Option(min=0, help="Steps with the backbone at rest. Default: 300.", show_default=False)
    ] = None,
    joint_steps: Annotated[
        int | None, typer.Option(min=0, help="Steps together with the backbone. Default: 0.", show_default=False)
    ] = None,
    lr: Annotated[
        float | None, typer.Option(help="Learning rate of prototypes. Default: 3e-4.", show_default=False)
    ] = None,
    copies: Annotated[
        int | None, typer.Option(min=0, help="Changed copies of each picture. Default: 8.", show_default=False)
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option(help="Where the backbone ends. Default: its last layer with a grid.", show_default=False),
    ] = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    json: options.Json = False,
) -> None:
    """Train prototypes on a trained classifier; what lost too much is marked as not usable, and says why."""
    from seewhy.prototypes.learning import find_recipe
    from seewhy.report import write_prototypes_report
    from seewhy.verbs import train_prototypes_on

    chosen = find_recipe(
        recipe, per_class=per_class, warm_steps=warm_steps, joint_steps=joint_steps, learning_rate=lr, copies=copies
    )
    with progress_bar() as progress:
        run = train_prototypes_on(
            folder, backbone, out, recipe=chosen, layer=layer, seed=seed, device=device, progress=progress
        )
    report = write_prototypes_report(run)
    _tell_run(run, json=json)
    note(f"report: {report}")
    if not run.trained.model.diagnosis.usable:
        for reason in run.trained.model.diagnosis.reasons:
            complain(f"not usable: {reason}")
        raise typer.Exit(FAILED)
    finish(run.failures, sum(run.pictures.values()) + len(run.failures))


@app.command()
def explain(
    images: options.Images,
    model: Annotated[str, typer.Option(help="The folder that `seewhy prototypes train` wrote.")],
    refused: Annotated[bool, typer.Option("--refused", help="Look at prototypes that are not usable, too.")] = False,
    out: options.Out = Path("seewhy-out"),
    device: options.Device = "auto",
    json: options.Json = False,
) -> None:
    """Show what in each picture looks like which patch of a training picture, and the points that it gives."""
    from seewhy.images import find_images
    from seewhy.images.opening import open_each
    from seewhy.report import write_prototype_explanations_report
    from seewhy.verbs import explain_prototypes, prototype_rows, save_prototype_explanations

    opened, failures = open_each(find_images(images))
    if opened:
        with progress_bar() as progress:
            found = explain_prototypes(model, list(opened.values()), refused=refused, device=device, progress=progress)
        save_prototype_explanations(found, out)
        report = write_prototype_explanations_report(out, found, failures)
        if json:
            print_json([prototype_rows(each) for each in found])
        else:
            _tell_explanations(found)
        note(f"report: {report}")
    finish([(each.source, each.error) for each in failures if each.error], len(opened) + len(failures))


def _tell_run(run: PrototypeRun, *, json: bool) -> None:
    diagnosis = run.trained.model.diagnosis
    if json:
        print_json({"model": str(run.out), **diagnosis.to_dict()})
        return
    kept = len(run.trained.model.prototypes)
    rows = [
        ["usable", "yes" if diagnosis.usable else "no"],
        ["accuracy", f"{diagnosis.accuracy:.1%}"],
        ["backbone's accuracy", f"{diagnosis.backbone_accuracy:.1%}"],
        ["prototypes", f"{kept} of {diagnosis.trained}"],
        *([f"{name} found", f"{recall:.1%}"] for name, recall in diagnosis.recalls.items()),
    ]
    print_table(f"prototypes in {run.out}", ["", ""], rows)
    for each in run.notes:
        note(each)


def _tell_explanations(found: Sequence[PrototypeExplanation]) -> None:
    columns = ["image", "class", "looks like", "similarity", "weight", "points"]
    print_table("", columns, [row for each in found for row in _rows(each)])


def _rows(found: PrototypeExplanation) -> list[list[str]]:
    """What the points of the class predicted add up from."""
    best = found.predictions[0]
    parts = [["start", "", "", f"{found.start(best.index):+.2f}"]]
    parts += [
        [each.prototype.source, f"{each.similarity:.2f}", f"{each.weight:.2f}", f"{each.points:+.2f}"]
        for each in found.matches(best.index)
    ]
    parts.append(["score", "", "", f"{found.scores[best.index]:+.2f}"])
    return [[found.image.name, f"{best.name} {best.probability:.1%}", *part] for part in parts]
