"""Questions that are answered by other pictures: twins, counterfactuals, parts, influence, prototypes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import Field

from seewhy.answers import cases as told
from seewhy.cases import Cases, find_counterfactuals, find_twins, open_cases
from seewhy.cases.influence import find_influences, train_head
from seewhy.cases.parts import find_parts
from seewhy.core.progress import Progress
from seewhy.errors import UnknownName
from seewhy.images import Image
from seewhy.models import Classifier
from seewhy.verbs.cases import CounterfactualsResult, InfluenceResult, PartsResult, TwinsResult
from seewhy.verbs.prototypes import explain_prototypes
from seewhy.web.rest.found import Found, folder_of, found_of, lent, taught_of
from seewhy.web.rest.question import Name, Seed, Sent, photo_of, question
from seewhy.web.services.bases import bases, offered_model, prototype_models
from seewhy.web.services.hub import LONG, Services
from seewhy.web.services.jobs import Job
from seewhy.web.visitors import Visitor

MOST = 50  # cases of one answer


class OfCases(Sent):
    """What every question to a case base says."""

    image: str = Field(description="The id of an uploaded photo, or sample:cat.")
    cases: Name = Field(description="One of /cases, or the id of a job of /train or /build-cases.")


class TwinsAsked(OfCases):
    """What is like it?"""

    top: int = Field(5, ge=1, le=MOST, description="How many twins.")


class CounterfactualAsked(OfCases):
    """What would have turned it?"""

    target: Name | None = Field(None, description="The class to turn to; by default any other.")
    seed: Seed = 0


class PartsAsked(OfCases):
    """What does it consist of?"""

    against: Name | None = Field(None, description='A class to compare with, or "next"; by default all others.')
    parts: int = Field(5, ge=2, le=12, description="How many parts.")
    top: int = Field(4, ge=1, le=12, description="How many cases of each part.")


class InfluenceAsked(OfCases):
    """Which training pictures does it hang on?"""

    top: int = Field(5, ge=1, le=MOST, description="How many that helped, and how many that stood against it.")
    seed: Seed = 0


class PrototypesAsked(Sent):
    """What looks like what?"""

    image: str = Field(description="The id of an uploaded photo, or sample:cat.")
    prototypes: Name = Field(description="One of /prototypes, or the id of a job of /train that learned some.")


@question("Ask which pictures are most like a photo", told.Twins)
def twins(at: Services, asked: TwinsAsked, who: Visitor) -> Job[Any]:
    """The pictures of a case base most like a photo to the model, and where they are alike."""

    def find(opened: Cases, image: Image, _: Progress) -> Found:
        result = TwinsResult([find_twins(opened, image, asked.top)], opened.base.about)
        return found_of(result, result.values(result.found[0]))

    return _of_cases(at, asked, "looking for twins", find, who)


@question("Ask what would have turned a decision", told.Counterfactuals)
def counterfactual(at: Services, asked: CounterfactualAsked, who: Visitor) -> Job[Any]:
    """Another picture, parts of it, or less of this photo: what makes the model say something else."""

    def find(opened: Cases, image: Image, tell: Progress) -> Found:
        found = find_counterfactuals(opened, image, asked.target, seed=asked.seed, progress=tell)
        result = CounterfactualsResult([found], opened.base.about)
        return found_of(result, result.values(found))

    return _of_cases(at, asked, "looking for what would turn it", find, who)


@question("Ask for a decision as a sum of parts", told.Parts)
def parts(at: Services, asked: PartsAsked, who: Visitor) -> Job[Any]:
    """Divide a decision into parts that add up to it, each with the cases that it is found in."""

    def find(opened: Cases, image: Image, _: Progress) -> Found:
        found = find_parts(opened, image, against=asked.against, parts=asked.parts, top=asked.top)
        result = PartsResult([found], opened.base.about)
        return found_of(result, result.values(found))

    return _of_cases(at, asked, "looking for parts", find, who)


@question("Ask which training pictures a decision hangs on", told.Influences)
def influence(at: Services, asked: InfluenceAsked, who: Visitor) -> Job[Any]:
    """The training pictures that helped a decision or stood against it, and which labels to look at."""

    def find(opened: Cases, image: Image, _: Progress) -> Found:
        trained = train_head(opened.base, opened.embedder.classifier.categories)
        found = find_influences(opened, trained, image, asked.top, seed=asked.seed)
        return found_of(InfluenceResult.of(opened, trained, [found], ()))

    return _of_cases(at, asked, "looking for influence", find, who)


@question("Ask what looks like a prototype", told.PrototypePhoto)
def prototypes(at: Services, asked: PrototypesAsked, who: Visitor) -> Job[Any]:
    """What in a photo looks like which patch of a training picture, and the points that it gives."""
    photo, folder = photo_of(at, asked.image), _prototypes(at, asked.prototypes)

    def work(job: Job[Found]) -> Found:
        result = explain_prototypes(folder, [at.photos.open(photo)], device=at.settings.device, progress=job.tell)
        return found_of(result, result.values(result.found[0]))

    return at.queue.submit(work, f"matching {photo.name}", visitor=who, lane=LONG)


def _of_cases(
    at: Services, asked: OfCases, words: str, find: Callable[[Cases, Image, Progress], Found], who: Visitor
) -> Job[Any]:
    photo, folder = photo_of(at, asked.image), _base(at, asked.cases)

    def work(classifier: Classifier, image: Image, tell: Progress) -> Found:
        tell(0, None, "opening the cases")
        opened = open_cases(folder, classifier)
        tell(0, None, words)
        return find(opened, image, tell)

    return at.ask(offered_model(at, folder), f"{words}: {photo.name}", photo, work, visitor=who, lane=LONG)


def _base(at: Services, name: str) -> Path:
    """The case base that somebody names: a listed one, or one that a job has made."""
    if found := bases(at).get(name):
        return found
    taught = taught_of(at, name)
    return taught.cases if taught else folder_of(at, name, "build-cases")


def _prototypes(at: Services, name: str) -> Path:
    if found := prototype_models(at).get(name) or lent(name):
        return found
    taught = taught_of(at, name)
    if taught is None or not taught.prototypes.is_dir():
        raise UnknownName(f"'{name[:80]}' is none of /prototypes, and no job of /train that learned some")
    return taught.prototypes
