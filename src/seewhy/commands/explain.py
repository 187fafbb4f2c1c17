"""`seewhy explain`: where the classifier looked, as a report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from seewhy.answers.explaining import ExplanationManifest, PhotoPredictions
from seewhy.commands.console import (
    Answer,
    Images,
    Regions,
    Run,
    Table,
    note,
    parse_background,
    parse_regions,
    parse_settings,
    split_commas,
)
from seewhy.commands.run import command
from seewhy.core.outcome import Outcome
from seewhy.errors import UsageError


@command("model weights device")
def predict(
    run: Run, images: Images, top: Annotated[int, typer.Option(min=1, help="How many classes to show.")] = 5
) -> Answer[list[PhotoPredictions]]:
    """Say what is in each picture: the likeliest classes with their probabilities."""
    from seewhy.images import find_images
    from seewhy.models.head import MEANS, NOUN
    from seewhy.verbs.predict import predict_each

    sources = find_images(images)
    classifier = run.load()
    with run.progress() as progress:
        outcomes = list(predict_each(classifier, sources, top, progress))
    good = [(each.source, each.value) for each in outcomes if each.value]
    meaning = classifier.head.meaning if good else "classes"  # a network that fails says nothing of it
    found = ["found"] if meaning == "labels" else []
    return Answer(
        [{"image": source, "predictions": [each.to_dict() for each in predictions]} for source, predictions in good],
        [
            Table(
                ["image", NOUN[meaning], "value" if meaning == "values" else "probability", *found, "index"],
                [
                    [source, each.name, each.told, *(["yes" if each.present else "no"] * bool(found)), str(each.index)]
                    for source, predictions in good
                    for each in predictions
                ],
                classifier.name,
            )
        ],
        [] if run.json or not good else [*([MEANS[meaning]] if meaning != "classes" else []), *classifier.notes],
        failures=[each for each in outcomes if each.error],
        asked=len(outcomes),
    )


@command("model bands weights out seed device")
def explain(
    run: Run,
    images: Images,
    method: Annotated[
        str,
        typer.Option(
            "--method", "--methods", help="Methods, joined by commas, best among them; `seewhy list methods` has them."
        ),
    ] = "grad-cam",
    target: Annotated[
        list[str] | None,
        typer.Option(
            help='Class index, name or "A vs B", or labels for all that are found; can be repeated. Default: what the '
            "model predicts."
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Explain the K likeliest classes of each picture.")] = 1,
    layer: Annotated[str | None, typer.Option(help="Layers, joined by commas; `seewhy list layers` has them.")] = None,
    reference: Annotated[str | None, typer.Option(help="A second picture, for methods that compare two.")] = None,
    background: Annotated[
        str | None,
        typer.Option(
            help="What methods compare with or hide parts by: a folder of pictures, a picture, or black, grey, blur, "
            "noise …"
        ),
    ] = None,
    regions: Regions = None,
    calibrate: Annotated[
        Path | None, typer.Option(help="For --method best: a folder of pictures to test methods on.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the method; can be repeated."),
    ] = None,
    cmap: Annotated[str | None, typer.Option(help="Matplotlib's colour map to draw with, such as viridis.")] = None,
    opacity: Annotated[float, typer.Option(help="Of the strongest evidence, above 0 and at most 1.")] = 0.8,
) -> Answer[list[ExplanationManifest]]:
    """Show where the model looked, and write a report with the pictures and the raw maps."""
    from seewhy.draw import Colors
    from seewhy.images import find_images, open_image
    from seewhy.methods.method import BEST, made_methods
    from seewhy.report.page import PAGE, notes_of_all
    from seewhy.verbs.best import best_method
    from seewhy.verbs.explain import OWN, Request, explain_each
    from seewhy.verbs.explanations import ExplanationWriter

    given, methods, layers = parse_settings(settings or []), split_commas(method), split_commas(layer or "")
    sources = find_images(images)
    colors = Colors(opacity, cmap)
    if reference:
        given["reference"] = open_image(reference)
    if background:
        given["background"] = parse_background(background)
    if regions:
        given["regions"] = parse_regions(regions)
    if calibrate and BEST not in methods:
        raise UsageError(
            f"--calibrate finds out which method is best, and --method asks for {method}: say --method {BEST}, also "
            f"{BEST},{method}, or leave --calibrate out"
        )
    if BEST not in methods:  # before the model is loaded
        made_methods(methods, {**given, **({"layers": tuple(layers)} if layers else {})}, OWN)
    classifier = run.load()
    if BEST in methods:
        with run.progress() as progress:
            name, why = best_method(classifier, calibrate, progress)
        methods = list(dict.fromkeys(name if each == BEST else each for each in methods))
        note(f"best method: {why}")
    request = Request.of(classifier, methods, target or (), layers=layers, top=top, seed=run.seed, **given)
    rows: list[list[str]] = []
    manifests: list[dict[str, Any]] = []
    noted: list[tuple[str, tuple[str, ...]]] = []
    failures: list[Outcome[Any]] = []
    size = "probability"
    with run.progress() as progress, ExplanationWriter.into(run.out, colors) as writer:
        for outcome in explain_each(classifier, sources, request, progress):
            writer.add(outcome)
            failures += [outcome] if outcome.error else []
            refused = [each.error for each in failures if isinstance(each.error, UsageError)]
            if len(refused) == len(sources):
                raise refused[0]  # what can be done for no picture is no failure: nothing is written
            rows += [
                [each.image.name, each.target_label, each.told, each.method, each.layer or "", _own(each.checks)]
                for each in outcome.value or ()
            ]
            noted += [(each.image.name, each.notes) for each in outcome.value or ()]
            manifests += [each.manifest() for each in outcome.value or () if run.json]
            size = next(("value" for each in outcome.value or () if each.meaning == "values"), size)
    table = Table(["image", "why", size, "method", "layer", "own to the class"], rows)
    return Answer(manifests, [table], notes_of_all(noted), report=run.out / PAGE, failures=failures, asked=len(sources))


def _own(checks: Mapping[str, float]) -> str:
    """How much of a map is about its class, where that was asked."""
    from seewhy.methods.other_classes import CHECK

    return f"{checks[CHECK]:.2f}" if CHECK in checks else ""
