"""A build for a process of its own, which is killed."""

from __future__ import annotations

from multiprocessing.synchronize import Event
from pathlib import Path

from cases.squares import classifier
from seewhy.cases import About, Penultimate, build, building
from seewhy.images import Folder


def build_by_ones(folder: Path, out: Path, begins: Event) -> None:
    """Build a base that keeps each picture as soon as it is embedded; tells when it `begins`."""
    building.PART = 1
    embedder, opened = Penultimate(classifier()), Folder.open(folder)
    about = About.of(opened.root, embedder)
    begins.set()
    build(opened, embedder, out, about)
