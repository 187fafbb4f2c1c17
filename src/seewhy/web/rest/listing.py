"""What there is to choose from: models, methods, metrics, samples, case bases, prototypes, studies."""

from __future__ import annotations

from fastapi import APIRouter

from seewhy.answers import told_of
from seewhy.answers.cases import ListedCases
from seewhy.answers.people import ListedMethod, ListedMetric
from seewhy.cases.manifest import read_manifest, without_folders
from seewhy.errors import SeewhyError
from seewhy.images import samples
from seewhy.methods import list_methods
from seewhy.metrics import list_metrics
from seewhy.verbs.study import find_studies
from seewhy.web.rest.jobs import At
from seewhy.web.services.bases import bases, prototype_models

router = APIRouter(tags=["about"])


@router.get("/models", summary="The models to choose from; the first is the default")
def models(at: At) -> list[str]:
    """Names of models."""
    return list(at.models.names)


@router.get("/methods", summary="The methods that explain")
def methods() -> list[ListedMethod]:
    """Methods that need no more than a photo."""
    return [told_of(each, ListedMethod) for each in list_methods() if not each.required]


@router.get("/metrics", summary="The metrics that say how far to believe an explanation")
def metrics() -> list[ListedMetric]:
    """Metrics."""
    return [told_of(each, ListedMetric) for each in list_metrics()]


@router.get("/samples", summary="Photos that are always there")
def sample_photos() -> list[str]:
    """Names that stand for photos."""
    return [f"sample:{name}" for name in samples()]


@router.get("/cases", summary="Case bases to compare photos with")
def case_bases(at: At) -> list[ListedCases]:
    """Those that whoever runs the app has put there."""
    found: list[ListedCases] = []
    for name, folder in bases(at).items():
        try:
            about = read_manifest(folder).about
        except SeewhyError:  # a damaged one can be asked nothing
            continue
        found.append(ListedCases(name=name, model=without_folders(about.model), embedding=about.embedding))
    return found


@router.get("/prototypes", summary="Models with prototypes")
def prototypes(at: At) -> list[str]:
    """Those that whoever runs the app has put there."""
    return list(prototype_models(at))


@router.get("/studies", summary="Studies that were run before")
def studies(at: At) -> list[str]:
    """Their names."""
    return list(find_studies(at.settings.studies_folder))
