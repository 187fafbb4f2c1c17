"""Teach: from pictures of somebody's own classes to a classifier, a base of its cases and, if asked, its prototypes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from typing import Any

from seewhy.core.progress import Progress, silent
from seewhy.models import Classifier, load
from seewhy.verbs.cases import build_cases
from seewhy.verbs.prototypes import train_prototypes_on
from seewhy.verbs.result import Result
from seewhy.verbs.train import train


@dataclass(frozen=True)
class TeachConfig:
    """What to learn from, and how.

    Args:
        name: Of the classifier, and of the folders that its results lie in.
        pictures: A folder with a folder of pictures for each class.
        backbone: The model that the classifier starts from, as `seewhy.load` takes it.
        head_epochs: Rounds of the last layer alone, at least 1.
        epochs: Rounds of the whole network, 0 for none.
        prototypes: Whether prototypes are learned, too.
    """

    name: str
    pictures: Path
    backbone: str
    head_epochs: int = 30
    epochs: int = 0
    prototypes: bool = False


@dataclass(frozen=True)
class TeachResult(Result):
    """A classifier, its cases and prototypes below `folder`; `objections` say why the prototypes cannot be used."""

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

    def to_dict(self) -> dict[str, Any]:
        """The classifier's name, how it is loaded, and what speaks against its prototypes."""
        return {"name": self.name, "model": self.model, "objections": list(self.objections)}

    def rows(self) -> list[dict[str, Any]]:
        """One row."""
        return [self.to_dict()]

    def page(self) -> str:
        """The report about the classifier."""
        return (self.classifier / "report.html").read_text("utf-8")

    def write(self, folder: Path) -> None:
        """Copy the classifier and the prototypes, each into a folder of its own, with their reports."""
        for each in filter(Path.is_dir, (self.classifier, self.prototypes)):
            copytree(each, folder / each.name)


def teach(
    config: TeachConfig, folder: Path, load_model: Callable[[str], Classifier] = load, progress: Progress = silent
) -> TeachResult:
    """Train a classifier in `folder`, build its cases, and learn prototypes if they are asked for.

    Args:
        config: What to learn from, and how.
        folder: Where everything is written.
        load_model: Opens the classifier by its name once it is trained.
        progress: Told of the work done; may raise `Cancelled`.

    Raises:
        UsageError, ModelError, NonFinite: each names the cause and the cure.
    """
    from seewhy.train.recipe import find_recipe

    result = TeachResult(config.name, folder)
    recipe = find_recipe("default", head_epochs=config.head_epochs, epochs=config.epochs)
    train(config.pictures, config.backbone, result.classifier, recipe=recipe, progress=progress)
    classifier = load_model(result.model)
    build_cases(config.pictures, classifier, result.cases, model=result.model, progress=progress)
    if not config.prototypes:
        return result
    run = train_prototypes_on(config.pictures, result.model, result.prototypes, progress=progress)
    return TeachResult(config.name, folder, tuple(run.model.diagnosis.reasons))
