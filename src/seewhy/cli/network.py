"""`seewhy network`: what the network found, layer by layer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from seewhy.cli.console import Answer, Images, Run, Table, Target, split_commas, waiting
from seewhy.cli.run import command
from seewhy.errors import UsageError

app = typer.Typer(name="network", help="Look into the network, layer by layer.", no_args_is_help=True)


@app.callback()
def network() -> None:
    """Look into the network, layer by layer."""


@app.command()
@command("model bands weights out seed device")
def explain(
    run: Run,
    images: Images,
    target: Target = None,
    layers: Annotated[
        str, typer.Option("--layers", "--layer", help="Layers, joined by commas. Default: the last nine stages.")
    ] = "",
    clustering: Annotated[
        str, typer.Option(help="How maps are grouped: ward, or classic for the paper's t-SNE.")
    ] = "ward",
    signed: Annotated[bool, typer.Option("--signed", help="Keep what speaks against the class, too.")] = False,
) -> Answer:
    """Draw the network: what each layer found in a photo, how much it weighs, what is lost without it."""
    from seewhy.images import find_images
    from seewhy.network import find_clustering
    from seewhy.network.labels import naming_of
    from seewhy.report.page import PAGE
    from seewhy.verbs.network import NetworkRequest, NetworkWriter, explain_network_each

    sources = find_images(images)
    find_clustering(clustering)  # before the model is loaded
    classifier = run.load()
    names = split_commas(layers)
    request = NetworkRequest.of(classifier, target, layers=names, clustering=clustering, signed=signed, seed=run.seed)
    rows: list[dict[str, str]] = []
    values: list[dict[str, Any]] = []
    with run.progress() as progress, NetworkWriter.into(run.out) as writer:
        for outcome in explain_network_each(classifier, sources, request, naming_of(classifier), progress):
            writer.add(outcome)
            rows += outcome.value.rows() if outcome.value else []
            values += [outcome.value.to_dict()] if outcome.value and run.json else []
    table = Table(list(rows[0]) if rows else [], [list(row.values()) for row in rows])
    return Answer(values, [table], report=run.out / PAGE, failures=writer.failures, asked=len(sources))


@app.command("global")
@command("model bands weights out seed device")
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
    from seewhy.verbs.network import GlobalResult, concept_tests, global_view

    if bool(concept) != bool(random):
        raise UsageError("TCAV takes both --concept FOLDER and --random FOLDER")
    sources = find_images(images)
    known_groups = read_groups(groups) if groups else None
    for folder in [*(concept or []), *([random] if random else [])]:
        find_images([folder])
    classifier = run.load()
    classes = find_classes(split_commas(class_), classifier.categories, known_groups)
    with waiting("reading words"), open_store() as store:
        known = lexicon(store, classifier, simulated=simulated)
    with run.progress() as progress:
        found, failures = global_view(classifier, sources, classes, known, progress)
        tests = concept_tests(classifier, concept or [], random, found, run.seed, progress)
    notes = ["simulated: no person said these words"] if simulated else []
    result = GlobalResult(class_, found, classifier.name, failures, tests)
    return Answer.of(result, notes=notes, failures=failures, asked=len(sources))
