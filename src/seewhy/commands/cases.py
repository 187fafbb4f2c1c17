"""`seewhy cases`: decisions explained by pictures that the model treats alike, and by what would turn them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seewhy.answers.cases import (
    BuiltCases,
    Correspondence,
    Counterfactuals,
    Influences,
    Parts,
    PrototypeModel,
    PrototypePhoto,
    Twins,
)
from seewhy.commands.console import Answer, Classes, Images, Run, Table, split_commas
from seewhy.commands.run import command
from seewhy.core.outcome import Outcome
from seewhy.errors import ModelError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from seewhy.cases import Cases
    from seewhy.cases import Twins as TwinsFound


app = typer.Typer(help="Explain by example: build a base of pictures, ask it for twins and counterfactuals.")

CasesFolder = Annotated[Path, typer.Option("--cases", help="What `seewhy cases build` made.")]
OwnModel = Annotated[str | None, typer.Option("--model", help="Default: the model that the cases were built with.")]
OwnEncoder = Annotated[
    str | None, typer.Option("--embedding", help="Only for cases embedded by your own code: py:module:factory.")
]

REMARKS = 10  # on labels and on copies, in the terminal; the report has all


@app.command("build")
@command("model weights device")
def build(
    run: Run,
    folder: Annotated[Path, typer.Argument(help="Pictures, plain or in a sub-folder for each class.")],
    embedding: Annotated[
        str, typer.Option(help="penultimate, cole, or a model as second encoder: timm:…, hf-hub:…, file:…")
    ] = "penultimate",
    classes: Annotated[str, typer.Option(help="Only these sub-folders, joined by commas. Default: all.")] = "",
    out: Annotated[Path, typer.Option(help="Folder for the case base; an older one is brought up to date.")] = Path(
        "seewhy-cases"
    ),
) -> Answer[BuiltCases]:
    """Embed the pictures of a folder, those alone that are new or changed, and store what the model says of them."""
    from seewhy.images import Folder
    from seewhy.models.load import absolute_name
    from seewhy.verbs.cases import build_cases

    chosen = split_commas(classes)
    Folder.open(folder).of_classes(chosen)  # before the model is loaded
    classifier = run.load()
    with run.progress() as progress:
        built = build_cases(
            folder,
            classifier,
            out,
            embedding=absolute_name(embedding),
            classes=chosen,
            model=absolute_name(run.named),
            weights=run.weights,
            device=run.device,
            progress=progress,
        )
    counts = {"cases": len(built.base), "embedded": built.embedded, "failed": len(built.failures)}
    about = built.base.about
    return Answer(
        {**counts, "embedding": about.embedding, "fingerprint": about.fingerprint, "out": str(out)},
        [Table(["cases", "newly embedded", "failed"], [[str(each) for each in counts.values()]])],
        notes=[f"mended: {each}" for each in built.damage],
        failures=built.failures,
        asked=len(built.base) + len(built.failures),
    )


@app.command("twins")
@command("bands weights out device")
def twins(
    run: Run,
    images: Images,
    cases: CasesFolder = Path("seewhy-cases"),
    beside: Annotated[
        Path | None, typer.Option(help="A second case base of the same pictures, by another encoder.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many twins to show.")] = 5,
    model: OwnModel = None,  # noqa: ARG001 - counts in the run
    embedding: OwnEncoder = None,
) -> Answer[list[Twins]]:
    """Show the cases that are most like each picture to the model, and why."""
    from seewhy.cases import find_twins, open_cases
    from seewhy.images import find_images
    from seewhy.verbs.cases import TwinsResult, ask_each

    sources = find_images(images)
    first = _open(run, cases, embedding)
    second = open_cases(beside, first.embedder.classifier, run.device, embedding=embedding) if beside else None
    with run.progress() as progress:
        found, failures = ask_each(sources, lambda image: find_twins(first, image, top, second), progress)
    return Answer.of_photos(TwinsResult(found, first.base.about, failures), list(_remarks(found)))


@app.command("counterfactual")
@command("bands weights out seed device")
def counterfactual(
    run: Run,
    images: Images,
    cases: CasesFolder = Path("seewhy-cases"),
    target: Annotated[str | None, typer.Option(help="Class index or name. Default: any other class.")] = None,
    model: OwnModel = None,  # noqa: ARG001 - counts in the run
    embedding: OwnEncoder = None,
) -> Answer[list[Counterfactuals]]:
    """Show what would have turned the model's decision about each picture."""
    from seewhy.cases import find_counterfactuals
    from seewhy.images import find_images
    from seewhy.verbs.cases import CounterfactualsResult, ask_each

    sources = find_images(images)
    base = _open(run, cases, embedding)
    if target is not None:
        base.embedder.classifier.target(target)  # no such class is no matter of one picture
    with run.progress() as progress:
        found, failures = ask_each(
            sources, lambda image: find_counterfactuals(base, image, target, seed=run.seed), progress
        )
    return Answer.of_photos(CounterfactualsResult(found, base.base.about, failures))


@app.command("parts")
@command("bands weights out device")
def parts(
    run: Run,
    images: Images,
    cases: CasesFolder = Path("seewhy-cases"),
    against: Annotated[
        str | None, typer.Option(help="A class to compare with, or `next` for the next likely. Default: all others.")
    ] = None,
    count: Annotated[int, typer.Option("--parts", min=2, max=12, help="How many parts to divide a decision into.")] = 5,
    top: Annotated[int, typer.Option(min=1, max=12, help="How many cases to show of each part.")] = 4,
    model: OwnModel = None,  # noqa: ARG001 - counts in the run
) -> Answer[list[Parts]]:
    """Show each decision as a sum of parts, and the cases that each part alone is found in."""
    from seewhy.cases.parts import NEXT, find_parts
    from seewhy.images import find_images
    from seewhy.verbs.cases import PartsResult, ask_each

    sources = find_images(images)
    base = _open(run, cases, None)
    if against is not None and against != NEXT:
        base.embedder.classifier.target(against)  # no such class is no matter of one picture
    with run.progress() as progress:
        found, failures = ask_each(
            sources, lambda image: find_parts(base, image, against=against, parts=count, top=top), progress
        )
    return Answer.of_photos(PartsResult(found, base.base.about, failures))


@app.command("influence")
@command("bands weights out seed device")
def influence(
    run: Run,
    images: Images,
    cases: CasesFolder = Path("seewhy-cases"),
    top: Annotated[int, typer.Option(min=1, help="How many helpful and how many harmful pictures to show.")] = 5,
    model: OwnModel = None,  # noqa: ARG001 - counts in the run
    embedding: OwnEncoder = None,
) -> Answer[Influences]:
    """Show which training pictures a decision hangs on, and which of their labels to look at."""
    from seewhy.cases.influence import find_influences, train_head
    from seewhy.images import find_images
    from seewhy.verbs.cases import InfluenceResult, ask_each

    sources = find_images(images)
    opened = _open(run, cases, embedding)
    with run.progress() as progress:
        trained = train_head(opened.base, opened.embedder.classifier.categories)
        found, failures = ask_each(
            sources, lambda image: find_influences(opened, trained, image, top, seed=run.seed), progress
        )
    result = InfluenceResult.of(opened, trained, found, failures)
    doubted = [f"{each.path}: labelled {each.label}, the others say {each.likelier}" for each, _ in result.doubts]
    copied = [f"{' and '.join(each.paths)} are nearly the same, in different classes" for each in result.pairs]
    notes = [*doubted[:REMARKS], *copied[:REMARKS]]
    return Answer.of(result, notes=notes, failures=failures, asked=len(found) + len(failures))


@app.command("correspond")
@command("model weights out seed device")
def cases_correspond(
    run: Run,
    photos: Annotated[Path, typer.Argument(help="A folder of photos, some of which were drawn on.")],
    masks: Annotated[
        list[str] | None,
        typer.Option(help="NAME=FOLDER: masks of a part, named like the photos they were drawn on. Can be repeated."),
    ] = None,
    points: Annotated[
        Path | None, typer.Option(help='JSON: {"cat.jpg": {"nose": [0.5, 0.4]}}, x and y as shares of the photo.')
    ] = None,
    method: Annotated[str | None, typer.Option(help="Divide this method's maps by part. Default: none.")] = None,
) -> Answer[Correspondence]:
    """Carry points or drawn parts from some photos to all others, and divide what speaks for a class by part."""
    from seewhy.report.correspond import REST
    from seewhy.verbs.correspond import correspond

    named: dict[str, Path] = {}
    for each in masks or ():
        name, equals, folder = each.partition("=")
        if not (equals and name and folder) or "/" in name or name.startswith("."):
            raise UsageError(f"--masks is NAME=FOLDER, such as eyes=masks/eyes, not '{each}'")
        named[name] = Path(folder)
    classifier = run.load()
    with run.progress() as progress:
        found = correspond(
            photos, classifier, masks=named, points=points, method=method, seed=run.seed, progress=progress
        )
    told = [
        f"{name}: " + ", ".join(f"{part} {share:.0%}" for part, share in zip((*found.parts, REST), shares, strict=True))
        for name, shares in found.attribution.items()
    ]
    return Answer.of(found, notes=told, failures=found.failures, asked=len(found.photos) + len(found.failures))


def _open(run: Run, folder: Path, embedding: str | None) -> Cases:
    from seewhy.cases import open_cases
    from seewhy.verbs.cases import classifier_of_cases

    if run.model is None:
        stored, weights = classifier_of_cases(folder)
        run = replace(run, model=stored, weights=run.weights or (Path(weights) if weights else None))
    return open_cases(folder, run.load(), run.device, embedding=embedding)


def _remarks(found: Sequence[TwinsFound]) -> Iterator[str]:
    """What the table of twins leaves out."""
    for twins in found:
        name = twins.image.name
        if not twins.same_class:
            yield f"{name}: no other case is predicted as {twins.predictions[0].name}, so these are of any class"
        yield from (f"{name}: left out {copy.case.path}, {copy.reason}" for copy in twins.left_out)
        if beside := twins.beside:
            yield (
                f"{name}: {beside.twins.embedding} has {beside.overlap:.0%} of the twins in common; rank correlation "
                f"over {beside.candidates} cases {beside.correlation:.2f}"
            )


prototypes_app = typer.Typer(
    help="This looks like that: deciding by similarity to patches of training pictures.", no_args_is_help=True
)


@prototypes_app.command("train")
@command("seed device")
def prototypes_train(
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
    classes: Classes = "",
) -> Answer[PrototypeModel]:
    """Train prototypes on a trained classifier; what lost too much is marked as not usable, and says why."""
    from seewhy.prototypes.learning import find_recipe
    from seewhy.verbs.prototypes import train_prototypes_on

    chosen = find_recipe(
        recipe, per_class=per_class, warm_steps=warm_steps, joint_steps=joint_steps, learning_rate=lr, copies=copies
    )
    with run.progress() as progress:
        found = train_prototypes_on(
            folder,
            backbone,
            out,
            recipe=chosen,
            layer=layer,
            classes=split_commas(classes),
            seed=run.seed,
            device=run.device,
            progress=progress,
        )
    refused = [Outcome("not usable", error=ModelError(reason)) for reason in found.model.diagnosis.reasons]
    asked = len(refused) or sum(found.pictures.values()) + len(found.failures)
    answer = Answer.of(found, notes=found.notes, failures=refused or found.failures, asked=asked)
    return replace(answer, result=None, report=out / "report.html")  # it is saved already


@prototypes_app.command("explain")
@command("out device")
def prototypes_explain(
    run: Run,
    images: Images,
    model: Annotated[str, typer.Option(help="The folder that `seewhy prototypes train` wrote.")],
    refused: Annotated[bool, typer.Option("--refused", help="Look at prototypes that are not usable, too.")] = False,
) -> Answer[list[PrototypePhoto]]:
    """Show what in each picture looks like which patch of a training picture, and the points that it gives."""
    from seewhy.images import find_images
    from seewhy.verbs.cases import ask_each
    from seewhy.verbs.prototypes import explain_prototypes

    opened, failures = ask_each(find_images(images), lambda image: image)
    with run.progress() as progress:
        found = explain_prototypes(model, opened, refused=refused, device=run.device, progress=progress)
    return Answer.of_photos(replace(found, failures=failures))
