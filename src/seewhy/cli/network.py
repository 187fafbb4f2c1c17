"""`seewhy network`: what the network found, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seewhy.cli import options
from seewhy.cli.console import finish, note, print_json, print_table, progress_bar, waiting

if TYPE_CHECKING:
    from seewhy.errors import SeewhyError
    from seewhy.network import NetworkPicture, NetworkView
    from seewhy.progress import Progress

__all__ = ["app"]

app = typer.Typer(name="network", help="Look into the network, layer by layer.", no_args_is_help=True)


@app.callback()
def network() -> None:
    """Look into the network, layer by layer."""


@app.command("explain")
def explain(
    images: options.Images,
    target: Annotated[
        str | None,
        typer.Option(help='Class index, name or "A vs B". Default: what the model predicts.', show_default=False),
    ] = None,
    layers: Annotated[
        str,
        typer.Option("--layers", "--layer", help="Layers, joined by commas. Default: the last nine stages."),
    ] = "",
    clustering: Annotated[
        str, typer.Option(help="How maps are grouped: ward, or classic for the paper's t-SNE.")
    ] = "ward",
    signed: Annotated[bool, typer.Option("--signed", help="Keep what speaks against the class, too.")] = False,
    model: options.Model = options.DEFAULT_MODEL,
    weights: options.Weights = None,
    out: options.Out = Path("seewhy-out"),
    seed: options.Seed = 0,
    device: options.Device = "auto",
    json: options.Json = False,
) -> None:
    """Draw the network: what each layer found in a photo, how much it weighs, what is lost without it."""
    from seewhy.images import find_images
    from seewhy.jobs import NetworkRequest, explain_network_each, photo_folders
    from seewhy.jobs.words import naming_of
    from seewhy.models import load
    from seewhy.network.storage import manifest
    from seewhy.report import write_network_report

    sources = find_images(images)
    with waiting(f"loading {model}"):
        classifier = load(model, weights, device)
        request = NetworkRequest.of(
            classifier, target, layers=options.split(layers), clustering=clustering, signed=signed, seed=seed
        )
        naming = naming_of(classifier)
    views: list[NetworkView] = []
    manifests: list[dict[str, Any]] = []
    failures: list[tuple[str, SeewhyError]] = []

    def saved(progress: Progress) -> Iterator[tuple[NetworkPicture, Path]]:
        outcomes = explain_network_each(classifier, sources, request, naming, progress)
        for outcome, folder in zip(outcomes, photo_folders(map(str, sources), out), strict=True):
            if outcome.error:
                failures.append((outcome.source, outcome.error))
            elif outcome.picture:
                views.append(outcome.picture.view)
                manifests.append(manifest(outcome.picture.view, outcome.picture.words))
                yield outcome.picture, outcome.picture.save(folder / "network")

    with progress_bar() as progress:
        report = write_network_report(out, saved(progress), failures)
    if json:
        print_json(manifests)
    else:
        columns = ["image", "why", "layer", "group", "weight", "maps", "without it", "alone"]
        print_table("", columns, [row for view in views for row in _rows(view)])
    note(f"report: {report}")
    finish(failures, len(sources))


def _rows(view: NetworkView) -> list[list[str]]:
    """One for each group, and one for each layer that has none."""
    from seewhy.draw import percent

    rows: list[list[str]] = []
    for layer in view.layers:
        about = [view.image.name, view.target_label, layer.name]
        for each in layer.clusters:
            effect = map(percent, each.effect) if each.effect else ("", "")
            rows.append([*about, str(each.index + 1), f"{each.weight:.1f} %", str(len(each.maps)), *effect])
        if not layer.clusters:
            rows.append([*about, layer.outcome or "", "", "", "", ""])
    return rows
