"""Network: pictures in, the network layer by layer out."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

from seewhy.core.files import photo_name
from seewhy.core.folders import whole_folder, write_manifest
from seewhy.core.outcome import Outcome, attempt
from seewhy.core.progress import Progress, silent
from seewhy.core.statistics import holm
from seewhy.errors import UsageError
from seewhy.images import find_images, open_image
from seewhy.images.opening import open_each
from seewhy.models import Classifier, Target, find_layer
from seewhy.network import NetworkPicture, NetworkView, Words, find_clustering, look
from seewhy.network.concepts import GlobalView, Seen, sum_up
from seewhy.network.labels import Lexicon
from seewhy.network.tcav import SETS, ConceptTest, tcav
from seewhy.report.global_view import MANIFEST, global_manifest, global_page
from seewhy.report.network import NetworkReport
from seewhy.report.page import save_page
from seewhy.verbs.result import Result

# What people call what is in a view, and where these words come from.
Naming = Callable[[NetworkView], tuple[Words, str]]
SETS_EACH = 40  # random sets for each question, of which 20 would just do for p = 0.05 after the correction


@dataclass(frozen=True)
class NetworkRequest:
    """What is asked about every picture: a class, or the likeliest; layers, or the default ones."""

    target: Target | None = None
    layers: tuple[str, ...] = ()
    clustering: str = "ward"
    signed: bool = False
    seed: int = 0

    @classmethod
    def of(
        cls,
        classifier: Classifier,
        target: str | int | Target | None = None,
        *,
        layers: Sequence[str] = (),
        clustering: str = "ward",
        signed: bool = False,
        seed: int = 0,
    ) -> NetworkRequest:
        """Resolve names.

        Raises:
            UsageError: one of them is unknown.
        """
        find_clustering(clustering)
        for layer in layers:
            find_layer(classifier.module, layer)
        return cls(None if target is None else classifier.target(target), tuple(layers), clustering, signed, seed)


def explain_network(
    classifier: Classifier,
    image: Any,
    target: str | int | Target | None = None,
    *,
    layers: Sequence[str] = (),
    clustering: str = "ward",
    signed: bool = False,
    naming: Naming | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> NetworkPicture:
    """What each layer of the network found in one picture: `.view` is the data, `.svg` the drawing of it.

    Args:
        classifier: from `seewhy.load` or `Classifier.from_module`.
        image: path, bytes, PIL image, array or `Image`.
        target: class index, name or "A vs B"; without it the class the classifier predicts.
        layers: names, first to last; without any, the last nine stages.
        clustering: `ward`, or `classic` for the paper's.
        signed: keep what speaks against the class.
        naming: gives the words that people have for a view's clusters, and a sentence on where they come from.
        seed: of all randomness.
        progress: told of the work done; may raise `Cancelled`.

    Raises:
        BadImage, ModelError, ExplainError, UsageError: each names the cause and the cure.
    """
    request = NetworkRequest.of(classifier, target, layers=layers, clustering=clustering, signed=signed, seed=seed)
    return _explain(classifier, image, request, naming, progress)


def explain_network_each(
    classifier: Classifier,
    sources: Sequence[str | Path],
    request: NetworkRequest,
    naming: Naming | None = None,
    progress: Progress = silent,
) -> Iterator[Outcome[NetworkPicture]]:
    """Explain file after file; what cannot be opened or explained is an outcome, and never stops the rest."""
    for source in sources:
        yield attempt(source, partial(_explain, classifier, source, request, naming, progress))


class NetworkWriter:
    """Writes picture after picture below `folder`, with a report of all; holds one picture at a time.

    That of a photo is there whole or not at all: what was finished stays, however the run ends. A killed run, and one
    that fails, leaves the report of the former run.

    Args:
        folder: where a folder for each photo goes.
        page: where the report goes until it is moved into `folder`.
    """

    def __init__(self, folder: Path, page: Path) -> None:
        self._folder, self._page, self._report, self._taken = folder, page, NetworkReport(page), set[str]()
        self.failures: list[Outcome[Any]] = []

    @classmethod
    @contextmanager
    def into(cls, out: Path) -> Generator[Self]:
        """Each photo is in `out` once it is added, and the report when the block ends; nobody else writes meanwhile."""
        with whole_folder(out) as page:
            writer = cls(out, page)
            yield writer
            writer.close()

    def add(self, outcome: Outcome[NetworkPicture]) -> None:
        """Write a picture into `network`, in a folder of its own photo; or note its failure."""
        name = photo_name(outcome.source, self._taken)
        if outcome.value:
            with whole_folder(self._folder / name, linked=False) as part:
                (part / "network").mkdir()
                outcome.value.write(part / "network")
            self._report.add(outcome, self._page / name / "network")
        else:
            self.failures.append(outcome)
            self._report.add(outcome)

    def close(self) -> Path:
        """Write the report; returns its path."""
        return self._report.close()


@dataclass(frozen=True)
class GlobalResult(Result):
    """What people see in the evidence for the class or group called `name`, layer by layer.

    `tests` are of concepts, by the names of their pictures' folders.
    """

    name: str
    view: GlobalView
    classifier: str
    failures: Sequence[Outcome[Any]] = ()
    tests: Sequence[tuple[str, ConceptTest]] = ()

    def to_dict(self) -> dict[str, Any]:
        """See `Result`."""
        return global_manifest(self.name, self.view, self.classifier, self.tests)

    def rows(self) -> list[dict[str, Any]]:
        """A row for each concept of each layer."""
        return [
            {
                "layer": layer.layer,
                "label": each.name,
                "score": f"{each.score:.1f}",
                "weight": f"{each.weight:.0f} %",
                "pictures": f"{each.pictures} of {layer.pictures}",
            }
            for layer in self.view.layers
            for each in layer.concepts
        ]

    def page(self) -> str:
        """See `Result`."""
        return global_page(self.name, self.view, self.classifier, self.failures, self.tests)

    def write(self, folder: Path) -> None:
        """See `Result`."""
        save_page(folder, self.page())
        write_manifest(folder, self.to_dict(), MANIFEST)


def global_view(
    classifier: Classifier,
    sources: Sequence[Path],
    classes: Sequence[int],
    known: Lexicon,
    progress: Progress = silent,
) -> tuple[GlobalView, list[Outcome[Any]]]:
    """Sum up what was said about those pictures that people saw as one of the classes; and the pictures that failed.

    Raises:
        UsageError: nobody said anything about any of them.
    """
    opened, failures = open_each(sources)
    asked = {(answer.image_hash, answer.true_class) for answer in known.answers}
    played = [
        (image, index)
        for image in opened.values()
        for index in classes
        if (image.sha256, classifier.categories[index]) in asked
    ]
    seen: list[Seen] = []
    for done, (image, index) in enumerate(played):
        progress(done, len(played), "pictures")
        view = look(classifier, image, index, checked=False)
        seen.append(Seen(view, known.on(view)))
    if not any(each.words for each in seen):
        who = "simulated players have said nothing" if known.simulated and known.answers else "nobody has said anything"
        names = ", ".join(classifier.categories[index] for index in classes)
        raise UsageError(
            f"{who} yet about these pictures seen as {names} by this model: "
            "`seewhy people rounds` makes rounds, the app lets people play them"
        )
    return sum_up(seen), failures


def concept_tests(
    classifier: Classifier,
    concepts: Sequence[Path],
    others: Path | None,
    found: GlobalView,
    seed: int = 0,
    progress: Progress = silent,
) -> list[tuple[str, ConceptTest]]:
    """TCAV of each folder of `concepts` against the pictures of `others`, at every layer of a global view.

    The class's pictures are those that the view was made of. p-values are corrected for as many questions as there are
    concepts and layers (Holm), and random sets are as many as it takes to find anything then.

    Raises:
        UsageError: too few pictures.
    """
    if not concepts or others is None:
        return []
    pool = list(open_each(find_images([others]))[0].values())
    layers = [layer.layer for layer in found.layers]
    sets = max(SETS, SETS_EACH * len(layers) * len(concepts))
    tests: list[tuple[str, ConceptTest]] = []
    for folder in concepts:
        shown = list(open_each(find_images([folder]))[0].values())
        results = tcav(classifier, shown, pool, found.asked, layers, seed=seed, sets=sets, progress=progress)
        tests += [(folder.name, each) for each in results]
    corrected = holm([test.p for _, test in tests])
    return [(name, replace(test, p=p)) for (name, test), p in zip(tests, corrected, strict=True)]


def _explain(
    classifier: Classifier, image: Any, request: NetworkRequest, naming: Naming | None, progress: Progress
) -> NetworkPicture:
    view = look(
        classifier,
        open_image(image),
        request.target,
        layers=request.layers,
        clustering=find_clustering(request.clustering),
        signed=request.signed,
        seed=request.seed,
        progress=progress,
    )
    words, about = naming(view) if naming else ({}, "")
    return NetworkPicture(view, words, about)
