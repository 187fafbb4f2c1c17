"""Teaching: a classifier of somebody's own classes, its cases, and its prototypes."""

from __future__ import annotations

import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from seewhy.core.progress import Progress
from seewhy.report import write_prototypes_report, write_train_report
from seewhy.verbs import build_cases, train, train_prototypes_on
from seewhy.web.archive import REPORT, Files, file_in, files_in
from seewhy.web.forgetting import forget_stale
from seewhy.web.shelf import Shelf

SECRET = 32  # random bytes of a folder's name: to know it is the right to what is in it


@dataclass(frozen=True)
class Lesson:
    """What to learn from, and how: the rounds of the last layer alone, and of the whole network."""

    name: str
    pictures: Path
    backbone: str
    head_epochs: int = 30
    epochs: int = 0
    prototypes: bool = False


@dataclass(frozen=True)
class Taught:
    """What came of a lesson, and why its prototypes cannot be used, if they cannot."""

    name: str
    folder: Path
    objections: tuple[str, ...] = ()

    @property
    def classifier(self) -> Path:
        """As `seewhy train` writes it."""
        return self.folder / "classifier" / self.name

    @property
    def cases(self) -> Path:
        """As `seewhy cases build` writes it."""
        return self.folder / "cases" / self.name

    @property
    def prototypes(self) -> Path:
        """As `seewhy prototypes train` writes it, if they were asked for."""
        return self.folder / "prototypes" / f"{self.name}-prototypes"

    @property
    def model(self) -> str:
        """The name by which the classifier is loaded."""
        return f"file:{self.classifier}"

    def page(self) -> bytes:
        """The report about the classifier."""
        return file_in(self.classifier, REPORT)

    def files(self) -> Files:
        """Classifier and prototypes, each in its folder, with their reports."""
        folders = (self.classifier, self.prototypes)
        return {f"{each.name}/{name}": content for each in folders for name, content in files_in(each).items()}


def teach(lesson: Lesson, folder: Path, shelf: Shelf, progress: Progress) -> Taught:
    """Train a classifier in `folder`, let it be used, build its cases, and train prototypes if they are asked for.

    Raises:
        UsageError, ModelError, NonFinite: each names the cause and the cure.
    """
    from seewhy.train.recipe import find_recipe

    taught = Taught(lesson.name, folder)
    recipe = find_recipe("default", head_epochs=lesson.head_epochs, epochs=lesson.epochs)
    write_train_report(train(lesson.pictures, lesson.backbone, taught.classifier, recipe=recipe, progress=progress))
    shelf.admit(taught.model)
    build_cases(lesson.pictures, shelf.get(taught.model), taught.cases, model=taught.model, progress=progress)
    if not lesson.prototypes:
        return taught
    run = train_prototypes_on(lesson.pictures, taught.model, taught.prototypes, progress=progress)
    write_prototypes_report(run)
    return Taught(taught.name, folder, tuple(run.trained.model.diagnosis.reasons))


def new_folder(trainings: Path) -> Path:
    """A folder of a name that nobody guesses; what was learned a day ago or more is forgotten."""
    forget_old(trainings)
    return trainings / secrets.token_urlsafe(SECRET)


def forget_old(trainings: Path) -> None:
    """Delete what was begun a day ago or more."""
    forget_stale(trainings.glob("*/"), shutil.rmtree)
