"""Rounds: from pictures to clusters that people are to put into words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path

from PIL.Image import Resampling

from seewhy.core.progress import Progress, silent
from seewhy.errors import SeewhyError, UsageError
from seewhy.images import Image
from seewhy.models import Box, Classifier
from seewhy.network.view import Cluster, LayerView, NetworkView, look
from seewhy.people.records import NewRound, Picture
from seewhy.people.rounds import add_rounds
from seewhy.people.store import Store
from seewhy.verbs.comparing import open_each

OPTIONS = 10  # classes to choose from
SIDE, QUALITY = 512, 90  # of the picture that players see: pixels of the longer side, JPEG's quality
NEXT_LIKELIEST = 5


@dataclass(frozen=True)
class RoundsWanted:
    """What is asked of every picture.

    Attributes:
        overlap: So many different players answer each round.
        target: The class whose clusters are shown; without, the class that the model predicts.
        classes: What players choose from; without, the classes of all pictures, and few of these filled up to ten by
            what the model finds likely besides.
        layers: Without any, the layers that the network view takes.
        gold: Only the heaviest cluster of the last layer, for every player, as a check of players.
        simulated: For simulated players alone.
    """

    overlap: int = 3
    target: str | None = None
    classes: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    gold: bool = False
    simulated: bool = False
    seed: int = 0


@dataclass(frozen=True)
class RoundsMade:
    """Of one picture: its rounds, how many of them are new, and how many layers showed nothing; or what went wrong."""

    source: str
    rounds: int = 0
    new: int = 0
    empty_layers: int = 0
    error: SeewhyError | None = None


def make_rounds(
    classifier: Classifier, sources: Sequence[Path], store: Store, wanted: RoundsWanted, progress: Progress = silent
) -> list[RoundsMade]:
    """Look into the network at every picture and add a round for each cluster; a bad picture never stops the rest.

    Picture after picture is kept at once, so that asking again goes on where it was interrupted.

    Raises:
        UsageError: there are fewer than two classes to choose from, or the target is not among those given.
    """
    opened, failures = open_each(sources)
    found = [RoundsMade(each.source, error=each.error) for each in failures]
    asked, classes = _asked(classifier, wanted.target), dict[Path, str]()
    for path, image in opened.items():
        try:
            classes[path] = asked or classifier.predict(image, 1)[0].name
        except SeewhyError as error:
            found.append(RoundsMade(str(path), error=error))
    pool = wanted.classes or _pool(classifier, [opened[path] for path in classes], tuple(classes.values()))
    for done, (path, true_class) in enumerate(classes.items()):
        progress(done, len(classes), path.name)
        options = choices(true_class, pool, opened[path].sha256)
        try:
            view = look(classifier, opened[path], wanted.target, layers=wanted.layers, checked=False, seed=wanted.seed)
        except SeewhyError as error:
            found.append(RoundsMade(str(path), error=error))
            continue
        rounds = list(_rounds(view, true_class, options, wanted))
        empty = sum(not layer.clusters for layer in view.layers)
        found.append(RoundsMade(str(path), len(rounds), add_rounds(store, rounds), empty))
    return found


def choices(true_class: str, pool: Sequence[str], image_hash: str) -> tuple[str, ...]:
    """At most `OPTIONS` classes, the true one among them; which others is settled by the picture alone.

    Raises:
        UsageError: there is no other class, or the true one is not in the pool.
    """
    if true_class not in pool:
        raise UsageError(f"{true_class!r} is not among the classes to choose from: {', '.join(pool)}")
    others = sorted(set(pool) - {true_class}, key=lambda name: sha256(f"{image_hash}:{name}".encode()).digest())
    if not others:
        raise UsageError(f"there is no class beside {true_class!r} to choose from; name some with --classes")
    return tuple(sorted([true_class, *others[: OPTIONS - 1]]))


def player_picture(image: Image, view: Box) -> Picture:
    """The part of a photo that the network saw, small, and without anything that tells its name."""
    width, height = view.right - view.left, view.bottom - view.top
    scale = min(1.0, SIDE / max(width, height))
    inside = (max(0, view.left), max(0, view.top), min(image.width, view.right), min(image.height, view.bottom))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    buffer = BytesIO()
    image.to_pil().resize(size, Resampling.LANCZOS, box=inside).save(buffer, "JPEG", quality=QUALITY)
    return Picture(image.name, image.sha256, buffer.getvalue())


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


def _rounds(view: NetworkView, true_class: str, options: tuple[str, ...], wanted: RoundsWanted) -> Iterator[NewRound]:
    picture = player_picture(view.image, view.view)
    for layer, cluster in _shown(view.layers, gold=wanted.gold):
        yield NewRound(
            picture=picture,
            model=view.fingerprint,
            layer=layer.name,
            cluster=cluster.index,
            weight=cluster.weight,
            map=cluster.map,
            true_class=true_class,
            options=options,
            overlap=wanted.overlap,
            gold=wanted.gold,
            simulated=wanted.simulated,
        )


def _shown(layers: Sequence[LayerView], *, gold: bool) -> list[tuple[LayerView, Cluster]]:
    found = [(layer, cluster) for layer in layers for cluster in layer.clusters]
    last = [pair for pair in found if pair[0] is found[-1][0]]
    return last[:1] if gold else found
