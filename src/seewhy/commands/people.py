"""`seewhy people`: rounds for people to play, and what they said."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from seewhy.answers.people import Agreement, Banned, Forgotten, Ranked, RoundsOf, SimulatedAnswers, Vocabulary
from seewhy.commands.console import Answer, Images, Run, Table, agreed, split_commas, waiting
from seewhy.commands.run import command

app = typer.Typer(
    help="Rounds for people to put a network into words, and what they said. They are kept in SEEWHY_HOME, or in the "
    "PostgreSQL database that SEEWHY_DATABASE_URL names.",
    no_args_is_help=True,
)

Player = Annotated[str, typer.Argument(help="The name, as `seewhy people leaderboard` shows it.")]
Simulated = Annotated[bool, typer.Option("--simulated", help="Of simulated players, not of people.")]


@app.command()
@command("model weights seed device")
def rounds(
    run: Run,
    images: Images,
    overlap: Annotated[int, typer.Option(min=1, help="So many different players answer each round.")] = 3,
    target: Annotated[str | None, typer.Option(help="Class index or name. Default: what the model predicts.")] = None,
    classes: Annotated[
        str, typer.Option(help="What players choose from, joined by commas. Default: the classes of the pictures.")
    ] = "",
    layer: Annotated[str, typer.Option("--layer", "--layers", help="Layers, joined by commas.")] = "",
    gold: Annotated[
        bool, typer.Option("--gold", help="A check of players: one round a picture, for all; give plain pictures.")
    ] = False,
    simulated: Annotated[bool, typer.Option("--simulated", help="For simulated players alone.")] = False,
) -> Answer[list[RoundsOf]]:
    """Make a round for each cluster that the network finds in each picture."""
    from seewhy.images import find_images
    from seewhy.people.store import open_store
    from seewhy.verbs.people import make_rounds

    sources = find_images(images)
    classifier = run.load()
    with open_store() as store, run.progress() as progress:
        made = make_rounds(
            classifier,
            sources,
            store,
            overlap=overlap,
            target=target,
            classes=split_commas(classes),
            layers=split_commas(layer),
            gold=gold,
            simulated=simulated,
            seed=run.seed,
            progress=progress,
        )
    good = [{"image": each.source, **asdict(each.value)} for each in made if each.value]
    failures = [each for each in made if each.error]
    return Answer(good, [_table(["image", "rounds", "new"], good)], failures=failures, asked=len(made))


@app.command()
@command()
def export(
    run: Run,
    out: Annotated[Path, typer.Option(help="Folder for people.jsonl, masks.json (COCO) and answers.csv.")] = Path(
        "seewhy-people"
    ),
) -> Answer[dict[str, int]]:
    """Write everything that people did into files that other programs read."""
    from seewhy.people.store import open_store
    from seewhy.verbs.people import export_people

    with open_store() as store, waiting("writing"):
        counts = export_people(store, run.out)
    rows = [[str(out / name), str(count)] for name, count in counts.items()]
    return Answer(counts, [Table(["file", "records"], rows)])


@app.command("import")
@command()
def import_(
    source: Annotated[Path, typer.Argument(help="people.jsonl of `seewhy people export`, or a COCO file of any tool.")],
    images: Annotated[Path | None, typer.Option(help="Folder of the pictures of a COCO file of another tool.")] = None,
    player: Annotated[str, typer.Option(help="Who drew the masks of a COCO file that names nobody.")] = "imported",
) -> Answer[dict[str, int]]:
    """Add what a file holds and the store does not; what the two know differently is refused."""
    from seewhy.people.store import open_store
    from seewhy.verbs.people import import_people

    with open_store() as store, waiting(f"reading {source}"):
        new = import_people(store, source, images, player)
    return Answer(new, [Table(["kind", "new"], [[kind, str(count)] for kind, count in sorted(new.items())])])


@app.command()
@command()
def agreement(simulated: Simulated = False) -> Answer[Agreement]:
    """Say how far people agree on classes and areas, and how far to rely on each."""
    from seewhy.people.agreement import agreement
    from seewhy.people.store import open_store

    with open_store() as store:
        found = agreement(store, simulated=simulated)
    who = "simulated players" if simulated else "people"
    layers = [[layer, _number(alpha)] for layer, alpha in found.layers.items()]
    areas = [[each.image, each.label, str(each.players), _number(each.iou)] for each in found.areas]
    players = [
        [_marked(each.player, simulated=each.simulated), str(each.guesses), _number(each.ability),
         f"{each.gold_right} of {each.gold}", _number(each.shared_words)]
        for each in found.players
    ]  # fmt: skip
    tables = [
        Table(["guesses of", "Krippendorff's α"], [[f"all {who}", _number(found.alpha)], *layers]),
        Table(["picture", "label", "players", "mean IoU"], areas, "Masks"),
        Table(["player", "guesses", "ability", "gold rounds right", "shared words"], players, "Players"),
    ]
    return Answer({"simulated": simulated, **asdict(found)}, [each for each in tables if each.rows])


@app.command()
@command()
def leaderboard(simulated: Simulated = False) -> Answer[list[Ranked]]:
    """Say who has how many points, and whom you have banned."""
    from seewhy.people.hosts import banned_players
    from seewhy.people.players import leaderboard
    from seewhy.people.rounds import answers, open_seats
    from seewhy.people.store import open_store

    with open_store() as store:
        found = leaderboard(answers(store, simulated=simulated))
        left = open_seats(store, simulated=simulated)
        banned = banned_players(store)
    ranked: list[dict[str, Any]] = [{"rank": rank, **asdict(each)} for rank, each in enumerate(found, start=1)]
    shown = [{**each, "player": _marked(each["player"], simulated=each["simulated"])} for each in ranked]
    table = _table(["rank", "player", "points", "won", "lost", "resigned"], shown)
    notes = [f"answers still asked for: {left}", *([f"banned: {', '.join(banned)}"] if banned else [])]
    return Answer(ranked, [table], notes)


@app.command()
@command()
def ban(
    player: Player,
    lift: Annotated[bool, typer.Option("--lift", help="Take the ban back; what they did counts again.")] = False,
) -> Answer[Banned]:
    """End a player's sessions and let them in no more; what they did no longer counts, and others get their rounds."""
    from seewhy.people import hosts
    from seewhy.people.store import open_store

    with open_store() as store:
        (hosts.lift if lift else hosts.ban)(store, player)
        banned = hosts.banned_players(store)
    table = Table(["banned"], [[each] for each in banned])
    lacking = [] if banned else ["no player is banned"]
    return Answer({"banned": banned}, [table], lacking)


@app.command()
@command()
def forget(
    player: Player,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False,
) -> Answer[Forgotten]:
    """Delete a player for good: name, sessions, answers with their words, and masks with all their states."""
    from seewhy.people import hosts
    from seewhy.people.store import open_store

    with open_store() as store:
        if not yes:
            agreed(f"delete {player} and everything that they said and drew, for good?", "--yes")
        gone = hosts.forget(store, player)
    rows = [[kind, str(count)] for kind, count in sorted(gone.items())]
    return Answer({"deleted": gone}, [Table(["deleted", "records"], rows)])


@app.command()
@command("seed")
def simulate(
    run: Run,
    players: Annotated[int, typer.Option(min=1, help="How many play.")] = 10,
    careless: Annotated[float, typer.Option(min=0, max=1, help="Share of players who answer at random.")] = 0.2,
    hostile: Annotated[float, typer.Option(min=0, max=1, help="Share of players who mean harm.")] = 0.1,
) -> Answer[SimulatedAnswers]:
    """Let simulated players answer the rounds that `rounds --simulated` made; people's rounds stay untouched."""
    from seewhy.people.simulate import simulate
    from seewhy.people.store import open_store

    with open_store() as store, run.progress() as progress:
        given = simulate(store, players, careless, hostile, run.seed, progress)
    lacking = "there was nothing to play; `seewhy people rounds IMAGES --simulated` makes rounds for simulated players"
    table = Table(["simulated answers"], [[str(given)]])
    return Answer({"simulated_answers": given}, [table], [] if given else [lacking])


@app.command()
@command("weights device")
def words(
    run: Run,
    model: Annotated[str | None, typer.Option(help="Only what was said about this model. Default: about all.")] = None,
    encoder: Annotated[
        str, typer.Option(help="Sentence encoder: the bundled one, a name on the Hugging Face hub, or a folder.")
    ] = "bundled:all-minilm-l6-v2",
    classic: Annotated[
        bool, typer.Option("--classic", help="As many groups as have the best silhouette, as in the paper.")
    ] = False,
    simulated: Simulated = False,
) -> Answer[Vocabulary]:
    """Clean and group the words that people typed, and say what each group is called."""
    from seewhy.network.labels import lexicon
    from seewhy.people.store import open_store
    from seewhy.words import group_by_distance, group_by_silhouette

    classifier = run.load() if model else None
    with waiting("reading words"), open_store() as store:
        group = group_by_silhouette if classic else group_by_distance
        found = lexicon(store, classifier, simulated=simulated, encoder=encoder, group=group).vocabulary
    rows = [
        [label.about, label.name, str(label.count), ", ".join(text for text, _ in label.phrases)]
        for label in found.labels
    ]
    notes = [f"{count} dropped: {reason}" for reason, count in found.dropped.items()]
    if not found.labels:
        notes.append("no simulated player has typed any words yet" if simulated else "nobody has typed any words yet")
    table = Table(["guessed class", "label", "said", "as typed"], rows)
    return Answer({"simulated": simulated, **asdict(found)}, [table], notes)


def _table(columns: list[str], rows: list[dict[str, Any]]) -> Table:
    """These columns of the rows."""
    return Table(columns, [[str(row[column]) for column in columns] for row in rows])


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _marked(player: str, *, simulated: bool) -> str:
    """A player's name, with a mark unless it is a person."""
    return f"{player} (simulated)" if simulated else player
