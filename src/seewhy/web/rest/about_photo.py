"""Questions about one photo: what it is, why, which explanation to believe, layer by layer, in concepts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field, StrictInt, StrictStr

from seewhy.answers.explaining import Compared, Explanations, NetworkManifest, Predictions
from seewhy.answers.network import ClassView, PhotoConcepts
from seewhy.core.progress import Progress
from seewhy.images import Image, find_images, samples
from seewhy.models import Classifier
from seewhy.network.labels import lexicon, naming_of
from seewhy.people.rounds import answers
from seewhy.report.network import write_network_report
from seewhy.verbs.concepts import explain_concepts, open_concepts
from seewhy.verbs.network import GlobalResult, explain_network, global_view
from seewhy.web.rest.found import Found, folder_of, found_of, model_of, plain
from seewhy.web.rest.question import Asked, Modelled, Name, Seed, photo_of, question
from seewhy.web.services.hub import LONG, Request, Services, services
from seewhy.web.services.jobs import Job
from seewhy.web.services.reports import written
from seewhy.web.services.storage import people_store
from seewhy.web.visitors import Visitor

MOST = 60  # methods, metrics or layers of one request
Target = StrictStr | StrictInt | None
TARGET: Any = Field(None, description='A class, its index, or "A vs B"; by default the likeliest.')


class Predict(Asked):
    """What is in the photo?"""

    top: int = Field(5, ge=1, le=100, description="How many classes.")


class Explain(Asked):
    """Why?"""

    methods: list[str] = Field(["grad-cam"], min_length=1, max_length=MOST, description="Names of /methods.")
    target: Target = TARGET
    seed: Seed = 0


class Compare(Explain):
    """Which explanation is to be believed?"""

    methods: list[str] = Field([], max_length=MOST, description="Two or more of /methods; by default eight fast ones.")
    metrics: list[str] = Field([], max_length=MOST, description="Names of /metrics; by default four.")


class NetworkAsked(Asked):
    """What does each layer see?"""

    target: Target = TARGET
    layers: list[Name] = Field([], max_length=MOST, description="Names of layers; by default the last nine stages.")
    clustering: Literal["ward", "classic"] = Field("ward", description="How maps are grouped.")
    signed: bool = Field(False, description="Keep what speaks against the class, too.")
    seed: Seed = 0


class OfClass(Modelled):
    """What do the layers go by for a class?"""

    of: StrictStr | StrictInt = Field(description="A class, or its index.")


class Concepts(Asked):
    """Which concepts decide?"""

    concepts: Name = Field(description="The id of a job of /build-concepts.")
    target: Target = TARGET


@question("Ask what is in a photo", Predictions)
def predict(at: Services, asked: Predict, who: Visitor) -> Job[Any]:
    """The likeliest classes of a photo with their probabilities."""
    return at.predict(photo_of(at, asked.image), model_of(at, asked.model), asked.top, visitor=who)


@question("Ask why", Explanations)
def explain(at: Services, asked: Explain, who: Visitor) -> Job[Any]:
    """Where in a photo the model looked for a class, by one method or several; maps and pictures are in the files."""
    return at.explain(photo_of(at, asked.image), _request(at, asked), visitor=who)


@question("Ask which explanation to believe", Compared)
def compare(at: Services, asked: Compare, who: Visitor) -> Job[Any]:
    """Score several methods on a photo against maps drawn by chance, and say which to believe, if any."""
    return at.compare(photo_of(at, asked.image), _request(at, asked, asked.metrics), visitor=who)


@question("Ask what each layer sees", NetworkManifest)
def network(at: Services, asked: NetworkAsked, who: Visitor) -> Job[Any]:
    """What each layer found in a photo, how much each find weighs, and what is lost without it."""

    def work(classifier: Classifier, image: Image, tell: Progress) -> Found:
        picture = explain_network(
            classifier,
            image,
            _told(asked.target),
            layers=asked.layers,
            clustering=asked.clustering,
            signed=asked.signed,
            naming=naming_of(classifier),
            seed=asked.seed,
            progress=tell,
        )
        files = written(lambda folder: write_network_report(folder, [(picture, picture.save(folder / "network"))]))
        return Found(plain(picture.to_dict()), files)

    return _about_photo(at, asked, f"looking into the network at {asked.image[:40]}", work, who)


@question("Ask what the layers go by for a whole class", ClassView)
def class_view(at: Services, asked: OfClass, who: Visitor) -> Job[Any]:
    """Sum up a class in the words of people who played with its photos, layer by layer."""

    def work(classifier: Classifier, tell: Progress) -> Found:
        return found_of(_view(classifier, classifier.target(str(asked.of)).index, tell))

    return at.submit(model_of(at, asked.model), f"summing up {str(asked.of)[:80]}", work, visitor=who)


@question("Ask which concepts decide", PhotoConcepts)
def concepts(at: Services, asked: Concepts, who: Visitor) -> Job[Any]:
    """A photo in the concepts that /build-concepts found: what each adds to the score, layer by layer."""
    folder = folder_of(at, asked.concepts, "build-concepts")

    def work(classifier: Classifier, image: Image, tell: Progress) -> Found:
        book = open_concepts(folder, classifier)
        result = explain_concepts(classifier, [image], book, _told(asked.target), tell)  # pyright: ignore[reportArgumentType]
        for error in filter(None, (each.error for each in result.failures)):
            raise error
        return found_of(result, result.values(result.found[0]))

    return _about_photo(at, asked, "looking for concepts", work, who)


def _view(classifier: Classifier, index: int, progress: Progress) -> GlobalResult:
    """A whole class in the words of those who played, or where nobody did, of simulated players.

    They played with the pictures of a folder, or with the samples that the page Play begins with.

    Raises:
        UsageError: nobody said anything about these pictures as this class.
    """
    progress(0, None, "reading words")
    store = people_store()
    simulated = not answers(store, simulated=False, model=classifier.fingerprint)
    known = lexicon(store, classifier, simulated=simulated)
    folder = services().settings.photos
    pictures = find_images([folder]) if folder else list(samples().values())
    found, failures = global_view(classifier, pictures, [index], known, progress)
    name = classifier.categories[index] + (" (simulated players)" if simulated else "")
    return GlobalResult(name, found, classifier.name, failures)


def _about_photo(at: Services, asked: Asked, words: str, work: Any, who: Visitor) -> Job[Any]:
    photo = photo_of(at, asked.image)
    return at.ask(model_of(at, asked.model), words, photo, work, visitor=who, lane=LONG)


def _request(at: Services, asked: Explain, metrics: Sequence[str] = ()) -> Request:
    targets = () if asked.target is None else (str(asked.target),)
    return Request(model_of(at, asked.model), tuple(asked.methods), tuple(metrics), targets, asked.seed)


def _told(target: str | int | None) -> str | None:
    return None if target is None else str(target)
