"""What there is to choose from: models, methods, metrics, samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends

from seewhy.core.catalogue import Entry
from seewhy.images import samples
from seewhy.methods import list_methods
from seewhy.metrics import list_metrics
from seewhy.web.desk import Desk, desk

router = APIRouter(tags=["about"])


@router.get("/models", summary="The models to choose from; the first is the default")
def models(at: Annotated[Desk, Depends(desk)]) -> list[str]:
    """Names of models."""
    return list(at.shelf.names)


@router.get("/methods", summary="The methods that explain")
def methods() -> list[dict[str, Any]]:
    """Methods that need no more than a photo."""
    return [{**_about(each), "cost": each.cost} for each in list_methods() if not each.required]


@router.get("/metrics", summary="The metrics that say how far to believe an explanation")
def metrics() -> list[dict[str, Any]]:
    """Metrics."""
    return [{**_about(each), "higher_is_better": each.higher_is_better} for each in list_metrics()]


@router.get("/samples", summary="Photos that are always there")
def sample_photos() -> list[str]:
    """Names that stand for photos."""
    return [f"sample:{name}" for name in samples()]


SHOWN: Sequence[str] = ("name", "title", "family", "question", "reading", "paper", "arxiv")


def _about(entry: Entry) -> dict[str, Any]:
    return {**{name: getattr(entry, name) for name in SHOWN}, "needs": sorted(entry.needs)}
