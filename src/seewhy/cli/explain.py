"""`seewhy explain`: where the classifier looked, as a report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seewhy.cli import options
from seewhy.cli.console import finish, note, print_json, print_table, progress_bar, waiting
from seewhy.errors import SeewhyError

if TYPE_CHECKING:
    from seewhy.core.outcome import Outcome
    from seewhy.core.progress import Progress


def explain(
    images: options.Images,
    method: Annotated[
        str,
        typer.Option(
            "--method", "--methods", help="Methods, joined by commas, or best; `seewhy list methods` has them."
        ),
    ] = "grad-cam",
    target: Annotated[
        list[str] | None,
        typer.Option(help='Class index, name or "A vs B"; can be repeated. Default: what the model predicts.'),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Explain the K likeliest classes of each picture.")] = 1,
    layer: Annotated[
        str | None, typer.Option(help="Layers, joined by commas; `seewhy list layers` has them.", show_default=False)
    ] = None,
    reference: Annotated[
        str | None, typer.Option(help="A second picture, for methods that compare two.", show_default=False)
    ] = None,
    background: Annotated[
        str | None,
        typer.Option(
            help="What methods compare with or hide parts by: a folder of pictures, a picture, or black, grey, blur, "
            "noise …",
            show_default=False,
        ),
    ] = None,
    calibrate: Annotated[
        Path | None,
        typer.Option(help="For --method best: a folder of pictures to test methods on.", show_default=False),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the method; can be repeated."),
    ] = None,
    cmap: Annotated[
        str | None, typer.Option(help="Matplotlib's colour map to draw with, such as viridis.", show_default=False)
    ] = None,
    opacity: Annotated[float, typer.Option(help="Of the strongest evidence, above 0 and at most 1.")] = 0.8,
    model: options.Model = options.DEFAULT_MODEL,
    weights: options.Weights = None,
    out: options.Out = Path("seewhy-out"),
    seed: options.Seed = 0,
    device: options.Device = "auto",
    json: options.Json = False,
) -> None:
    """Show where the model looked, and write a report with the pictures and the raw maps."""
    from seewhy.draw import Colors
    from seewhy.images import find_images, open_image
    from seewhy.models import load
    from seewhy.report import write_explain_report
    from seewhy.verbs import BEST, Request, best_method, explain_each, save_each

    sources = find_images(images)
    colors = Colors(opacity, cmap)
    given = options.parse_settings(settings or [])
    if reference:
        given["reference"] = open_image(reference)
    if background:
        given["background"] = options.parse_background(background)
    with waiting(f"loading {model}"):
        classifier = load(model, weights, device)
    methods = options.split(method)
    if calibrate or methods == [BEST]:
        with progress_bar() as progress:
            name, why = best_method(classifier, calibrate, progress)
        methods = [name]
        note(f"best method: {why}")
    request = Request.of(
        classifier,
        methods,
        target or (),
        layers=options.split(layer or ""),
        top=top,
        seed=seed,
        **given,
    )
    manifests: list[dict[str, Any]] = []
    failures: list[tuple[str, SeewhyError]] = []

    def saved(progress: Progress) -> Iterator[tuple[Outcome, Path]]:
        for outcome, folder in save_each(explain_each(classifier, sources, request, progress), out, colors):
            if outcome.error:
                failures.append((outcome.source, outcome.error))
            manifests.extend(each.manifest() for each in outcome.value or ())
            yield outcome, folder

    with progress_bar() as progress:
        report = write_explain_report(out, saved(progress), colors)
    if json:
        print_json(manifests)
    else:
        print_table("", ["image", "why", "probability", "method", "layer"], [_row(each) for each in manifests])
    note(f"report: {report}")
    finish(failures, len(sources))


def _row(manifest: dict[str, Any]) -> list[str]:
    found = manifest["explanation"]
    likely = {each["index"]: each["probability"] for each in found["predictions"]}
    probability = f"{likely[found['target']['index']]:.1%}"
    return [manifest["image"]["name"], found["target_label"], probability, found["method"], found["layer"] or ""]
