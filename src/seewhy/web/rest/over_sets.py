"""Questions about a set of pictures that are more than a command: train, audit, repair, compare two models; studies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from seewhy.answers.folders import Audited, Different, Repaired, Studied, Taught
from seewhy.core.progress import Progress
from seewhy.images import find_images
from seewhy.images.uploads import safe_name
from seewhy.methods.task import METHODS
from seewhy.models import Classifier
from seewhy.verbs.audit import audit as audited
from seewhy.verbs.diff import diff as different
from seewhy.verbs.repair import repair as repaired
from seewhy.verbs.study import find_studies, open_study
from seewhy.verbs.teach import TeachConfig
from seewhy.web.rest.found import Found, folder_of, found_of, model_of
from seewhy.web.rest.question import Modelled, Name, Seed, Sent, question
from seewhy.web.rest.sets import pictures_of
from seewhy.web.services.hub import LONG, TRAINING, Services
from seewhy.web.services.jobs import Job
from seewhy.web.visitors import Visitor

Pictures = Annotated[Name, Field(description="The id of a set of pictures, as /sets gives it.")]


class Train(Sent):
    """Learn classes."""

    pictures: Pictures
    name: Annotated[str, StringConstraints(min_length=1, max_length=40)] = Field(
        "classifier", description="What to call it."
    )
    model: str | None = Field(None, description="What to start from, one of /models; by default the first.")
    head_epochs: int = Field(30, ge=1, le=60, description="Rounds of the last layer alone.")
    epochs: int = Field(0, ge=0, le=30, description="Rounds of the whole network.")
    prototypes: bool = Field(False, description="Learn prototypes, too.")


class Audit(Modelled):
    """Is it right for wrong reasons?"""

    pictures: Pictures
    labels: bool = Field(False, description="The set's classes are the true ones, named as the model calls them.")
    seed: Seed = 0


class Repair(Sent):
    """Can it be mended?"""

    model: str = Field(description="The model that was audited.")
    findings: Name = Field(description="The id of its job of /audit.")
    pictures: Pictures
    number: int = Field(1, ge=1, le=1000, description="Which finding, counted from 1.")
    seed: Seed = 0


class Diff(Sent):
    """Did its reasons change?"""

    pictures: Pictures
    models: list[str] = Field(min_length=2, max_length=2, description="The model as it was, and as it is now.")
    method: Name = Field("grad-cam", description="Which method explains both.")
    findings: list[Name] | None = Field(
        None, min_length=2, max_length=2, description="Jobs of /audit of both, so that new findings are told."
    )
    seed: Seed = 0


class StudyAsked(Sent):
    """What did a study find?"""

    study: Name = Field(description="One of /studies, or the id of a job of /run-study.")


@question("Ask what a study found", Studied)
def study(at: Services, asked: StudyAsked, who: Visitor) -> Job[Any]:
    """Which methods to believe over a whole folder of pictures, by a study that was run."""
    listed = find_studies(at.settings.studies_folder).get(asked.study)
    folder = listed or folder_of(at, asked.study, "run-study")
    return at.queue.submit(lambda _: found_of(open_study(folder)), "opening a study", visitor=who, lane=LONG)


@question("Teach it classes of your own", Taught, private=True)
def train(at: Services, asked: Train, who: Visitor) -> Job[Any]:
    """Train a classifier on a set of pictures. Its job's id then stands for the model, and for its cases."""
    backbone = model_of(at, asked.model)
    config = TeachConfig(
        safe_name(asked.name), pictures_of(asked.pictures), backbone, asked.head_epochs, asked.epochs, asked.prototypes
    )
    return at.train(config, visitor=who)


@question("Ask whether a model is right for wrong reasons", Audited, private=True)
def audit(at: Services, asked: Audit, who: Visitor) -> Job[Any]:
    """Look for what makes a model answer for wrong reasons over a set, and try each suspect on other pictures."""
    pictures = pictures_of(asked.pictures)

    def work(classifier: Classifier, folder: Path, tell: Progress) -> Found:
        result = audited(classifier, pictures, folder, labels=asked.labels, seed=asked.seed, progress=tell)
        return found_of(result, folder=result.save(folder))

    return _filling(at, model_of(at, asked.model), "audit", work, who)


@question("Repair a model by a finding of an audit", Repaired, private=True)
def repair(at: Services, asked: Repair, who: Visitor) -> Job[Any]:
    """Change a model's last layer so that a finding no longer carries its class. A usable one goes by the job's id."""
    model, pictures = model_of(at, asked.model), pictures_of(asked.pictures)
    findings = folder_of(at, asked.findings, "audit")

    def work(_: Classifier, folder: Path, tell: Progress) -> Found:
        result = repaired(
            model,
            findings,
            pictures,
            number=asked.number,
            device=at.settings.device,
            seed=asked.seed,
            progress=tell,
        )
        made = f"file:{result.save(folder)}" if result.usable else None
        if made:
            at.models.admit(made)
        return found_of(result, model=made)

    return _filling(at, model, "repair", work, who)


@question("Ask whether two models have the same reasons", Different, private=True)
def diff(at: Services, asked: Diff, who: Visitor) -> Job[Any]:
    """Find pictures to which two models give one answer for different reasons."""
    pictures, (first, second) = pictures_of(asked.pictures), (model_of(at, each) for each in asked.models)
    findings = [folder_of(at, each, "audit") for each in asked.findings or ()]
    METHODS.listed(asked.method)

    def work(classifier: Classifier, tell: Progress) -> Found:
        result = different(
            find_images([pictures]),
            classifier,
            at.models.get(second),
            names=(first, second),
            method=asked.method,
            findings=(findings[0], findings[1]) if findings else None,
            seed=asked.seed,
            progress=tell,
        )
        return found_of(result)

    return at.submit(first, "comparing two models", work, visitor=who, lane=TRAINING)


def _filling(
    at: Services, model: str, name: str, work: Callable[[Classifier, Path, Progress], Found], who: Visitor
) -> Job[Any]:
    """Work that leaves a folder of the visitor's, which is called as its question is."""

    def fill(classifier: Classifier, tell: Progress) -> Found:
        with at.disk.filling(at.new_training_folder(), who) as kept:
            return work(classifier, kept / name, tell)

    at.disk.check(who, 0)
    return at.submit(model, f"{name} with {model.rpartition('/')[2]}", fill, visitor=who, lane=TRAINING)
