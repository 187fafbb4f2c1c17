"""`seewhy network`: what the network found, layer by layer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seewhy.cli import options
from seewhy.cli.console import Answer, Run, Table, waiting
from seewhy.cli.run import command
from seewhy.core.progress import Outcome
from seewhy.errors import UsageError

if TYPE_CHECKING:
    from seewhy.network import NetworkPicture, NetworkView

app = typer.Typer(name="network", help="Look into the network, layer by layer.", no_args_is_help=True)


@app.callback()
def network() -> None:
    """Look into the network, layer by layer."""


@app.command()
@command("model weights out seed device")
def explain(
    run: Run,
    images: options.Images,
    target: options.Target = None,
    layers: Annotated[
        str, typer.Option("--layers", "--layer", help="Layers, joined by commas. Default: the last nine stages.")
    ] = "",
    clustering: Annotated[
        str, typer.Option(help="How maps are grouped: ward, or classic for the paper's t-SNE.")
    ] = "ward",
    signed: Annotated[bool, typer.Option("--signed", help="Keep what speaks against the class, too.")] = False,
) -> Answer:
    """Draw the network: what each layer found in a photo, how much it weighs, what is lost without it."""
    from seewhy.core.files import photo_folders
    from seewhy.images import find_images
    from seewhy.network.labels import naming_of
    from seewhy.report import write_network_report
    from seewhy.verbs import NetworkRequest, explain_network_each

    sources = find_images(images)
    classifier = run.load()
    request = NetworkRequest.of(
        classifier, target, layers=options.split(layers), clustering=clustering, signed=signed, seed=run.seed
    )
    found: list[tuple[NetworkPicture, Path]] = []
    failures: list[Outcome[Any]] = []
    folders = iter(photo_folders(map(str, sources), run.out))
    with run.progress() as progress:
        for outcome in explain_network_each(classifier, sources, request, naming_of(classifier), progress):
            folder = next(folders) / "network"
            if outcome.value:
                found.append((outcome.value, outcome.value.save(folder)))
            else:
                failures.append(outcome)
        report = write_network_report(run.out, found, failures)
    columns = ["image", "why", "layer", "group", "weight", "maps", "without it", "alone"]
    return Answer(
        [picture.to_dict() for picture, _ in found],
        [Table(columns, [row for picture, _ in found for row in _rows(picture.view)])],
        report=report,
        failures=failures,
        asked=len(sources),
    )


@app.command("global")
@command("model weights out seed device")
def global_(
    run: Run,
    class_: Annotated[
        str, typer.Option("--class", help="A class, several joined by commas, or a group of the file of --groups.")
    ],
    images: Annotated[list[str], typer.Option("--images", help="Folder of the pictures that people played with.")],
    groups: Annotated[
        Path | None,
        typer.Option(
            help='JSON file of groups: {"cats": ["tabby", "Persian cat"]}, or a WordNet tree with synsets, their words '
            "and hypernyms."
        ),
    ] = None,
    concept: Annotated[
        list[Path] | None,
        typer.Option("--concept", help="Folder of pictures of a concept, to test by TCAV; can be repeated."),
    ] = None,
    random: Annotated[
        Path | None, typer.Option(help="Folder of pictures of anything, for TCAV to compare with.")
    ] = None,
    simulated: Annotated[bool, typer.Option("--simulated", help="Words of simulated players, not of people.")] = False,
) -> Answer:
    """Sum up a class in people's words: what each layer goes by, what comes early and what late."""
    from seewhy.images import find_images
    from seewhy.network.concepts import find_classes, read_groups
    from seewhy.network.labels import lexicon
    from seewhy.people.store import open_store
    from seewhy.report.global_view import global_manifest, write_global_report
    from seewhy.verbs.network import concept_tests, global_view

    if bool(concept) != bool(random):
        raise UsageError("TCAV takes both --concept FOLDER and --random FOLDER")
    sources = find_images(images)
    classifier = run.load()
    known_groups = read_groups(groups) if groups else None
    classes = find_classes(options.split(class_), classifier.categories, known_groups)
    with waiting("reading words"), open_store() as store:
        known = lexicon(store, classifier, simulated=simulated)
    with run.progress() as progress:
        found, failures = global_view(classifier, sources, classes, known, progress)
        tests = concept_tests(classifier, concept or [], random, found, run.seed, progress)
    rows = [
        [layer.layer, each.name, f"{each.score:.1f}", f"{each.weight:.0f} %", f"{each.pictures} of {layer.pictures}"]
        for layer in found.layers
        for each in layer.concepts
    ]
    return Answer(
        global_manifest(class_, found, classifier.name, tests),
        [Table(["layer", "label", "score", "weight", "pictures"], rows)],
        ["simulated: no person said these words"] if simulated else [],
        report=write_global_report(run.out, class_, found, classifier.name, failures, tests),
        failures=failures,
        asked=len(sources),
    )


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
