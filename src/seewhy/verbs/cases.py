"""Cases: build a base of pictures, and explain decisions by the pictures in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from seewhy import cases
from seewhy.cases.base import About, CaseBase, read_about
from seewhy.cases.building import Built
from seewhy.cases.counterfactuals import Counterfactuals
from seewhy.cases.embedders import Embedder, find_embedder
from seewhy.cases.twins import Twins, twins_beside
from seewhy.core.outcome import Outcome
from seewhy.core.progress import Progress, silent
from seewhy.errors import SeewhyError
from seewhy.images import Folder, Image
from seewhy.models import Classifier

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Cases:
    """A case base with what turns pictures into its vectors."""

    base: CaseBase
    embedder: Embedder


def build_cases(
    folder: str | Path,
    classifier: Classifier,
    out: str | Path,
    *,
    embedding: str = "penultimate",
    model: str | None = None,
    weights: str | Path | None = None,
    device: str = "auto",
    progress: Progress = silent,
) -> Built:
    """Make `out` a case base of the pictures in `folder`, embedding only what it does not hold yet.

    Args:
        folder: pictures, plain or in a sub-folder for each class.
        classifier: whose decisions the cases are to explain.
        out: where the base goes; an older one of the same classifier is brought up to date.
        embedding: `penultimate`, `cole`, or a model as second encoder, such as `timm:…` or `hf-hub:…`.
        model: the name by which the classifier can be loaded again, where that is not its own name.
        weights: the file that was given with that name.
        device: of the second encoder.
        progress: told of pictures; raise `Cancelled` in it to stop, and build again to go on.

    Raises:
        UsageError: `out` holds cases of another classifier or embedding, or the folder holds no pictures.
        ExplainError: not one picture can be embedded.
        ModelError: the second encoder cannot be had.
    """
    pictures = Folder.open(folder)
    embedder = find_embedder(embedding, classifier, device)
    about = About.of(pictures.root, embedder, model, Path(weights) if weights else None)
    return cases.build(pictures, embedder, Path(out), about, progress)


def classifier_of_cases(folder: str | Path) -> tuple[str, str | None]:
    """The model name and the weights by which the classifier of a case base can be loaded."""
    about = read_about(Path(folder))
    return about.model, about.weights


def open_cases(folder: str | Path, classifier: Classifier, device: str = "auto") -> Cases:
    """Open a case base for `classifier`.

    Raises:
        UsageError: there is none, or it was built with another classifier.
    """
    base = CaseBase.open(folder)
    embedder = find_embedder(base.about.embedding, classifier, device)
    base.about.check(base.folder, embedder)
    return Cases(base, embedder)


def find_twins(cases_: Cases, image: Image, top: int = 5, beside: Cases | None = None) -> Twins:
    """The `top` cases most like `image` that are predicted alike; with a second base, its list and their agreement.

    Raises:
        UsageError: the base holds no other picture, or one that was changed since.
        BadImage: a picture of the base is gone.
    """
    found = cases.find_twins(cases_.base, cases_.embedder, image, top)
    if beside is None:
        return found
    second = twins_beside(found, cases_.base, cases_.embedder, beside.base, beside.embedder, image, top)
    return replace(found, beside=second)


def find_counterfactuals(
    cases_: Cases, image: Image, target: str | int | None = None, *, seed: int = 0, progress: Progress = silent
) -> Counterfactuals:
    """What would have turned the decision about `image`, to the class `target` where one is given.

    Raises:
        UsageError: `target` is the class that it has already, or a picture of the base was changed since.
        BadImage: a picture of the base is gone.
    """
    return cases.find_counterfactuals(cases_.base, cases_.embedder, image, target, seed=seed, progress=progress)


def ask_each(
    images: Mapping[Path, Image], ask: Callable[[Image], T], progress: Progress = silent
) -> tuple[list[T], list[Outcome]]:
    """What `ask` answers to each picture, and what went wrong with others."""
    found: list[T] = []
    failures: list[Outcome] = []
    for done, (path, image) in enumerate(images.items(), start=1):
        try:
            found.append(ask(image))
        except SeewhyError as error:
            failures.append(Outcome(str(path), error=error))
        progress(done, len(images), "pictures")
    return found, failures
