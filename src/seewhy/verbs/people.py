"""People: rounds for them to play, and their work out of the store and into it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath

from seewhy import __version__
from seewhy.core.files import whole_file, write_json, write_whole
from seewhy.core.folders import whole_folder, write_manifest
from seewhy.core.outcome import Outcome, attempt
from seewhy.core.progress import Progress, silent
from seewhy.errors import BadImage, SeewhyError, UsageError
from seewhy.images import Image, open_image
from seewhy.images.opening import open_each
from seewhy.models import Classifier
from seewhy.network.view import look
from seewhy.people.coco import Coco, export_coco, import_coco, read_coco
from seewhy.people.exchange import answers_csv, export_lines, import_file
from seewhy.people.masks import drawn
from seewhy.people.records import NewRound
from seewhy.people.rounds import OPTIONS, add_rounds, answers, choices, player_picture
from seewhy.people.store import Store

NEXT_LIKELIEST = 5
LINES, MASKS, ANSWERS = "people.jsonl", "masks.json", "answers.csv"


@dataclass(frozen=True)
class RoundsMade:
    """Of one picture: its rounds, and how many of them are new."""

    rounds: int
    new: int


def make_rounds(
    classifier: Classifier,
    sources: Sequence[Path],
    store: Store,
    *,
    overlap: int = 3,
    target: str | None = None,
    classes: Sequence[str] = (),
    layers: Sequence[str] = (),
    gold: bool = False,
    simulated: bool = False,
    seed: int = 0,
    progress: Progress = silent,
) -> list[Outcome[RoundsMade]]:
    """Look into the network at every picture and add a round for each cluster; a bad picture never stops the rest.

    Picture after picture is kept at once, so that asking again goes on where it was interrupted.

    Args:
        classifier: the network to put into words.
        sources: paths of pictures.
        store: where the rounds are kept.
        overlap: so many different players answer each round.
        target: the class whose clusters are shown; without, the class that the model predicts.
        classes: what players choose from; without, the classes of all pictures, and few of these filled up to ten by
            what the model finds likely besides.
        layers: without any, the layers that the network view takes.
        gold: only the heaviest cluster of the last layer, for every player, as a check of players.
        simulated: for simulated players alone.
        seed: of the network view.
        progress: told of pictures; raise `Cancelled` in it to stop.

    Raises:
        UsageError: there are fewer than two classes to choose from, or the target is not among those given.
    """
    opened, found = open_each(sources)
    asked, true_classes = _asked(classifier, target), dict[Path, str]()
    for path, image in opened.items():
        try:
            true_classes[path] = asked or classifier.predict(image, 1)[0].name
        except SeewhyError as error:
            found.append(Outcome(str(path), error=error))
    pool = classes or _pool(classifier, [opened[path] for path in true_classes], tuple(true_classes.values()))

    def make(image: Image, true_class: str, options: tuple[str, ...]) -> RoundsMade:
        view = look(classifier, image, target, layers=layers, checked=False, seed=seed)
        picture = player_picture(image, view.view)
        shown = [(layer, cluster) for layer in view.layers for cluster in layer.clusters]
        if gold:  # the heaviest cluster of the last layer that has any
            shown = [pair for pair in shown if pair[0] is shown[-1][0]][:1]
        rounds = [
            NewRound(
                picture=picture,
                model=view.fingerprint,
                layer=layer.name,
                cluster=cluster.index,
                weight=cluster.weight,
                map=cluster.map,
                true_class=true_class,
                options=options,
                overlap=overlap,
                gold=gold,
                simulated=simulated,
            )
            for layer, cluster in shown
        ]
        return RoundsMade(len(rounds), add_rounds(store, rounds))

    for done, (path, true_class) in enumerate(true_classes.items()):
        progress(done, len(true_classes), path.name)
        options = choices(true_class, pool, opened[path].sha256)
        found.append(attempt(path, partial(make, opened[path], true_class, options)))
    return found


def export_people(store: Store, out: Path) -> dict[str, int]:
    """Write everything as JSON Lines, masks as COCO and answers as CSV; returns how many records each file holds.

    After a failure `out` is as it was before.
    """
    masks, given = drawn(store), answers(store)
    with whole_folder(out) as folder:
        with whole_file(folder / LINES) as file:
            lines = sum(file.write(line.encode()) > 0 for line in export_lines(store))
        write_json(folder / MASKS, export_coco(masks))
        write_whole(folder / ANSWERS, answers_csv(given).encode())
        counts = {LINES: lines, MASKS: len(masks), ANSWERS: len(given)}
        simulated = sum(each.simulated for each in given)
        write_manifest(folder, {"seewhy": __version__, "records": counts, "simulated_answers": simulated})
    return counts


def import_people(store: Store, source: Path, images: Path | None = None, player: str = "imported") -> Counter[str]:
    """Add what a file of `export_people` holds, or a COCO file of any tool; returns how many records were new.

    A COCO file that has no hashes of its pictures, as other tools write it, needs the folder of `images`; its masks
    are kept as drawn by `player`.

    Raises:
        BadFile: the file is not there, or is neither.
        Conflict: the store knows the same thing otherwise.
    """
    if source.suffix.lower() != ".json":
        return import_file(store, source)
    document = read_coco(source)
    hashes = _hashes(document, images) if images else {}
    return Counter(mask=import_coco(store, document, player, hashes, source))


def _asked(classifier: Classifier, target: str | None) -> str | None:
    """The name of the class asked for, if one is."""
    if target is None:
        return None
    found = classifier.target(target)
    if found.against is not None:
        raise UsageError("players guess one class; give a single one as target")
    return classifier.categories[found.index]


def _pool(classifier: Classifier, images: Sequence[Image], classes: Sequence[str]) -> list[str]:
    """The classes of all pictures, each once, and while they are few what the model finds likely in the pictures."""
    pool = list(dict.fromkeys(classes))
    for image in images:
        if len(pool) < OPTIONS:
            likely = [each.name for each in classifier.predict(image, NEXT_LIKELIEST)]
            pool = list(dict.fromkeys([*pool, *likely]))
    return pool


def _hashes(document: Coco, folder: Path) -> dict[str, str]:
    """The hash of each picture of the document that lies in the folder, by the name that the document gives it."""
    found: dict[str, str] = {}
    for each in document.images:
        path = folder / PurePath(each.file_name.replace("\\", "/")).name  # whatever folder the file says it was in
        try:
            found[each.file_name] = open_image(path).sha256
        except BadImage:
            continue  # its masks will be refused by name
    return found
