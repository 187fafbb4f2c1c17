from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cases.squares import classifier, folder_of
from seewhy.cases import About, Built, Embedder, build, find_embedder
from seewhy.core.progress import Progress, silent
from seewhy.images import Folder
from seewhy.models import Classifier

Builds = Callable[..., Built]


@pytest.fixture(scope="session")
def colours() -> Classifier:
    """Knows red, green and blue; ends in global average pooling and a linear layer."""
    return classifier()


@pytest.fixture(scope="session")
def raw(colours: Classifier) -> Embedder:
    return find_embedder("penultimate", colours)


@pytest.fixture(scope="session")
def cole(colours: Classifier) -> Embedder:
    return find_embedder("cole", colours)


@pytest.fixture(scope="session")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight pictures of each colour, which nobody changes."""
    return folder_of(tmp_path_factory.mktemp("squares") / "all")


@pytest.fixture(scope="session")
def builds() -> Builds:
    """Build a case base of a folder."""

    def run(folder: Path, embedder: Embedder, out: Path, progress: Progress = silent) -> Built:
        opened = Folder.open(folder)
        return build(opened, embedder, out, About.of(opened.root, embedder), progress)

    return run


@pytest.fixture(scope="session")
def base(builds, squares, raw, tmp_path_factory):
    """The case base of the squares, by what goes into the last layer."""
    return builds(squares, raw, tmp_path_factory.mktemp("base")).base


@pytest.fixture(scope="session")
def cole_base(builds, squares, cole, tmp_path_factory):
    return builds(squares, cole, tmp_path_factory.mktemp("cole")).base
