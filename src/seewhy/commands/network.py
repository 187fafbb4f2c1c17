"""`seewhy network`: what the network found, layer by layer."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from seewhy.answers.explaining import NetworkManifest
from seewhy.answers.network import (
    Book,
    ClassAxes,
    ClassCounts,
    ClassPictures,
    ClassView,
    ConceptWord,
    NextConcept,
    PhotoConcepts,
    Probed,
    ProposedWords,
)
from seewhy.commands.console import Answer, Images, Run, Table, Target, split_commas, waiting
from seewhy.commands.run import command
from seewhy.errors import UsageError

app = typer.Typer(name="network", help="Look into the network, layer by layer.", no_args_is_help=True)


concepts_app = typer.Typer(
    name="concepts", help="Concepts that a network sees in many photos: find them, name them.", no_args_is_help=True
)
app.add_typer(concepts_app)


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
    concepts: Annotated[
        Path | None, typer.Option(help="Folder of `network concepts build`: explain in these concepts.")
    ] = None,
) -> Answer[list[NetworkManifest] | list[PhotoConcepts]]:
    """Draw the network: what each layer found in a photo, how much it weighs, what is lost without it."""
    from seewhy.images import find_images
    from seewhy.network import find_clustering

    sources = find_images(images)
    find_clustering(clustering)  # before the model is loaded
    if concepts is not None:
        if layers or signed:
            raise UsageError("the layers of --concepts are those it was built for; leave out --layers and --signed")
        if clustering != "ward":
            raise UsageError("--concepts takes the place of groups, so that --clustering says nothing; leave one out")
        return _in_concepts(run, sources, target, concepts)
    from seewhy.network.labels import naming_of
    from seewhy.report.page import PAGE
    from seewhy.verbs.network import NetworkRequest, NetworkWriter, explain_network_each

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


def _in_concepts(run: Run, sources: list[Path], target: str | None, folder: Path) -> Answer[list[PhotoConcepts]]:
    from seewhy.verbs.concepts import explain_concepts, open_concepts

    book = open_concepts(folder)  # before the model is loaded
    classifier = run.load()
    with run.progress() as progress:
        found = explain_concepts(classifier, sources, book, target, progress)
    return Answer.of_photos(found, [book.verdict] if book.verdict else [])


@concepts_app.command()
@command("model bands weights out seed device")
def build(
    run: Run,
    images: Images,
    layers: Annotated[
        str, typer.Option("--layers", "--layer", help="Layers, joined by commas. Default: two on the way and the last.")
    ] = "",
    count: Annotated[int, typer.Option(min=2, help="How many concepts to look for in each layer.")] = 25,
) -> Answer[Book]:
    """Find what each layer sees in many photos: a folder of concepts, for `network explain --concepts`."""
    from seewhy.images import find_images
    from seewhy.verbs.concepts import build_concepts

    sources = find_images(images)
    classifier = run.load()
    names = split_commas(layers)
    with run.progress() as progress:
        found = build_concepts(classifier, sources, layers=names, concepts=count, seed=run.seed, progress=progress)
    notes = [found.book.verdict] if found.book.verdict else []
    return Answer.of(found, notes=notes, failures=found.failures, asked=len(sources))


@concepts_app.command()
@command()
def name(
    folder: Annotated[Path, typer.Argument(help="Folder of `network concepts build`.")],
    concept: Annotated[str, typer.Argument(help="Which, as its report says, such as 2-0.")],
    word: Annotated[str, typer.Argument(help="What you see in its crops; empty to pass.")],
    player: Annotated[str, typer.Option(help="Who says so. A word stands on photos once two people agree.")],
    refuse: Annotated[
        bool, typer.Option("--refuse", help="The word, which a model proposes, is wrong; two who say so end it.")
    ] = False,
) -> Answer[dict[str, ConceptWord]]:
    """Give a concept a name, which stands on every photo where it is found; or refuse a proposed one."""
    from seewhy.verbs.concepts import name_concept, open_concepts

    name_concept(folder, concept, word, player, refused=refuse)
    words = open_concepts(folder).words
    rows = [[key, each.text, f"{each.people} of {each.asked}"] for key, each in words.items()]
    values = {key: {"word": each.text, "people": each.people, "asked": each.asked} for key, each in words.items()}
    return Answer(values, [Table(["concept", "word", "people"], rows)])


@concepts_app.command("next")
@command()
def next_(
    folder: Annotated[Path, typer.Argument(help="Folder of `network concepts build`.")],
    player: Annotated[str, typer.Option(help="Who is to name it.")],
) -> Answer[NextConcept]:
    """Say which concept a player is to name next, and where its crops are; nothing when they have seen all."""
    from seewhy.report.page import counted
    from seewhy.verbs.concepts import to_name

    found = to_name(folder, player)
    concept = found.concept
    crops = [f"examples/{concept.key}-{place}.png" for place in range(len(concept.examples))] if concept else []
    rows = [[concept.key, str(folder / each)] for each in crops] if concept else []
    values = {
        "concept": concept and concept.key,
        "crops": crops,
        "seen": found.seen,
        "concepts": found.concepts,
        "said": [asdict(each) for each in found.said],
    }
    note = f"{player} has seen {found.seen} of {counted(found.concepts, 'concept')}"
    return Answer(values, [Table(["concept", "crop"], rows)], [note])


@concepts_app.command()
@command("model weights device")
def propose(
    run: Run,
    folder: Annotated[Path, typer.Argument(help="Folder of `network concepts build`.")],
) -> Answer[dict[str, ProposedWords]]:
    """Let a model of pictures and texts (--model hf-hub:…, --classes WORDS) propose words, for people to judge."""
    from seewhy.verbs.concepts import propose_words

    book = propose_words(folder, run.load())
    rows = [[key, ", ".join(each.words)] for key, each in book.proposals.items()]
    values = {key: {"words": list(each.words), "model": each.model} for key, each in book.proposals.items()}
    return Answer(values, [Table(["concept", "proposed"], rows)], ["a machine proposes these; people decide"])


@app.command("class")
@command("model weights out seed device")
def class_(
    run: Run,
    names: Annotated[list[str], typer.Argument(metavar="CLASS...", help="Names or numbers of classes, or “A vs B”.")],
    images: Annotated[
        list[str] | None,
        typer.Option("--images", help="Photos: pictures have their spectrum, the nearest are shown."),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Of a phase picture, four crops each.")] = 160,
    rounds: Annotated[int, typer.Option(min=1, help="Of an accumulated picture, twelve noise pictures each.")] = 100,
) -> Answer[ClassPictures]:
    """Draw what a class looks like to the network, and say how far the picture succeeds."""
    from seewhy.images import find_images
    from seewhy.verbs.classes import class_pictures

    sources = find_images(images) if images else []
    classifier = run.load()
    with run.progress() as progress:
        found = class_pictures(classifier, names, sources, steps=steps, rounds=rounds, seed=run.seed, progress=progress)
    return Answer.of(found, failures=found.failures, asked=len(sources) + len(names))


@app.command()
@command("model bands weights out seed device")
def probe(
    run: Run,
    images: Images,
    class_: Annotated[
        str, typer.Option("--class", help="Classes, joined by commas, four at least. Default: all.")
    ] = "",
    steps: Annotated[int, typer.Option(min=1, help="Of descent for each class, sixteen photos each.")] = 200,
) -> Answer[Probed]:
    """Look for a backdoor: a class that photos become by a far smaller change than other classes need."""
    from seewhy.images import find_images
    from seewhy.verbs.classes import probe as look_for

    sources = find_images(images)
    classifier = run.load()
    with run.progress() as progress:
        found = look_for(classifier, sources, split_commas(class_), steps=steps, seed=run.seed, progress=progress)
    return Answer.of(found, notes=[found.verdict], failures=found.failures, asked=len(sources))


@app.command()
@command("model bands weights out device")
def axes(
    run: Run,
    images: Images,
    count: Annotated[int, typer.Option(min=1, help="How many axes.")] = 4,
) -> Answer[ClassAxes]:
    """Find the directions that separate the classes most, with photos at both ends, and what no class sees."""
    from seewhy.images import find_images
    from seewhy.verbs.classes import class_axes

    sources = find_images(images)
    classifier = run.load()
    with run.progress() as progress:
        found = class_axes(classifier, sources, count=count, progress=progress)
    return Answer.of(found, failures=found.failures, asked=len(sources))


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
    concepts: Annotated[
        Path | None, typer.Option(help="Folder of `network concepts build`: count its concepts in the pictures.")
    ] = None,
) -> Answer[ClassView | ClassCounts]:
    """Sum up a class in people's words: what each layer goes by, what comes early and what late."""
    from seewhy.images import find_images
    from seewhy.network.concepts import find_classes, read_groups
    from seewhy.network.labels import lexicon
    from seewhy.people.store import open_store
    from seewhy.verbs.network import GlobalResult, concept_tests, global_view

    if bool(concept) != bool(random):
        raise UsageError("TCAV takes both --concept FOLDER and --random FOLDER")
    sources = find_images(images)
    if concepts is not None:
        if groups or concept or random or simulated:
            raise UsageError("--concepts counts the concepts of one class; leave out --groups, TCAV and --simulated")
        return _counted(run, sources, class_, concepts)
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


def _counted(run: Run, sources: list[Path], name: str, folder: Path) -> Answer[ClassCounts]:
    from seewhy.verbs.concepts import count_concepts, open_concepts

    book = open_concepts(folder)  # before the model is loaded
    classifier = run.load()
    with run.progress() as progress:
        found = count_concepts(classifier, sources, book, name, progress)
    notes = [book.verdict] if book.verdict else []
    return Answer.of(found, notes=notes, failures=found.failures, asked=len(sources))
