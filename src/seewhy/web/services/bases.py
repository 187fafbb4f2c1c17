"""Case bases and models with prototypes that whoever runs the app has put there, and the model of a base."""

from __future__ import annotations

from pathlib import Path

from seewhy.cases.embedders import EMBEDDINGS
from seewhy.cases.manifest import read_manifest, without_folders
from seewhy.errors import UnknownName, UsageError
from seewhy.web.services.hub import Services

BASE, PROTOTYPES = "manifest.json", "card.json"  # what marks a folder as one


def bases(at: Services) -> dict[str, Path]:
    """Case bases by their names."""
    return _marked(at.settings.cases_folder, BASE)


def prototype_models(at: Services) -> dict[str, Path]:
    """Models with prototypes by their names."""
    return _marked(at.settings.prototypes_folder, PROTOTYPES)


def offered_model(at: Services, folder: Path) -> str:
    """The model that a base was built with; it and a second encoder have to be among those offered here.

    Raises:
        UsageError: one of them is not.
    """
    stored = read_manifest(folder).about
    for name in (stored.model, stored.embedding):
        if name not in EMBEDDINGS:
            try:
                at.models.check(name)
            except UnknownName as error:
                there = without_folders(name)
                raise UsageError(f"{folder.name} was built with {there}, and there is no model {there} here") from error
    return stored.model


def _marked(folder: Path, mark: str) -> dict[str, Path]:
    return {path.parent.name: path.parent for path in sorted(folder.glob(f"*/{mark}"))}
